/*
 * exec: how handlers run.
 *
 * A handler that has something to do is in a queue of a cpu, and an executor of that cpu, an ordinary green
 * thread pinned to it, calls its callbacks one after another.  So the scheduler knows one sort of runnable
 * only, and a switch from one handler to the next is a function call.  A handler is in a queue or with an
 * executor at most once: whoever replaces IDLE in its outer queue queues it, and the executor stores IDLE
 * when it has found nothing more to do (proc.h).
 *
 * Order.  High priority first; then the handlers that were started last, of which a few are kept aside (so a
 * tree of processes goes down before it goes wide: few live at a time, and their memory is warm); then the
 * others in the order in which they became ready. Of 64 turns one is for the oldest and one for low priority;
 * every 1,024 the young ones become ordinary.  A handler has TURN messages in a row, and looks at what has come
 * meanwhile every LOOK: so it ends when it is told to, however long its mailbox is.
 *
 * Who runs them.  Each cpu has one executor on duty.  It is asleep when there is nothing to do; who queues a
 * handler wakes it.  When a callback blocks (or uses up its slice, or its LWP is taken away), a spare
 * executor takes over the duty, or a new one; the old one joins the spares when its callback has returned.
 * Without memory for a new one, the others wait until it has, or until there is: the cpu's housekeeping tries
 * again, also when the old one has ended with its callback.
 *
 * Other cpus.  An executor with a long queue gives some of it away to a cpu whose executor sleeps.  Others,
 * and foreign LWPs, push to `remote`, and wake the executor there by `asleep`: a full push, then a look at
 * asleep; the executor stores asleep (full), then looks at remote.
 */
#include "proc/exec.h"

#include <errno.h>
#include <string.h>

#include "boundary.h"
#include "clock.h"
#include "proc/limit.h"
#include "proc/signal.h"
#include "runtime/fork.h"
#include "runtime/run.h"
#include "sched/throttle.h"
#include "sync/robust.h"
#include "thread/create.h"
#include "wait/call.h"

enum { TURN = 32, LOOK = 8, GIVE_AT = 32, GIVE_MOST = 256, SPARES_MOST = 16, OLD_TURN = 64 };

static void *executor_main(void *arg);

/* ---- queues */

static void append(struct mni_proc_fifo *f, struct mni_proc *p) {
    p->next = NULL;
    if (f->head)
        f->tail->next = p;
    else
        f->head = p;
    f->tail = p;
    f->length++;
}

static struct mni_proc *pop(struct mni_proc_fifo *f) {
    struct mni_proc *p = f->head;
    if (p) {
        f->head = p->next;
        f->length--;
    }
    return p;
}

static void count(struct mni_proc_cpu *pc, int n) {
    a32_store(&pc->length, pc->length + (uint32_t)n);
}

static void take_remote(struct mni_proc_cpu *pc) {
    /* Full: pairs with push_remote. */
    struct mni_proc *p = aptr_swap_full(&pc->remote, NULL), *first = NULL;
    while (p) {
        struct mni_proc *older = p->next;
        p->next = first;
        first = p;
        p = older;
    }
    while (first) {
        struct mni_proc *next = first->next;
        append(&pc->ready[first->priority], first);
        count(pc, 1);
        first = next;
    }
}

static struct mni_proc *pop_young(struct mni_proc_cpu *pc, bool oldest) {
    if (pc->young_top == pc->young_bottom)
        return NULL;
    return oldest ? pc->young[pc->young_bottom++ % MNI_YOUNG] : pc->young[--pc->young_top % MNI_YOUNG];
}

static struct mni_proc *pick(struct mni_proc_cpu *pc) {
    if (__builtin_expect(aptr_load(&pc->remote) != NULL, 0))
        take_remote(pc);
    if (pc->length == 0)
        return NULL;
    count(pc, -1);
    uint32_t turn = ++pc->picks;
    struct mni_proc *p = pop(&pc->ready[MN_HIGH]);
    if (p)
        return p;
    if ((p = pc->hot)) {
        pc->hot = NULL;
        if (turn % OLD_TURN)
            return p;
        append(&pc->ready[MN_NORMAL], p);
    }
    if (turn % OLD_TURN == 0) {
        if (__builtin_expect(turn % 4096 == 0, 0))
            while ((p = pop_young(pc, true)))
                append(&pc->ready[MN_NORMAL], p);
        if (__builtin_expect(turn % (2 * OLD_TURN) == 0, 0) && (p = pop(&pc->ready[MN_LOW])))
            return p;
        if ((p = pop(&pc->ready[MN_NORMAL])))
            return p;
    }
    if ((p = pop_young(pc, false)) || (p = pop(&pc->ready[MN_NORMAL])))
        return p;
    return pop(&pc->ready[MN_LOW]);
}

