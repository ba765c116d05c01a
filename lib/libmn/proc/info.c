/*
 * info: looking at processes from outside.
 *
 * The words of a record are the owner's, which goes on while they are read; so they are read by relaxed
 * loads, and then the generation again: if it has not changed, they were the process's.
 */
#include <errno.h>

#include "export.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "wait/call.h"

MN_EXPORT int mn_proc_info(mn_pid pid, struct mn_proc_state *info) {
    if (!info)
        return -EINVAL;
    MNI_KEEP_OR(-ESRCH);
    struct mni_cpu *c = mni_call_begin();
    int r = -ESRCH;
    const struct mni_proc *p = mni_proc_find(pid);
    if (p) {
        uint32_t flags = a32_load(&p->flags);
        *info = (struct mn_proc_state){
            .pid = pid,
            .parent = flags & MNI_PROC_DOOMED ? 0 : a64_load(&p->parent),
            .thread = mni_proc_thread(p),
            .name = aptr_load(&p->name),
            .handler = aptr_load(&p->handler),
            .received = a64_load(&p->received),
            .mailbox = a32_load(&p->length),
            .relations = a32_load(&p->nrels),
            .priority = (enum mn_priority)a8_load(&p->priority),
            .traps_exit = flags & MNI_PROC_TRAP,
        };
        const struct mni_thread *t = info->thread ? mni_thread_find(info->thread) : NULL;
        if (t && a8_load(&t->state) == MNI_WAITING)
            info->waits = aptr_load(&t->wait_what);
        if (t)
            info->priority = (enum mn_priority)a8_load(&t->priority);
        if (!info->name && info->handler)
            info->name = info->handler->name;
        fence_acquire(); /* the generation is read last */
        r = mni_proc_is(p, pid) ? 0 : -ESRCH;
    }
    mni_call_end_here(c);
    return r;
}

struct list_of {
    mn_pid *pids;
    size_t room, n;
};

static bool visit(struct mni_proc *p, void *arg) {
    struct list_of *l = arg;
    if (a32_load(&p->flags) & MNI_PROC_CALLER)
        return true;
    if (l->n < l->room)
        l->pids[l->n] = (uint64_t)a32_load(&p->generation) << 32 | (p->index + 1);
    l->n++;
    return true;
}

MN_EXPORT int64_t mn_proc_list(mn_pid *pids, size_t room) {
    MNI_KEEP_OR(0);
    struct mni_cpu *c = mni_call_begin();
    struct list_of l = {pids, room, 0};
    mni_procs_each(visit, &l);
    mni_call_end_here(c);
    return (int64_t)l.n;
}
