/*
 * ptimer: timers that send a message to a process.
 *
 * A timer lies in the wheel of the cpu that set it, with its message, so that its expiry allocates nothing;
 * and in a table by its reference, so that anyone can cancel it.  Cancelling and expiring meet in the table:
 * who takes the timer out, under the lock of its shard, has it.  The canceller then removes it from the
 * wheel, which waits for an expiry that is under way; the expiry that finds it gone from the table leaves it
 * alone.
 *
 * What a process has set for itself is noted in a list of its own, and cancelled when it ends.  Another's timer
 * for it stays until its deadline, but nobody sees it any more.  A timer that has expired, perhaps on another
 * cpu, leaves its note behind, and so does one that is cancelled, unless it is the newest: to look for each
 * would be a walk through all.  Notes are small, and the list is swept when it has twice the notes that were
 * left by the last sweep.
 */
#include <errno.h>

#include "clock.h"
#include "export.h"
#include "hash.h"
#include "list.h"
#include "lock.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "sched/idle.h"
#include "wait/call.h"

enum { SHARDS = 64 };

struct ptimer {
    struct mni_timer timer;
    struct mni_node node; /* by its reference */
    mn_pid to;
    struct mni_msg *m;
};
enum { CLASS = 1 };
_Static_assert(sizeof(struct ptimer) <= 128, "class of timers");

/* A note. */
struct mni_ptimer {
    struct mni_ptimer *next;
    mn_ref ref;
};

static struct shard {
    _Alignas(64) struct lock lock;
    struct mni_hash timers;
} shards[SHARDS];

static struct shard *shard_of(uint64_t hash) {
    return &shards[hash >> 58];
}

/* By the lock's holder; NULL: it is not there. */
static struct ptimer *find(const struct shard *s, uint64_t hash) {
    struct mni_node *n = mni_hash_first(&s->timers, hash);
    return n ? list_entry(n, struct ptimer, node) : NULL;
}

/* Out of the table: whoever gets it has it; NULL: somebody else does. */
static struct ptimer *claim(uint64_t hash) {
    struct shard *s = shard_of(hash);
    lock_take(&s->lock);
    struct ptimer *t = find(s, hash);
    if (t)
        mni_hash_remove(&s->timers, &t->node);
    lock_drop(&s->lock);
    return t;
}

static void expire(struct mni_cpu *c, struct mni_timer *timer) {
    struct ptimer *t = (struct ptimer *)(void *)timer;
    if (claim(t->node.hash) != t)
        return;
    mni_signal_send(c, t->to, t->m);
    mni_block_give(c->proc, CLASS, t);
}

static void insert(struct ptimer *t) {
    struct shard *s = shard_of(t->node.hash);
    lock_take(&s->lock);
    mni_hash_add(&s->timers, &t->node);
    lock_drop(&s->lock);
}

/* -ENOENT: the process that it is for has ended, and the timer with it. */
static int64_t time_left(const struct ptimer *t) {
    int64_t left = t->timer.deadline - (int64_t)clock_now_ns();
    return !mni_proc_find(t->to) ? -ENOENT : left > 0 ? left : 0;
}

static int64_t cancel(struct mni_cpu *c, mn_ref ref) {
    struct ptimer *t = claim(mni_hash_of(ref));
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
    uint64_t hash = mni_hash_of(ref);
    struct shard *s = shard_of(hash);
    lock_take(&s->lock);
    bool found = find(s, hash);
    lock_drop(&s->lock);
    return found;
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

static void sweep(struct mni_cpu *c, struct mni_more *more) {
    more->notes = 0;
    for (struct mni_ptimer **at = &more->timers, *o; (o = *at);) {
        if (pending(o->ref)) {
            more->notes++;
            at = &o->next;
        } else {
            *at = o->next;
            mni_block_give(c->proc, 0, o);
        }
    }
    more->notes_most = 2 * more->notes + 2;
}

/* Notes a timer that the caller sets for itself. */
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
    if (more->notes >= more->notes_most)
        sweep(c, more);
    own->ref = ref;
    own->next = more->timers;
    more->timers = own;
    more->notes++;
    return true;
}

/* It was cancelled. */
static void forget(struct mni_cpu *c, struct mni_proc *p, mn_ref ref) {
    struct mni_ptimer *newest = p && p->more ? p->more->timers : NULL;
    if (newest && newest->ref == ref) {
        p->more->timers = newest->next;
        p->more->notes--;
        mni_block_give(c->proc, 0, newest);
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
    *t = (struct ptimer){.timer.expire = expire, .node.hash = mni_hash_of(ref), .to = to, .m = m};
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
    MNI_KEEP_OR(-ENOENT);
    struct mni_cpu *c = mni_call_begin();
    uint64_t hash = mni_hash_of(timer);
    struct shard *s = shard_of(hash);
    lock_take(&s->lock);
    const struct ptimer *t = find(s, hash);
    int64_t left = t ? time_left(t) : -ENOENT;
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

static void drop(struct mni_node *node, void *arg) {
    (void)arg;
    mni_msg_free(NULL, list_entry(node, struct ptimer, node)->m);
}

void mni_ptimers_end(void) {
    for (unsigned i = 0; i < SHARDS; i++) {
        mni_hash_each(&shards[i].timers, drop, NULL);
        mni_hash_release(&shards[i].timers);
    }
    mni_ptimers_reset();
}

/* Also in a fork's child, which leaves its parent's where they are. */
void mni_ptimers_reset(void) {
    for (unsigned i = 0; i < SHARDS; i++)
        shards[i] = (struct shard){.lock = LOCK_INIT(RANK_OBJECT)};
}