/* ---- who is on duty */

static bool asleep(struct mni_proc_cpu *pc) {
    return a32_load(&pc->asleep) && mni_swap32(&pc->asleep, 0) == 1;
}

/* There is something for this cpu's executor: by its owner. */
static void wake_here(struct mni_cpu *c, struct mni_proc_cpu *pc) {
    if (asleep(pc))
        mni_ready(c, pc->executor);
}

static int new_executor(struct mni_cpu *c) {
    const struct mn_attr attr = {.name = "handlers", .flags = MN_DETACHED | MN_PINNED};
    return mni_go_here(c, NULL, &attr, executor_main, c->proc);
}

/* A cpu without an executor on duty gets one, awake. */
static int succeed(struct mni_cpu *c, struct mni_proc_cpu *pc) {
    struct mni_thread *spare = pc->spares;
    int r = 0;
    if (spare) {
        pc->spares = spare->next;
        pc->spare_count--;
        aptr_store(&pc->executor, spare);
        mni_ready(c, spare);
    } else {
        r = new_executor(c); /* it takes the duty when it runs */
    }
    pc->vacant = r < 0;
    return r;
}

void mni_executor_sought(struct mni_cpu *c) {
    c->proc->vacant = false;
    if (!c->proc->executor)
        succeed(c, c->proc);
}

void mni_executor_blocks(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_proc_cpu *pc = c->proc;
    if (pc->executor != t)
        return;
    aptr_store(&pc->executor, NULL);
    a32_store(&pc->asleep, 0);
    succeed(c, pc); /* also when there is nothing to do now: others may push to remote */
}

void mni_executor_ends(struct mni_cpu *c, struct mni_proc *p) {
    struct mni_thread *t = c->current;
    t->flags &= (uint16_t)~MNI_EXECUTOR;
    mni_executor_blocks(c, t);
    if (p->now)
        mni_msg_free(c->proc, p->now);
    p->now = NULL;
    struct mn_bin *detail;
    int64_t reason = mni_proc_reason(p, &detail);
    mni_handlers_count(c, false);
    mni_proc_close(c, p, reason, detail);
}

static void push_remote(struct mni_cpu *to, struct mni_proc *first, struct mni_proc *last) {
    struct mni_proc_cpu *pc = to->proc;
    struct mni_proc *head;
    do {
        head = aptr_load(&pc->remote);
        last->next = head;
        /* Full: pairs with take_remote, and orders the push before the look at asleep. */
    } while (!aptr_cas_full(&pc->remote, head, first));
    if (asleep(pc))
        mni_inbox_push(to, pc->executor);
}

/* Queued on the caller's cpu; the first call there brings the executor into being. */
static int queue_here(struct mni_cpu *c, struct mni_proc *p, bool young) {
    struct mni_proc_cpu *pc = c->proc;
    if (__builtin_expect(!pc->executor, 0)) {
        int r = succeed(c, pc);
        if (r < 0)
            return r;
    }
    count(pc, 1);
    if (young && p->priority == MN_NORMAL) {
        if (pc->young_top - pc->young_bottom == MNI_YOUNG)
            append(&pc->ready[MN_NORMAL], pop_young(pc, true));
        pc->young[pc->young_top++ % MNI_YOUNG] = p;
    } else if (!young && p->priority == MN_NORMAL) {
        if (pc->hot)
            append(&pc->ready[MN_NORMAL], pc->hot);
        pc->hot = p;
    } else {
        append(&pc->ready[p->priority], p);
    }
    wake_here(c, pc);
    return 0;
}

/* On a cpu that has an executor, if there is one. */
static struct mni_cpu *cpu_with_executor(void) {
    unsigned n = mni_rt->ncpus, from = a32_add(&mni_rt->inject, 1);
    for (unsigned i = 0; i < n; i++) {
        struct mni_cpu *c = mni_rt->cpus[(from + i) % n];
        if (aptr_load(&c->proc->executor))
            return c;
    }
    return mni_rt->cpus[from % n];
}

