/* hash: tables of chains (hash.h). */
#include "hash.h"

#include <stdlib.h>

#include "fault.h"

static void grow(struct mni_hash *t) {
    size_t before = t->chains ? t->mask + 1 : MNI_HASH_FEW, n = 2 * before;
    struct mni_node **chains = fault("malloc") ? NULL : calloc(n, sizeof(struct mni_node *));
    if (!chains)
        return;
    for (size_t i = 0; i < before; i++)
        for (struct mni_node *node = *mni_hash_chain(t, i), *next; node; node = next) {
            next = node->next;
            node->next = chains[node->hash & (n - 1)];
            chains[node->hash & (n - 1)] = node;
        }
    free(t->chains);
    t->chains = chains;
    t->mask = n - 1;
}

void mni_hash_add(struct mni_hash *t, struct mni_node *node) {
    if (t->count++ > 2 * (t->chains ? t->mask : MNI_HASH_FEW - 1))
        grow(t);
    struct mni_node **at = mni_hash_chain(t, node->hash);
    node->next = *at;
    *at = node;
}

void mni_hash_remove(struct mni_hash *t, struct mni_node *node) {
    struct mni_node **at = mni_hash_chain(t, node->hash);
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->count--;
}

struct mni_node *mni_hash_after(const struct mni_node *node) {
    struct mni_node *n = node->next;
    while (n && n->hash != node->hash)
        n = n->next;
    return n;
}

void mni_hash_each(const struct mni_hash *t, void (*fn)(struct mni_node *node, void *arg), void *arg) {
    for (size_t i = 0, left = t->count; left > 0; i++)
        for (struct mni_node *node = *mni_hash_chain(t, i), *next; node; node = next) {
            next = node->next;
            left--;
            fn(node, arg);
        }
}

void mni_hash_release(struct mni_hash *t) {
    free(t->chains);
    *t = (struct mni_hash){0};
}
