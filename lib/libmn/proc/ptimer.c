/*
 * ptimer: timers that send a message to a process.
 *
 * A timer lies in the wheel of the cpu that set it, with its message, so that its expiry allocates nothing;
 * and in a table by its reference, so that anyone can cancel it.  Cancelling and expiring meet in the table:
 * who takes the timer out, under the lock of its shard, has it.  The canceller then removes it from the
 * wheel, which waits for an expiry that is under way; the expiry that finds it gone from the table leaves it
 * alone.
 *
 * What a process has set for itself is linked to it, and cancelled when it ends.  Another's timer for it stays
 * until its deadline, but nobody sees it any more.  The list is the process's
 * own; a timer that has expired leaves its entry behind until the next one is set or the process ends, so
 * entries are small and of their own.
 */
#include <errno.h>

#include "clock.h"
#include "export.h"
#include "lock.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "sched/idle.h"
#include "wait/call.h"

enum { SHARDS = 64, CHAINS = 64 };

struct ptimer {
    struct mni_timer timer;
    struct ptimer *chain;
    mn_ref ref;
    mn_pid to;
    struct mni_msg *m;
};
enum { CLASS = 1 };
_Static_assert(sizeof(struct ptimer) <= 128, "class of timers");

/* The processes' own lists. */
struct mni_ptimer {
    struct mni_ptimer *next;
    mn_ref ref;
};

static struct shard {
    _Alignas(64) struct lock lock;
    struct ptimer *chain[CHAINS];
} shards[SHARDS];

/* References are counts of a cpu, above its number. */
static struct ptimer **chain_of(mn_ref ref, struct shard **shard) {
    uint64_t hash = ref * 0x9e3779b97f4a7c15u;
    *shard = &shards[hash >> 58];
    return &(*shard)->chain[hash >> 52 & (CHAINS - 1)];
}

/* Out of the table: whoever gets it has it; NULL: somebody else does. */
static struct ptimer *claim(mn_ref ref) {
    struct shard *s;
    struct ptimer **at = chain_of(ref, &s);
    lock_take(&s->lock);
    while (*at && (*at)->ref != ref)
        at = &(*at)->chain;
    struct ptimer *t = *at;
    if (t)
        *at = t->chain;
    lock_drop(&s->lock);
    return t;
}

static void expire(struct mni_cpu *c, struct mni_timer *timer) {
    struct ptimer *t = (struct ptimer *)(void *)timer;
    if (claim(t->ref) != t)
        return;
    mni_signal_send(c, t->to, t->m);
    mni_block_give(c->proc, CLASS, t);
}

static void insert(struct ptimer *t) {
    struct shard *s;
    struct ptimer **at = chain_of(t->ref, &s);
    lock_take(&s->lock);
    t->chain = *at;
    *at = t;
    lock_drop(&s->lock);
}

/* -ENOENT: the process that it is for has ended, and the timer with it. */
static int64_t time_left(const struct ptimer *t) {
    int64_t left = t->timer.deadline - (int64_t)clock_now_ns();
    return !mni_proc_find(t->to) ? -ENOENT : left > 0 ? left : 0;
}

static int64_t cancel(struct mni_cpu *c, mn_ref ref) {
    struct ptimer *t = claim(ref);
    if (!t)
        return -ENOENT;
    int64_t left = time_left(t);
    /* False: its expiry came too late, and has found it gone. */
    mni_timer_remove(&t->timer);
    mni_msg_free(mni_part(c), t->m);
    mni_block_give(mni_part(c), CLASS, t);
    return left;
}

static bool pending(mn_ref ref) {
    struct shard *s;
    struct ptimer **at = chain_of(ref, &s), *t;
    lock_take(&s->lock);
    for (t = *at; t && t->ref != ref; t = t->chain)
        continue;
    lock_drop(&s->lock);
    return t != NULL;
}

/* ---- of a process */

static void cancel_own(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook) {
    for (struct mni_ptimer *o = p->more->timers, *next; o; o = next) {
        next = o->next;
        cancel(c, o->ref);
        mni_block_give(c->proc, 0, o);
    }
    p->more->timers = NULL;
    mni_block_give(c->proc, 0, hook);
}

/* Notes a timer that the caller sets for itself; a few that have expired are forgotten on the way. */
static bool note(struct mni_cpu *c, struct mni_proc *p, mn_ref ref) {
    struct mni_more *more = mni_more(c, p);
    struct mni_ptimer *own = more ? mni_block_take(c->proc, 0) : NULL;
    if (!own)
        return false;
    if (!more->timed) {
        struct mni_hook *hook = mni_block_take(c->proc, 0);
        if (!hook) {
            mni_block_give(c->proc, 0, own);
            return false;
        }
        *hook = (struct mni_hook){.fn = cancel_own};
        mni_proc_at_end(p, hook);
        more->timed = true;
    }
    own->ref = ref;
    own->next = more->timers;
    more->timers = own;
    struct mni_ptimer **at = &own->next;
    for (int i = 0; i < 2 && *at; i++) {
        struct mni_ptimer *o = *at;
        if (pending(o->ref)) {
            at = &o->next;
        } else {
            *at = o->next;
            mni_block_give(c->proc, 0, o);
        }
    }
    return true;
}