void mni_handler_ready(struct mni_cpu *c, struct mni_proc *p) {
    if (__builtin_expect(c && queue_here(c, p, false) == 0, 1))
        return;
    push_remote(cpu_with_executor(), p, p);
}

int mni_handler_start(struct mni_cpu *c, struct mni_proc *p) {
    int r = 0;
    if (c) {
        mni_handlers_count(c, true);
        r = queue_here(c, p, true);
        if (r < 0)
            mni_handlers_count(c, false);
        return r;
    }
    /* Counted before an executor is looked for: none ends while one handler is counted (over).  Or who ends the
     * runtime may see no handler, and we see that it ends. */
    mni_handlers_count(NULL, true);
    fence_full(); /* pairs with the swap of `ending` in drain() */
    if (a32_load(&mni_rt->ending)) {
        mni_handlers_count(NULL, false);
        return -EPERM;
    }
    struct mni_cpu *to = cpu_with_executor();
    if (!aptr_load(&to->proc->executor)) {
        const struct mn_attr attr = {
            .name = "handlers", .flags = MN_DETACHED | MN_PINNED | MN_CPU, .cpu = to->index};
        mn_thread t; /* an address: then the cpu is looked at */
        r = mn_go_attr(&t, &attr, executor_main, to->proc);
        if (r < 0) {
            mni_handlers_count(NULL, false);
            return r;
        }
    }
    push_remote(to, p, p);
    return 0;
}

/* A cpu that has not run handlers yet gets an executor; what is pushed there meanwhile is found by it. */
static bool begin_there(struct mni_cpu *c, struct mni_cpu *to) {
    if (aptr_load(&to->proc->executor) || a32_load(&to->proc->begun) || !a32_cas_full(&to->proc->begun, 0, 1))
        return false;
    const struct mn_attr attr = {
        .name = "handlers", .flags = MN_DETACHED | MN_PINNED | MN_CPU, .cpu = to->index};
    if (mni_go_here(c, NULL, &attr, executor_main, to->proc) == 0)
        return true;
    a32_store(&to->proc->begun, 0);
    return false;
}

/*
 * A long queue, and another cpu whose executor sleeps: it gets half of the young ones, the oldest of them (in
 * a tree of processes the widest), or some that wait in order.  Unless less gets done then (throttle.c).
 */
static void share(struct mni_cpu *c, struct mni_proc_cpu *pc) {
    const unsigned n = mni_rt->ncpus, *order = mni_rt->topo.order + (size_t)c->index * (n - 1);
    for (unsigned i = 0; i + 1 < n; i++) {
        struct mni_cpu *to = mni_rt->cpus[order[i]];
        if (!a32_load(&to->proc->asleep) && !begin_there(c, to))
            continue;
        int64_t now = (int64_t)clock_now_ns();
        if (mni_throttle_apart(&pc->throttle, now))
            return;
        uint32_t most = pc->length / 2 < GIVE_MOST ? pc->length / 2 : GIVE_MOST, given = 0;
        struct mni_proc *first = NULL, *last = NULL, *p;
        while (given < most && ((p = pop_young(pc, true)) || (p = pop(&pc->ready[MN_NORMAL])))) {
            p->next = first; /* a stack: the newest first */
            first = p;
            if (!last)
                last = p;
            given++;
        }
        count(pc, -(int)given);
        if (first)
            push_remote(to, first, last);
        mni_throttle_share(&pc->throttle, c, to, now);
        return;
    }
}

/* ---- a turn */

/*
 * What a callback has done to its thread by mn_shield, or has had done by mn_cancel, is not the next one's.
 * When the runtime ends, executors are cancelled, too, and stay so.
 */
static void clear(struct mni_thread *t) {
    const uint32_t bits = a32_load(&mni_rt->ending) ? MNI_SHIELD : MNI_SHIELD | MNI_CANCEL | MNI_POKED;
    uint32_t claim;
    do
        claim = a32_load(&t->park.claim);
    while (!mni_cas32(&t->park.claim, claim, claim & ~bits)); /* full, as in mni_cancel, with which it competes */
}

static inline void called_back(struct mni_thread *t) {
    t->flags &= (uint16_t)~MNI_EXECUTOR;
    mni_locks_end(t);
    if (__builtin_expect(a32_load(&t->park.claim) & (MNI_SHIELD | MNI_CANCEL), 0)) /* relaxed: mostly its own doing */
        clear(t);
}

