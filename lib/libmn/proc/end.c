/*
 * end: how a process ends.
 *
 * A thread that returns from its function, or is unwound (mn_proc_exit, an exit signal, mn_exit), runs what
 * was deferred; then its process is closed, on its own stack: hooks (names, memory, descriptors), the outer
 * queue, the mailbox, and at last every link and monitor becomes the signal that tells of its end.  Nothing
 * of that allocates or blocks.  A handler is closed by its executor in the same way.  So a chain of a million
 * linked processes ends one after another, without recursion.
 */
#include <errno.h>
#include <stdlib.h>

#include "boundary.h"
#include "export.h"
#include "proc/exec.h"
#include "proc/limit.h"
#include "proc/signal.h"
#include "sync/robust.h"
#include "thread/current.h"
#include "thread/exit.h"

void mni_proc_at_end(struct mni_proc *p, struct mni_hook *hook) {
    struct mni_hook **first = &p->more->hooks;
    hook->prev = first;
    hook->next = *first;
    if (hook->next)
        hook->next->prev = &hook->next;
    *first = hook;
}

void mni_hook_drop(struct mni_hook *hook) {
    *hook->prev = hook->next;
    if (hook->next)
        hook->next->prev = hook->prev;
}

static void tell(struct mni_cpu *c, mn_pid self, struct mni_rel *r, int64_t reason, struct mn_bin *detail) {
    struct mni_msg *m = mni_as_msg(r);
    mn_pid peer = r->peer;
    bool unlinking = r->bits & MNI_REL_UNLINKING;
    if (r->kind == MNI_R_ALIAS) {
        mni_block_give(c->proc, 0, r);
        return;
    }
    mni_rel_unname(r);
    m->bits = 0;
    m->pub.from = self;
    m->pub.tag = (uint64_t)reason;
    m->pub.data = NULL;
    m->pub.size = 0;
    if (r->kind == MNI_R_WATCH) {
        m->kind = MNI_K_DEMONITOR;
    } else if (unlinking) {
        m->kind = MNI_K_UNLINK_ACK;
        m->pub.ref = 0;
    } else {
        m->kind = r->kind == MNI_R_LINK ? MNI_K_LINK_EXIT : MNI_K_DOWN;
        mni_msg_detail(m, detail);
    }
    mni_signal_send(c, peer, m);
}

static void free_chain(struct mni_proc_cpu *pc, struct mni_msg *m) {
    while (m) {
        struct mni_msg *next = m->next;
        mni_msg_free(pc, m);
        m = next;
    }
}

static void close_more(struct mni_cpu *c, struct mni_proc *p, struct mni_more *more) {
    free_chain(c->proc, more->held);
    free(more->index);
    if (more->call_ref)
        mni_call_given_up(c, p);
    p->more = NULL;
    mni_memory_give(c->proc, more->classed, more);
}

void mni_proc_close(struct mni_cpu *c, struct mni_proc *p, int64_t reason, struct mn_bin *detail) {
    struct mni_more *more = p->more;
    mni_proc_flag(p, MNI_PROC_ENDING, 0);
    while (__builtin_expect(more && more->hooks, 0)) {
        struct mni_hook *hook = more->hooks;
        mni_hook_drop(hook);
        hook->fn(c, p, hook);
    }
    for (struct mni_msg *m = mni_outer_take(p, MNI_OUTER_CLOSED); m;) {
        struct mni_msg *next = m->next;
        if (m->generation != p->generation)
            mni_signal_stale(c, p, m);
        else
            mni_signal_act(c, p, m);
        m = next;
    }
    if (__builtin_expect((p->flags & MNI_PROC_RING) != 0, 0))
        mni_latest_end(c, p);
    bool limited = p->flags & MNI_PROC_LIMITED;
    for (struct mni_msg *m = limited ? p->head : NULL; m; m = m->next)
        if (m->bits & MNI_MSG_COUNTED)
            mni_limit_left(c, p, m);
    free_chain(c->proc, p->head);
    mn_pid self = mni_pid(p);
    struct mni_rel *r = p->rels;
    if (more)
        close_more(c, p, more);
    while (r) {
        struct mni_rel *succ = r->succ;
        tell(c, self, r, reason, detail);
        r = succ;
    }
    if (p->state) {
        mni_memory_give(c->proc, p->state_class, p->state);
        p->state = NULL;
    }
    mn_bin_drop(detail);
    mni_proc_give(c, p);
    if (__builtin_expect(limited, 0))
        mni_limit_ended(p);
}

/* Called outside the runtime, as the thread itself; also for the callback of a handler, whose executor this
 * was. */
MNI_BOUNDARY void mni_proc_thread_ends(struct mni_thread *t, void *result) {
    (void)result;
    struct mni_proc *p = t->own->proc;
    struct mni_cpu *c = mni_enter();
    if (!c)
        return; /* in a fork's child */
    if (p->flags & MNI_PROC_HANDLER && p->handler->terminate &&
        !(p->flags & (MNI_PROC_KILLED | MNI_PROC_INIT))) {
        /* Once: terminate may come here again by mn_proc_exit. */
        mni_proc_flag(p, MNI_PROC_ENDING | MNI_PROC_KILLED, 0);
        struct mn_bin *detail;
        int64_t reason = mni_proc_reason(p, &detail);
        mni_leave(c);
        p->handler->terminate(p->state, reason);
        c = mni_enter();
        if (!c)
            return;
        mni_locks_end(t);
    }
    if (p->flags & MNI_PROC_HANDLER && mni_handler_defers(p)) {
        mni_leave(c);
        mni_handler_deferred(p);
        c = mni_enter();
        if (!c)
            return;
        mni_locks_end(t);
    }
    t->own->proc = NULL;
    if (p->flags & MNI_PROC_HANDLER) {
        mni_executor_ends(c, p);
    } else {
        struct mn_bin *detail;
        int64_t reason = mni_proc_reason(p, &detail);
        mni_proc_close(c, p, reason, detail);
    }
    mni_leave(c);
}

static void begin_end(struct mni_cpu *c, struct mni_proc *p) {
    mni_proc_flag(p, MNI_PROC_ENDING, 0);
    if (p->more && p->more->call_ref) {
        mni_call_given_up(c, p); /* now: what was deferred may make another call */
        p->more->call_ref = 0;
    }
    mni_leave(c);
    mn_shield(true); /* destructors and deferred functions may block */
}

/* Leaves the runtime, and the thread's frames. */
void mni_proc_unwind(struct mni_cpu *c, struct mni_proc *p) {
    begin_end(c, p);
    mni_exit_unwind(NULL);
}

void mni_proc_abandon(struct mni_cpu *c, struct mni_proc *p) {
    begin_end(c, p);
    mni_exit_abandon(NULL);
}

MN_EXPORT void mn_proc_exit_with(int64_t reason, const void *data, size_t size) {
    struct mni_cpu *c = mni_enter();
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    if (!p) {
        if (c)
            mni_leave(c);
        mn_exit(NULL); /* no process: the thread ends as it can */
    }
    struct mn_bin *detail = NULL;
    if (size && (size > UINT32_MAX || mn_bin_make(&detail, data, size) < 0))
        detail = NULL; /* without the memory for it, or beyond 4 GB, the reason goes alone */
    mni_proc_doom(p, reason, detail);
    mn_bin_drop(detail);
    mni_proc_unwind(c, p);
}

MN_EXPORT void mn_proc_exit(int64_t reason) {
    mn_proc_exit_with(reason, NULL, 0);
}
