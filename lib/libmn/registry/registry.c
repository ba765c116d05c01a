/* registry: the tables, and what happens when a process ends that has entries (registry.h). */
#include "registry/registry.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "proc/down.h"

struct mni_registry mni_registry;

/* FNV-1a: Fowler, Noll, Vo; for short strings. */
uint64_t mni_name_hash(const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
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
    *e = (struct mni_entry){.by_ref.hash = mni_hash_of(ref), .pid = pid, .ref = ref, .kind = kind};
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
    struct mni_node *n = mni_hash_first(&mni_registry.refs, mni_hash_of(ref));
    return n ? list_entry(n, struct mni_entry, by_ref) : NULL;
}

void mni_registry_down(struct mni_cpu *c, mn_ref ref) {
    mni_lock_take(&mni_registry.lock);
    struct mni_entry *e = mni_registry_by_ref(ref);
    if (e) {
        mni_hash_remove(&mni_registry.refs, &e->by_ref);
        if (e->kind == MNI_NAME)
            mni_hash_remove(&mni_registry.names, &e->by_name);
        else
            mni_group_drop(c, e);
    }
    mni_lock_drop(&mni_registry.lock);
    free(e);
}

/* All processes have ended, and with them what they had here. */
void mni_registry_stop(void) {
    mni_hash_release(&mni_registry.refs);
    mni_hash_release(&mni_registry.names);
    mni_hash_release(&mni_registry.groups);
    mni_registry = (struct mni_registry){0};
}

/* The parent's processes are not here.  What they had is left where it is: another LWP may have held the
 * lock. */
void mni_registry_forked(void) {
    mni_registry = (struct mni_registry){0};
}
