/*
 * hash: tables of chains, for what is found by a number or a name: registered names, timers, descriptors, keys.
 *
 * A node lies in what it stands for.  The table grows with what is in it; without memory for that its chains
 * get longer, so to add never fails.  An all-zero table is an empty one.  Its owner, or the holder of the lock
 * that guards it, calls.
 */
#ifndef MNI_HASH_H
#define MNI_HASH_H

#include <stddef.h>
#include <stdint.h>

struct mni_node {
    struct mni_node *next;
    uint64_t hash;
};

enum { MNI_HASH_FEW = 16 };

struct mni_hash {
    struct mni_node **chains; /* mask + 1; NULL: few */
    size_t mask, count;
    struct mni_node *few[MNI_HASH_FEW]; /* the first chains */
};

/* The hash of a number, which is no other number's: Knuth's multiplicative hashing, by an odd number, and the
 * upper half over the lower one.  Both can be undone. */
static inline uint64_t mni_hash_of(uint64_t number) {
    number *= 0x9e3779b97f4a7c15u;
    return number ^ number >> 32;
}

/* node->hash is set. */
void mni_hash_add(struct mni_hash *t, struct mni_node *node);
/* It is in the table. */
void mni_hash_remove(struct mni_hash *t, struct mni_node *node);

static inline struct mni_node **mni_hash_chain(const struct mni_hash *t, uint64_t hash) {
    return t->chains ? &t->chains[hash & t->mask] : (struct mni_node **)&t->few[hash % MNI_HASH_FEW];
}

/* The first of those with this hash, and the one after another; NULL: there is none. */
static inline struct mni_node *mni_hash_first(const struct mni_hash *t, uint64_t hash) {
    struct mni_node *n = *mni_hash_chain(t, hash);
    while (n && n->hash != hash)
        n = n->next;
    return n;
}
struct mni_node *mni_hash_after(const struct mni_node *node);

/* All, in no order; fn may release its node, but not change the table. */
void mni_hash_each(const struct mni_hash *t, void (*fn)(struct mni_node *node, void *arg), void *arg);

/* The table is empty then; what was in it is not touched. */
void mni_hash_release(struct mni_hash *t);

#endif
