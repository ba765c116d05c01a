/* spawn: how a process starts: as a thread of its own, as a handler, or by becoming one. */
#include <errno.h>
#include <string.h>

#include "boundary.h"
#include "export.h"
#include "proc/exec.h"
#include "proc/limit.h"
#include "proc/own.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "thread/create.h"
#include "thread/exit.h"
#include "wait/call.h"

static const struct mn_spawn_attr plain;

struct mni_more *mni_more(struct mni_cpu *c, struct mni_proc *p) {
    struct mni_more *more = p->more;
    if (more)
        return more;
    enum { CLASS = sizeof *more <= 128 ? 1 : 2 };
    _Static_assert(sizeof *more <= 256, "class of what a process needs");
    more = mni_block_take(mni_part(c), CLASS);
    if (more) {
        memset(more, 0, sizeof *more);
        more->classed = CLASS;
        more->mark = &p->head;
        if (p->flags & MNI_PROC_DOOMED)
            more->reason = (int64_t)p->parent; /* as mni_proc_doom has left it */
        p->more = more;
    }
    return more;
}

/* The child's half and the caller's; neither is lost halfway. */
static int relate(struct mni_cpu *c, struct mni_proc *self, struct mni_proc *child,
                  const struct mn_spawn_attr *opt) {
    struct mni_proc_cpu *pc = c->proc;
    mn_pid parent = mni_pid(self), pid = mni_pid(child);
    struct mni_msg *half[4] = {NULL, NULL, NULL, NULL};
    mn_ref ref = mni_ref_make(c);
    bool link = opt->flags & MN_SPAWN_LINK, monitor = opt->flags & MN_SPAWN_MONITOR;
    if (link) {
        half[0] = mni_signal_make(pc, MNI_R_LINK, parent, 0);
        half[1] = mni_signal_make(pc, MNI_R_LINK, pid, 0);
    }
    if (monitor) {
        half[2] = mni_signal_make(pc, MNI_R_WATCHED, parent, ref);
        half[3] = mni_signal_make(pc, MNI_R_WATCH, pid, ref);
    }
    if ((link && (!half[0] || !half[1])) || (monitor && (!half[2] || !half[3]))) {
        for (int i = 0; i < 4; i++)
            if (half[i])
                mni_block_give(pc, 0, half[i]);
        return -ENOMEM;
    }
    for (int i = 0; i < 4; i++)
        if (half[i])
            mni_rel_add(i % 2 ? self : child, mni_as_rel(half[i]));
    if (monitor)
        *opt->monitor = ref;
    return 0;
}

/* The child did not start after all. */
static void unrelate(struct mni_cpu *c, struct mni_proc *self, struct mni_proc *child) {
    for (struct mni_rel *r = child->rels, *succ; r; r = succ) {
        succ = r->succ;
        struct mni_rel *own = r->kind == MNI_R_LINK ? mni_rel_find(self, MNI_R_LINK, mni_pid(child))
                                                    : mni_rel_find(self, MNI_R_WATCH, r->ref);
        if (own) {
            mni_rel_remove(self, own);
            mni_block_give(c->proc, 0, own);
        }
        mni_block_give(c->proc, 0, r);
    }
    child->rels = NULL;
    a32_store(&child->nrels, 0);
}

static void discard(struct mni_cpu *c, struct mni_proc *self, struct mni_proc *p) {
    if (self && p->rels)
        unrelate(c, self, p);
    a64_store(&p->outer, MNI_OUTER_CLOSED);
    if (p->flags & MNI_PROC_RING)
        mni_latest_end(c, p);
    while (p->more && p->more->hooks) {
        struct mni_hook *hook = p->more->hooks;
        mni_hook_drop(hook);
        hook->fn(c, p, hook);
    }
    if (p->state)
        mni_memory_give(mni_part(c), p->state_class, p->state);
    if (p->more)
        mni_memory_give(mni_part(c), p->more->classed, p->more);
    p->state = NULL;
    p->more = NULL;
    mni_proc_give(c, p);
}

static int check(const struct mn_spawn_attr *opt) {
    if (opt->flags > 7 || (unsigned)opt->priority > MN_LOW || (unsigned)opt->stack > MN_STACK_1M ||
        (unsigned)opt->policy > MN_MAILBOX_DROP_OLD || (opt->flags & MN_SPAWN_MONITOR && !opt->monitor))
        return -EINVAL;
    return 0;
}

