/* registry: the tables, and what happens when a process ends that has entries (registry.h). */
#include "registry/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "proc/down.h"

struct mni_registry mni_registry;

enum { FIRST_CHAINS = 64 };

/* Without memory the chains get longer. */
static void grow(struct mni_map *t) {
    size_t n = t->chains ? 2 * (t->mask + 1) : FIRST_CHAINS;
    struct mni_node **chains = fault("malloc") ? NULL : calloc(n, sizeof(struct mni_node *));
    if (!chains)
        return;
    for (size_t i = 0; t->chains && i <= t->mask; i++)
        for (struct mni_node *node = t->chains[i], *next; node; node = next) {
            next = node->next;
            node->next = chains[node->hash & (n - 1)];
            chains[node->hash & (n - 1)] = node;
        }
    free(t->chains);
    t->chains = chains;
    t->mask = n - 1;
}

int mni_map_add(struct mni_map *t, struct mni_node *node) {
    if (!t->chains || t->count > t->mask)
        grow(t);
    if (!t->chains)
        return -ENOMEM;
    struct mni_node **chain = &t->chains[node->hash & t->mask];
    node->next = *chain;
    *chain = node;
    t->count++;
    return 0;
}

void mni_map_remove(struct mni_map *t, struct mni_node *node) {
    struct mni_node **at = &t->chains[node->hash & t->mask];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->count--;
}

struct mni_node *mni_map_after(const struct mni_node *node) {
    struct mni_node *n = node->next;
    while (n && n->hash != node->hash)
        n = n->next;
    return n;
}

struct mni_node *mni_map_first(const struct mni_map *t, uint64_t hash) {
    struct mni_node *n = t->chains ? t->chains[hash & t->mask] : NULL;
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

/* FNV-1a: Fowler, Noll, Vo; for short strings. */
uint64_t mni_name_hash(const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* References count up, with the CPU's number below. */
static uint64_t ref_hash(mn_ref ref) {
    uint64_t h = ref * 0x9e3779b97f4a7c15u; /* Knuth's multiplicative hashing */
    return h ^ h >> 32;
}

bool mni_name_valid(const char *name) {
    return name && *name && strnlen(name, MNI_NAME_MOST + 1) <= MNI_NAME_MOST;
}

struct mni_entry *mni_entry_make(struct mni_cpu *c, enum mni_entry_kind kind, mn_pid pid, const char *name,
                                 struct mni_msg **monitor) {
    size_t size = name ? strlen(name) + 1 : 0;
    struct mni_entry *e = fault("malloc") ? NULL : malloc(sizeof *e + size);
    if (!e)
        return NULL;
    mn_ref ref = mni_ref_make(c);
    *monitor = mni_signal_make(mni_part(c), MNI_K_MONITOR, 0, ref);
    if (!*monitor) {
        free(e);
        return NULL;
    }
    *e = (struct mni_entry){.by_ref.hash = ref_hash(ref), .pid = pid, .ref = ref, .kind = kind};
    if (name) {
        memcpy(e->name, name, size);
        e->by_name.hash = mni_name_hash(name);
    }
    return e;
}

/* Without the memory for it the process tells us when it ends, of an entry that we do not have. */
void mni_entry_unwatch(struct mni_cpu *c, mn_pid pid, mn_ref ref) {
    struct mni_msg *m = mni_signal_make(mni_part(c), MNI_K_DEMONITOR, 0, ref);
    if (m)
        mni_signal_send(c, pid, m);
}

struct mni_entry *mni_registry_by_ref(mn_ref ref) {
    struct mni_node *n = mni_map_first(&mni_registry.refs, ref_hash(ref));
    while (n && list_entry(n, struct mni_entry, by_ref)->ref != ref)
        n = mni_map_after(n);
    return n ? list_entry(n, struct mni_entry, by_ref) : NULL;
}

void mni_registry_down(struct mni_cpu *c, mn_ref ref) {
    mni_lock_take(&mni_registry.lock);
    struct mni_entry *e = mni_registry_by_ref(ref);
    if (e) {
        mni_map_remove(&mni_registry.refs, &e->by_ref);
        if (e->kind == MNI_NAME)
            mni_map_remove(&mni_registry.names, &e->by_name);
        else
            mni_group_drop(c, e);
    }
    mni_lock_drop(&mni_registry.lock);
    free(e);
}

/* All processes have ended, and with them what they had here. */
void mni_registry_stop(void) {
    free(mni_registry.refs.chains);
    free(mni_registry.names.chains);
    free(mni_registry.groups.chains);
    mni_registry = (struct mni_registry){0};
}

/* The parent's processes are not here.  What they had is left where it is: another LWP may have held the
 * lock. */
void mni_registry_forked(void) {
    mni_registry = (struct mni_registry){0};
}