/* Calls back, outside the runtime.  The executor may be off duty afterwards.  NULL: in a fork's child. */
#define CALL_BACK(c, t, expression)                                                                          \
    ((t)->flags |= MNI_EXECUTOR, mni_leave(c), (expression), (c) = mni_enter(), (c) ? called_back(t) : (void)0)

MNI_BOUNDARY static struct mni_cpu *finish(struct mni_cpu *c, struct mni_thread *t, struct mni_proc *p, int r) {
    const struct mn_handler *h = p->handler;
    if (!(p->flags & MNI_PROC_DOOMED))
        mni_proc_doom(p, r < 0 ? r : MN_REASON_NORMAL, NULL);
    mni_proc_flag(p, MNI_PROC_ENDING, 0);
    struct mn_bin *detail;
    int64_t reason = mni_proc_reason(p, &detail);
    p->now = NULL;
    if (h->terminate && !(p->flags & (MNI_PROC_KILLED | MNI_PROC_INIT))) {
        mni_proc_flag(p, MNI_PROC_KILLED, 0); /* once (end.c) */
        CALL_BACK(c, t, h->terminate(p->state, reason));
        if (!c)
            return NULL;
    }
    if (__builtin_expect(mni_handler_defers(p), 0)) {
        CALL_BACK(c, t, mni_handler_deferred(p));
        if (!c)
            return NULL;
    }
    t->own->proc = NULL;
    mni_handlers_count(c, false);
    mni_proc_close(c, p, reason, detail);
    return c;
}

MNI_BOUNDARY static struct mni_cpu *run(struct mni_cpu *c, struct mni_thread *t, struct mni_proc *p) {
    const struct mn_handler *h = p->handler;
    t->own->proc = p;
    p->now = NULL;
    int r = 0;
    if (__builtin_expect((p->flags & MNI_PROC_INIT) != 0, 0)) {
        if (h->init) {
            CALL_BACK(c, t, r = h->init(p->state));
            if (!c)
                return NULL;
        }
        if (r != 0)
            return finish(c, t, p, r);
        mni_proc_flag(p, 0, MNI_PROC_INIT);
    }
    for (unsigned n = 0;;) {
        if (__builtin_expect(p->flags & MNI_PROC_DOOMED, 0))
            return finish(c, t, p, 0);
        struct mni_msg *m = p->head;
        if (!m) {
            if (mni_signals_take(c, p))
                continue;
            /* Full: pairs with the push; after it the process is whoever's replaces IDLE. */
            t->own->proc = NULL;
            if (mni_cas64(&p->outer, 0, MNI_OUTER_IDLE))
                return c;
            t->own->proc = p;
            continue;
        }
        if (__builtin_expect(n++ == TURN, 0)) {
            t->own->proc = NULL;
            count(c->proc, 1);
            append(&c->proc->ready[p->priority], p);
            wake_here(c, c->proc); /* this executor may be off duty by now, and the one on duty asleep */
            return c;
        }
        if (__builtin_expect(n % LOOK == 0, 0) && mni_signals_take(c, p) &&
            (p->flags & (MNI_PROC_DOOMED | MNI_PROC_LIMITED)))
            continue; /* it is to end, or the oldest message may have been dropped */
        mni_mailbox_remove(p, &p->head);
        a64_store(&p->received, p->received + 1);
        mni_count(c, messages, 1);
        if (__builtin_expect((m->bits & MNI_MSG_COUNTED) != 0, 0))
            mni_limit_left(c, p, m);
        p->now = m;
        if (__builtin_expect(p->more && p->more->timeout, 0)) {
            bool due = m->kind == MNI_K_TIMEOUT && m->pub.ref == p->more->timeout;
            mni_timeout_off(c, p);
            if (due && h->handle_timeout) {
                CALL_BACK(c, t, r = h->handle_timeout(p->state));
                if (!c)
                    return NULL;
            }
        }
        if (__builtin_expect(m->kind == MNI_K_TIMEOUT, 0)) {
            mni_msg_free(c->proc, m);
            p->now = NULL;
            if (r != 0)
                return finish(c, t, p, r);
            continue;
        }
        bool call = m->pub.type == MN_MSG_CALL && h->handle_call;
        int (*fn)(void *, struct mn_msg *) = call ? h->handle_call : h->handle_message;
        if (fn) {
            CALL_BACK(c, t, r = fn(p->state, &m->pub));
            if (__builtin_expect(!c, 0))
                return NULL;
        }
        if (__builtin_expect(p->now != NULL, 1))
            mni_msg_free(c->proc, m);
        p->now = NULL;
        if (__builtin_expect(r != 0, 0))
            return finish(c, t, p, r);
    }
}