static void forget(struct mni_cpu *c, struct mni_proc *p, mn_ref ref) {
    if (!p || !p->more)
        return;
    struct mni_ptimer **at = &p->more->timers;
    while (*at && (*at)->ref != ref)
        at = &(*at)->next;
    struct mni_ptimer *o = *at;
    if (o) {
        *at = o->next;
        mni_block_give(c->proc, 0, o);
    }
}

/* ---- the calls */

/* Inside the runtime; the caller's process may be NULL. */
static int start(struct mni_cpu *c, struct mni_proc *p, mn_pid to, int64_t deadline, struct mni_msg *m,
                 mn_ref ref) {
    struct mni_proc_cpu *pc = mni_part(c);
    struct ptimer *t = m ? mni_block_take(pc, CLASS) : NULL;
    if (!t || (p && mni_pid(p) == to && !note(c, p, ref))) {
        if (t)
            mni_block_give(pc, CLASS, t);
        if (m)
            mni_msg_free(pc, m);
        return -ENOMEM;
    }
    *t = (struct ptimer){.timer.expire = expire, .ref = ref, .to = to, .m = m};
    struct mni_cpu *on = c ? c : mni_rt->cpus[0];
    /* Before it can expire. */
    insert(t);
    mni_timer_set(on->timers, &t->timer, deadline);
    if (!c)
        mni_ring_up(on); /* it may sleep for longer */
    return 0;
}

static int start_call(mn_pid to, int64_t deadline, enum mn_msg_type type, uint64_t tag, const void *data,
                      size_t size, mn_ref *timer) {
    if (size > UINT32_MAX)
        return -EMSGSIZE;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c = mni_call_begin();
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    mn_ref ref = mni_ref_make(c);
    struct mni_msg *m = mni_msg_make(mni_part(c), MNI_K_MSG, mni_pid_self(c), tag,
                                     type == MN_MSG_TIMEOUT ? ref : 0, data, size);
    if (m)
        m->pub.type = (uint16_t)type;
    int r = start(c, p, to, deadline, m, ref);
    if (r == 0 && timer)
        *timer = ref;
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_post_at(mn_pid to, int64_t deadline, uint64_t tag, const void *data, size_t size,
                         mn_ref *timer) {
    return start_call(to, deadline, MN_MSG, tag, data, size, timer);
}

MN_EXPORT int mn_start_timer(mn_pid to, int64_t deadline, uint64_t tag, mn_ref *timer) {
    return start_call(to, deadline, MN_MSG_TIMEOUT, tag, NULL, 0, timer);
}

MN_EXPORT int64_t mn_cancel_timer(mn_ref timer) {
    MNI_KEEP_OR(-ENOENT);
    struct mni_cpu *c = mni_call_begin();
    int64_t left = cancel(c, timer);
    if (c) {
        forget(c, mni_proc_self(c), timer);
        mni_leave(c);
    }
    return left;
}

MN_EXPORT int64_t mn_read_timer(mn_ref timer) {
    struct mni_cpu *c = mni_call_begin();
    struct shard *s;
    struct ptimer **at = chain_of(timer, &s), *t;
    int64_t left = -ENOENT;
    lock_take(&s->lock);
    for (t = *at; t && t->ref != timer; t = t->chain)
        continue;
    if (t)
        left = time_left(t);
    lock_drop(&s->lock);
    mni_call_end_here(c);
    return left;
}

/* ---- of handlers */

void mni_timeout_off(struct mni_cpu *c, struct mni_proc *p) {
    mn_ref ref = p->more->timeout;
    p->more->timeout = 0;
    cancel(c, ref);
    forget(c, p, ref);
}

MN_EXPORT int mn_timeout_at(int64_t deadline) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = -EPERM;
    if (p->flags & MNI_PROC_HANDLER && !(p->flags & MNI_PROC_ENDING)) {
        struct mni_more *more = mni_more(c, p);
        r = more ? 0 : -ENOMEM;
        if (more && more->timeout)
            mni_timeout_off(c, p);
        if (more && deadline != MN_FOREVER) {
            mn_ref ref = mni_ref_make(c);
            r = start(c, p, mni_pid(p), deadline, mni_signal_make(c->proc, MNI_K_TIMEOUT, 0, ref), ref);
            if (r == 0)
                more->timeout = ref;
        }
    }
    mni_leave(c);
    return r;
}

/* ---- the runtime ends: the wheels are gone, or are going */

void mni_ptimers_end(void) {
    for (unsigned i = 0; i < SHARDS; i++)
        for (unsigned k = 0; k < CHAINS; k++)
            for (struct ptimer *t = shards[i].chain[k]; t; t = t->chain)
                mni_msg_free(NULL, t->m);
    mni_ptimers_reset();
}

void mni_ptimers_reset(void) {
    for (unsigned i = 0; i < SHARDS; i++) {
        shards[i].lock = LOCK_INIT(RANK_OBJECT);
        for (unsigned k = 0; k < CHAINS; k++)
            shards[i].chain[k] = NULL;
    }
}
