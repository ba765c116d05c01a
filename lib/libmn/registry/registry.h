/*
 * registry: what names and groups share: entries that go when a process ends.
 *
 * Each entry (a name, a membership, a watcher) is a monitor of its process with a reference of its own, that
 * belongs to no process: the DOWN that comes of it is for pid 0, and ends up in mni_registry_down.  So a
 * process knows nothing of its names, and pays for them when it ends.
 *
 * Everything is guarded by one lock.  What is done under it is short, but for telling a group's watchers: those
 * have to see joins and leaves in the order in which they happened.  A process may have ended when its entry is
 * still there: who looks at names takes such an entry for gone.
 */
#ifndef MNI_REGISTRY_H
#define MNI_REGISTRY_H

#include <mn/registry.h>

#include "hash.h"
#include "list.h"
#include "proc/signal.h"
#include "sync/olock.h"
#include "wait/call.h"

enum { MNI_NAME_MOST = 255 };

enum mni_entry_kind { MNI_NAME, MNI_MEMBER, MNI_WATCHER };

struct mni_entry {
    struct mni_node by_ref;
    struct mni_node by_name; /* of a name */
    struct list link;        /* in its group */
    struct mni_group *group;
    mn_pid pid;
    mn_ref ref;
    enum mni_entry_kind kind;
    char name[]; /* of a name */
};

struct mni_group {
    struct mni_node node;
    struct list members, watchers;
    size_t count; /* members */
    char name[];
};

struct mni_registry {
    struct mni_olock lock;
    struct mni_hash refs, names, groups;
};
extern struct mni_registry mni_registry __attribute__((visibility("hidden")));

/* By the lock's holder. */
struct mni_entry *mni_registry_by_ref(mn_ref ref);

uint64_t mni_name_hash(const char *name);
bool mni_name_valid(const char *name);

/*
 * Makes an entry, and its monitor, which is to be sent to the process when the lock is dropped: if that has
 * ended, the entry is gone then.  NULL: no memory.  Without the lock.
 */
struct mni_entry *mni_entry_make(struct mni_cpu *c, enum mni_entry_kind kind, mn_pid pid, const char *name,
                                 struct mni_msg **monitor);
/* Its process is not monitored any more. */
void mni_entry_unwatch(struct mni_cpu *c, mn_pid pid, mn_ref ref);

/* By the lock's holder: the entry is in a group no more. */
void mni_group_drop(struct mni_cpu *c, struct mni_entry *e);

#endif