/* ---- the executor */

static bool over(void) {
    return a32_load(&mni_rt->ending) && mni_handlers_alive(mni_rt) == 0;
}

static void after_sleep(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_proc_cpu *pc = c->proc;
    /* Full: pairs with push_remote.  The queue: a timer may have sent something while the next thread was
     * looked for. */
    mni_swap32(&pc->asleep, 1);
    if ((aptr_load(&pc->remote) || pc->length) && asleep(pc))
        mni_ready(c, t);
}

static void after_spare(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_proc_cpu *pc = c->proc;
    t->next = pc->spares;
    pc->spares = t;
}

/*
 * Parked until somebody has something to run.  Inline: the executor then has no frame between the switch and
 * its loop, so no return that the CPU would predict by the calls of whoever ran before (mn-switch.md).
 */
static inline __attribute__((always_inline)) struct mni_cpu *stop(struct mni_cpu *c, struct mni_thread *t,
                                                                  void (*after)(struct mni_cpu *,
                                                                                struct mni_thread *)) {
    aptr_store(&t->wait_what, "handlers that are ready"); /* relaxed: dump.c reads it in passing */
    t->wait_on = NULL;
    t->since = c->now;
    a8_store(&t->state, MNI_WAITING);
    return mni_switch(c, t, mni_next(c), after);
}

MNI_BOUNDARY static void *executor_main(void *arg) {
    struct mni_proc_cpu *pc = arg;
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c->current;
    while (c->proc != pc) {
        mni_resched(); /* stolen before it ran: back home */
        c = mni_cpu_self();
    }
    for (;;) {
        if (__builtin_expect(!pc->executor, 0))
            aptr_store(&pc->executor, t);
        struct mni_proc *p = NULL;
        if (__builtin_expect(pc->executor != t, 0)) {
            if (pc->spare_count == SPARES_MOST || over())
                break;
            pc->spare_count++;
        } else if (!(p = pick(pc)) && over()) {
            aptr_store(&pc->executor, NULL);
            while (pc->spares) {
                struct mni_thread *spare = pc->spares;
                pc->spares = spare->next;
                pc->spare_count--;
                mni_ready(c, spare);
            }
            break;
        }
        if (!p) {
            c = stop(c, t, pc->executor == t ? after_sleep : after_spare);
            continue;
        }
        c = run(c, t, p);
        if (__builtin_expect(!c, 0))
            return NULL;
        if (pc->length >= GIVE_AT && pc->picks % 16 == 0 && mni_rt->ncpus > 1 && pc->executor == t)
            share(c, pc);
        if (__builtin_expect(c->budget <= 0, 0)) {
            mni_resched();
            c = mni_cpu_self();
        }
    }
    mni_leave(c);
    return NULL;
}

/* ---- the runtime ends */

struct shut {
    struct mni_cpu *c;
    bool late;
};

static bool shut(struct mni_proc *p, void *arg) {
    const struct shut *s = arg;
    uint32_t generation = a32_load(&p->generation), flags = a32_load(&p->flags);
    if (flags & MNI_PROC_HANDLER || (s->late && !(flags & MNI_PROC_CALLER))) {
        struct mni_msg *m = mni_signal_make(mni_part(s->c), MNI_K_SHUTDOWN, 0, 0);
        if (m)
            mni_signal_send(s->c, (uint64_t)generation << 32 | (p->index + 1), m);
    }
    return true;
}

void mni_procs_drain(bool late) {
    struct mni_cpu *c = mni_call_begin();
    bool handlers = mni_handlers_alive(mni_rt);
    if (handlers || late)
        mni_procs_each(shut, &(struct shut){c, late});
    if (!handlers) {
        for (unsigned i = 0; i < mni_rt->ncpus; i++)
            if (asleep(mni_rt->cpus[i]->proc))
                mni_inbox_push(mni_rt->cpus[i], mni_rt->cpus[i]->proc->executor);
    }
    if (c)
        mni_leave(c);
}