/* A record with what both kinds have; *self: the caller's process. */
static struct mni_proc *make(struct mni_cpu *c, const struct mn_spawn_attr *opt, bool thread,
                             struct mni_proc **self, int *r) {
    *self = c ? mni_proc_self(c) : NULL;
    if (!*self && opt->flags & (MN_SPAWN_LINK | MN_SPAWN_MONITOR)) {
        *r = -EPERM;
        return NULL;
    }
    struct mni_proc *p = mni_proc_take(c, r);
    if (!p)
        return NULL;
    aptr_store(&p->name, opt->name); /* relaxed, as what follows: info.c may look at it */
    a8_store(&p->priority, (uint8_t)opt->priority);
    a64_store(&p->parent, *self ? mni_pid(*self) : 0);
    if (opt->flags & MN_SPAWN_TRAP_EXIT)
        mni_proc_flag(p, MNI_PROC_TRAP, 0);
    if (opt->mailbox)
        mni_proc_flag(p, MNI_PROC_LIMITED | (unsigned)opt->policy * MNI_PROC_POLICY, 0);
    a32_store(&p->bound, opt->mailbox); /* relaxed: limit.c */
    bool ring = opt->mailbox && opt->policy == MN_MAILBOX_DROP_OLD;
    if (((thread || opt->arena || ring) && !mni_more(c, p)) ||
        (opt->arena && mni_arena_make(c, p, opt->arena) < 0) || (ring && mni_latest_make(p) < 0))
        *r = -ENOMEM;
    else if (opt->flags & (MN_SPAWN_LINK | MN_SPAWN_MONITOR))
        *r = relate(c, *self, p, opt);
    if (*r < 0) {
        discard(c, NULL, p);
        return NULL;
    }
    /* Release: others may push from here on; they have the pid from us. */
    a64_store_release(&p->outer, 0);
    return p;
}

/* ---- a thread */

