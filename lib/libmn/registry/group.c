/* group: groups of processes, and who watches them (mn/registry.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "fault.h"
#include "freed.h"
#include "registry/registry.h"
#include "runtime/keep.h"

/* By the lock's holder, as all that follows up to the exported functions. */
static struct mni_group *find(const char *name) {
    for (struct mni_node *n = mni_hash_first(&mni_registry.groups, mni_name_hash(name)); n;
         n = mni_hash_after(n)) {
        struct mni_group *g = list_entry(n, struct mni_group, node);
        if (strcmp(g->name, name) == 0)
            return g;
    }
    return NULL;
}

static struct mni_group *find_or_make(const char *name) {
    struct mni_group *g = find(name);
    if (g)
        return g;
    g = fault("malloc") ? NULL : malloc(sizeof *g + strlen(name) + 1);
    if (!g)
        return NULL;
    *g = (struct mni_group){.node.hash = mni_name_hash(name)};
    list_init(&g->members);
    list_init(&g->watchers);
    strcpy(g->name, name);
    mni_hash_add(&mni_registry.groups, &g->node);
    return g;
}

static void drop_if_empty(struct mni_group *g) {
    if (list_empty(&g->members) && list_empty(&g->watchers)) {
        mni_hash_remove(&mni_registry.groups, &g->node);
        free(g);
    }
}

/* Those whom there is no memory for are not told. */
static void tell(struct mni_cpu *c, const struct mni_group *g, enum mn_msg_type type, mn_pid member) {
    list_each(l, &g->watchers) {
        const struct mni_entry *w = list_entry(l, struct mni_entry, link);
        struct mni_msg *m = mni_signal_make(mni_part(c), MNI_K_MSG, member, w->ref);
        if (!m)
            continue;
        m->pub.type = (uint16_t)type;
        /* A message that finds nobody is dropped: nothing comes back to this lock. */
        mni_signal_send(c, w->pid, m);
    }
}

void mni_group_drop(struct mni_cpu *c, struct mni_entry *e) {
    struct mni_group *g = e->group;
    list_remove(&e->link);
    if (e->kind == MNI_MEMBER) {
        g->count--;
        tell(c, g, MN_MSG_LEFT, e->pid);
    }
    drop_if_empty(g);
}

static int enter(struct mni_cpu *c, const char *name, struct mni_entry *e) {
    struct mni_group *g = find_or_make(name);
    if (!g)
        return -ENOMEM;
    mni_hash_add(&mni_registry.refs, &e->by_ref);
    e->group = g;
    if (e->kind == MNI_WATCHER) {
        list_append(&g->watchers, &e->link);
        return 0;
    }
    list_append(&g->members, &e->link);
    g->count++;
    tell(c, g, MN_MSG_JOINED, e->pid);
    return 0;
}

/* ---- from outside */

static int add(struct mni_cpu *c, enum mni_entry_kind kind, const char *group, mn_pid pid, mn_ref *ref) {
    struct mni_msg *monitor;
    struct mni_entry *e = mni_entry_make(c, kind, pid, NULL, &monitor);
    if (!e)
        return -ENOMEM;
    mn_ref number = e->ref;
    mni_lock_take(&mni_registry.lock);
    int r = enter(c, group, e);
    mni_lock_drop(&mni_registry.lock);
    if (r < 0) {
        free(e);
        mni_msg_free(mni_part(c), monitor);
        return r;
    }
    if (ref)
        *ref = number;
    return mni_signal_send(c, pid, monitor) ? 0 : -ESRCH;
}

/* Takes out the entry that `wanted` says, and releases it. */
static int take_out(struct mni_cpu *c, struct mni_entry *e) {
    mn_pid pid = 0;
    mn_ref ref = 0;
    if (e) {
        pid = e->pid;
        ref = e->ref;
        mni_hash_remove(&mni_registry.refs, &e->by_ref);
        mni_group_drop(c, e);
    }
    mni_lock_drop(&mni_registry.lock);
    free(e);
    if (ref)
        mni_entry_unwatch(c, pid, ref);
    return ref ? 0 : -ENOENT;
}

MN_EXPORT int mn_group_join(const char *group, mn_pid pid) {
    if (!mni_name_valid(group))
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c = mni_call_begin();
    int r = mni_proc_lives(pid) ? add(c, MNI_MEMBER, group, pid, NULL) : -ESRCH;
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_group_leave(const char *group, mn_pid pid) {
    MNI_KEEP_OR(-ENOENT);
    if (!mni_name_valid(group))
        return -ENOENT;
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&mni_registry.lock);
    struct mni_group *g = find(group);
    struct mni_entry *found = NULL;
    for (struct list *l = g ? g->members.next : NULL; l && l != &g->members && !found; l = l->next)
        if (list_entry(l, struct mni_entry, link)->pid == pid)
            found = list_entry(l, struct mni_entry, link);
    int r = take_out(c, found);
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int64_t mn_group_members(const char *group, mn_pid *pids, size_t n) {
    MNI_KEEP_OR(0);
    if (!mni_name_valid(group))
        return 0;
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&mni_registry.lock);
    const struct mni_group *g = find(group);
    int64_t count = g ? (int64_t)g->count : 0;
    size_t i = 0;
    for (struct list *l = g ? g->members.next : NULL; l && l != &g->members && i < n; l = l->next)
        pids[i++] = list_entry(l, struct mni_entry, link)->pid;
    mni_lock_drop(&mni_registry.lock);
    mni_call_end_here(c);
    return count;
}

MN_EXPORT int64_t mn_group_post_until(const char *group, uint64_t tag, const void *data, size_t size,
                                      int64_t deadline) {
    mn_pid *pids MNI_FREED = NULL;
    int64_t room = 0, count;
    while ((count = mn_group_members(group, pids, (size_t)room)) > room) {
        free(pids);
        room = count + count / 8;
        pids = fault("malloc") ? NULL : malloc((size_t)room * sizeof(mn_pid));
        if (!pids)
            return -ENOMEM;
    }
    bool late = false;
    for (int64_t i = 0; i < count; i++) {
        int r = mn_post_until(pids[i], tag, data, size, deadline);
        if (r == -ECANCELED || r == -ENOMEM)
            return r;
        late |= r == -ETIMEDOUT; /* those after it may have room */
    }
    return late ? -ETIMEDOUT : count;
}

MN_EXPORT int64_t mn_group_post(const char *group, uint64_t tag, const void *data, size_t size) {
    return mn_group_post_until(group, tag, data, size, MN_FOREVER);
}

MN_EXPORT int mn_group_watch(const char *group, mn_ref *ref) {
    mn_pid self = mn_pid_self();
    if (!mni_name_valid(group) || !ref)
        return -EINVAL;
    if (!self)
        return -EPERM;
    struct mni_cpu *c = mni_call_begin();
    int r = add(c, MNI_WATCHER, group, self, ref);
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_group_unwatch(mn_ref ref) {
    MNI_KEEP_OR(-ENOENT);
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&mni_registry.lock);
    struct mni_entry *e = mni_registry_by_ref(ref);
    int r = take_out(c, e && e->kind == MNI_WATCHER ? e : NULL);
    mni_call_end_here(c);
    return r;
}
