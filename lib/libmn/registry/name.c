/* name: names of processes (mn/registry.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "registry/registry.h"
#include "runtime/keep.h"

/* By the lock's holder. */
static struct mni_entry *find(const char *name) {
    for (struct mni_node *n = mni_hash_first(&mni_registry.names, mni_name_hash(name)); n;
         n = mni_hash_after(n)) {
        struct mni_entry *e = list_entry(n, struct mni_entry, by_name);
        if (strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

static void take_out(struct mni_entry *e) {
    mni_hash_remove(&mni_registry.names, &e->by_name);
    mni_hash_remove(&mni_registry.refs, &e->by_ref);
}

/* An entry of a process that has ended makes room, and is put into *gone. */
static int add(struct mni_entry *e, struct mni_entry **gone) {
    struct mni_entry *other = find(e->name);
    if (other && mni_proc_lives(other->pid))
        return -EEXIST;
    if (other) {
        take_out(other);
        *gone = other;
    }
    mni_hash_add(&mni_registry.refs, &e->by_ref);
    mni_hash_add(&mni_registry.names, &e->by_name);
    return 0;
}

static int name_it(struct mni_cpu *c, const char *name, mn_pid pid) {
    struct mni_msg *monitor;
    if (!mni_proc_lives(pid))
        return -ESRCH;
    struct mni_entry *gone = NULL, *e = mni_entry_make(c, MNI_NAME, pid, name, &monitor);
    if (!e)
        return -ENOMEM;
    mni_lock_take(&mni_registry.lock);
    int r = add(e, &gone);
    mni_lock_drop(&mni_registry.lock);
    free(gone);
    if (r < 0) {
        free(e);
        mni_msg_free(mni_part(c), monitor);
        return r;
    }
    return mni_signal_send(c, pid, monitor) ? 0 : -ESRCH;
}

MN_EXPORT int mn_register(const char *name, mn_pid pid) {
    if (!mni_name_valid(name))
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c = mni_call_begin();
    int r = name_it(c, name, pid);
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_unregister(const char *name) {
    MNI_KEEP_OR(-ENOENT);
    if (!mni_name_valid(name))
        return -ENOENT;
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&mni_registry.lock);
    struct mni_entry *e = find(name);
    if (e)
        take_out(e);
    mni_lock_drop(&mni_registry.lock);
    bool was = e && mni_proc_lives(e->pid);
    if (was)
        mni_entry_unwatch(c, e->pid, e->ref);
    free(e);
    mni_call_end_here(c);
    return was ? 0 : -ENOENT;
}

MN_EXPORT mn_pid mn_whereis(const char *name) {
    MNI_KEEP_OR(0);
    if (!mni_name_valid(name))
        return 0;
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&mni_registry.lock);
    struct mni_entry *e = find(name);
    mn_pid pid = e ? e->pid : 0;
    mni_lock_drop(&mni_registry.lock);
    if (pid && !mni_proc_lives(pid))
        pid = 0;
    mni_call_end_here(c);
    return pid;
}

struct list_of {
    mn_pid pid; /* whose; 0: anyone's */
    struct mn_name_info *names;
    size_t n;
    int64_t count;
};

static void visit(struct mni_node *node, void *arg) {
    const struct mni_entry *e = list_entry(node, struct mni_entry, by_name);
    struct list_of *l = arg;
    if ((l->pid && e->pid != l->pid) || !mni_proc_lives(e->pid))
        return;
    if ((uint64_t)l->count < l->n) {
        l->names[l->count].pid = e->pid;
        strcpy(l->names[l->count].name, e->name);
    }
    l->count++;
}

static int64_t list(mn_pid pid, struct mn_name_info *names, size_t n) {
    struct list_of l = {pid, names, n, 0};
    MNI_KEEP_OR(0);
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&mni_registry.lock);
    mni_hash_each(&mni_registry.names, visit, &l);
    mni_lock_drop(&mni_registry.lock);
    mni_call_end_here(c);
    return l.count;
}

MN_EXPORT int64_t mn_registered(struct mn_name_info *names, size_t n) {
    return list(0, names, n);
}

MN_EXPORT int64_t mn_names_of(mn_pid pid, struct mn_name_info *names, size_t n) {
    return pid ? list(pid, names, n) : 0;
}

MN_EXPORT int mn_post_name_until(const char *name, uint64_t tag, const void *data, size_t size,
                                 int64_t deadline) {
    mn_pid pid = mn_whereis(name);
    return pid ? mn_post_until(pid, tag, data, size, deadline) : -ENOENT;
}

MN_EXPORT int mn_post_name(const char *name, uint64_t tag, const void *data, size_t size) {
    return mn_post_name_until(name, tag, data, size, MN_FOREVER);
}

MN_EXPORT int mn_call_name(const char *name, uint64_t tag, const void *data, size_t size, struct mn_msg **reply,
                           int64_t deadline) {
    mn_pid pid = mn_whereis(name);
    return pid ? mn_call_until(pid, tag, data, size, reply, deadline) : -ENOENT;
}

MN_EXPORT int mn_monitor_name(const char *name, mn_ref *ref) {
    mn_pid pid = mn_whereis(name);
    return mni_monitor(pid, mni_name_valid(name) ? name : NULL, ref);
}

MN_EXPORT const char *mn_msg_name(const struct mn_msg *msg) {
    const struct mni_msg *m = mni_msg_of(msg);
    if (!(m->bits & MNI_MSG_NAMED))
        return NULL;
    const struct mni_named *n = m->extra[0];
    return (const char *)n->name->bytes;
}