MNI_BOUNDARY static void *proc_main(void *arg) {
    struct mni_proc *p = arg;
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c->current;
    t->own->proc = p;
    if (__builtin_expect((a32_load(&t->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL, 0))
        mni_proc_check(c, p);
    struct mni_more *more = p->more;
    a32_store(&mni_extra(t)->slices, 0); /* relaxed: inspect.c looks at it */
    mni_leave(c);
    int r = more->fn(more->arg);
    c = mni_enter();
    if (__builtin_expect(!c, 0))
        return NULL; /* in a fork's child */
    t = c->current;
    if (__builtin_expect(t->flags & MNI_UNTIDY, 0)) {
        /* First what was deferred (mni_proc_thread_ends). */
        mni_proc_doom(p, r < 0 ? r : MN_REASON_NORMAL, NULL);
        mni_proc_flag(p, MNI_PROC_ENDING, 0);
        mni_leave(c);
        return NULL;
    }
    t->own->proc = NULL;
    struct mn_bin *detail = NULL;
    int64_t reason = r < 0 ? r : MN_REASON_NORMAL;
    if (__builtin_expect(p->flags & MNI_PROC_DOOMED, 0))
        reason = mni_proc_reason(p, &detail);
    mni_proc_close(c, p, reason, detail);
    mni_leave(c);
    return NULL;
}

/* A slice starts fewer threads than it makes other calls: their stacks are warm yet when they run. */
enum { PENALTY = 7 };

static int spawn(mn_pid *pid, const struct mn_spawn_attr *opt, int (*fn)(void *), void *arg) {
    struct mni_cpu *c = mni_call_begin();
    struct mni_proc *self;
    int r = 0;
    struct mni_proc *p = make(c, opt, true, &self, &r);
    if (__builtin_expect(!p, 0)) {
        if (c)
            mni_leave(c);
        return r;
    }
    p->more->fn = fn;
    p->more->arg = arg;
    mn_pid number = mni_pid(p);
    struct mn_attr attr = {
        .name = opt->name, .stack = opt->stack, .priority = opt->priority, .flags = MN_DETACHED};
    r = __builtin_expect(c != NULL, 1) ? mni_go_here(c, &p->thread, &attr, proc_main, p)
                                       : mn_go_attr(&p->thread, &attr, proc_main, p);
    if (__builtin_expect(r < 0, 0))
        discard(c, self, p);
    else if (pid)
        *pid = number;
    if (c) {
        c->budget -= PENALTY;
        mni_leave_slice(c);
    }
    return r;
}

MN_EXPORT int mn_spawn_opt(mn_pid *pid, const struct mn_spawn_attr *opt, int (*fn)(void *), void *arg) {
    if (!opt)
        opt = &plain;
    int r = fn ? check(opt) : -EINVAL;
    if (r < 0)
        return r;
    MNI_KEEP_OR(-EPERM);
    return a32_load(&mni_rt->ending) ? -EPERM : spawn(pid, opt, fn, arg);
}

MN_EXPORT int mn_spawn(mn_pid *pid, int (*fn)(void *), void *arg) {
    return mn_spawn_opt(pid, &plain, fn, arg);
}

/* ---- a handler */

MN_EXPORT int mn_spawn_handler(mn_pid *pid, const struct mn_handler *handler, const void *init, size_t size,
                               const struct mn_spawn_attr *opt) {
    if (!opt)
        opt = &plain;
    int r = handler && (handler->handle_message || handler->handle_call) && size <= handler->state_size
                ? check(opt)
                : -EINVAL;
    if (r < 0)
        return r;
    MNI_KEEP_OR(-EPERM);
    if (a32_load(&mni_rt->ending))
        return -EPERM;
    struct mni_cpu *c = mni_call_begin();
    struct mni_proc *self;
    struct mni_proc *p = make(c, opt, false, &self, &r);
    if (!p)
        goto leave;
    aptr_store(&p->handler, handler);
    mni_proc_flag(p, MNI_PROC_HANDLER | MNI_PROC_INIT, 0);
    if (handler->state_size) {
        p->state_class = (uint8_t)mni_class_of(handler->state_size);
        p->state = mni_memory_take(mni_part(c), handler->state_size, p->state_class);
        if (!p->state) {
            discard(c, self, p);
            r = -ENOMEM;
            goto leave;
        }
        if (size)
            memcpy(p->state, init, size);
        memset((char *)p->state + size, 0, handler->state_size - size);
    }
    mn_pid number = mni_pid(p);
    if ((r = mni_handler_start(c, p)) < 0)
        discard(c, self, p);
    else if (pid)
        *pid = number;
leave:
    mni_call_end(c);
    return r;
}

/* ---- becoming one */

/* Makes a record the calling thread's; the caller is inside the runtime. */
static int adopt(struct mni_cpu *c, uint32_t flags, bool poked, struct mni_proc **out) {
    struct mni_thread *t = c->current;
    int r = 0;
    struct mni_proc *p = mni_proc_take(c, &r);
    if (!p)
        return r;
    if (!mni_more(c, p)) {
        discard(c, NULL, p);
        return -ENOMEM;
    }
    a32_store(&mni_extra(t)->slices, 0); /* as in proc_main */
    a32_store(&p->flags, flags);
    a64_store(&p->parent, 0);
    a8_store(&p->priority, a8_load(&t->priority));
    aptr_store(&p->name, mni_thread_name(t));
    if (poked)
        a64_store(&p->thread, mni_thread_handle(t));
    a64_store_release(&p->outer, 0); /* as in make() */
    t->own->proc = p;
    *out = p;
    return 0;
}

int mni_caller_begin(struct mni_cpu *c, struct mni_proc **p) {
    return adopt(c, MNI_PROC_CALLER, false, p);
}

MN_EXPORT int mn_attach(void) {
    struct mni_cpu *c = mni_enter();
    if (!c)
        return -EPERM;
    int r = 0;
    struct mni_proc *p = mni_proc_self(c);
    if (!p && (r = adopt(c, 0, true, &p)) == 0)
        c->current->flags |= MNI_UNTIDY;
    mni_leave(c);
    return r;
}

MN_EXPORT mn_pid mn_pid_self(void) {
    struct mni_cpu *c = mni_enter();
    if (!c)
        return 0;
    mn_pid pid = mni_pid_self(c);
    mni_leave(c);
    return pid;
}

MN_EXPORT bool mn_alive(mn_pid pid) {
    MNI_KEEP_OR(false);
    struct mni_cpu *c = mni_call_begin();
    bool alive = mni_proc_lives(pid);
    mni_call_end_here(c);
    return alive;
}

MN_EXPORT mn_thread mn_proc_thread(mn_pid pid) {
    MNI_KEEP_OR(0);
    struct mni_cpu *c = mni_call_begin();
    const struct mni_proc *p = mni_proc_at(pid);
    mn_thread t = p ? mni_proc_thread(p) : 0;
    if (p && !mni_proc_is(p, pid))
        t = 0;
    mni_call_end_here(c);
    return t;
}
