/*
 * limit: mailboxes with a bound.
 *
 * `counted` says how many messages the mailbox has or is about to get.  A sender adds one before it pushes,
 * and takes it back if it must not; whoever takes a message out of the mailbox, or frees it, takes off one.
 * Each addition meets exactly one subtraction on the same record, also when the record has become another
 * process's meanwhile: so the count is never set, and is right again as soon as all are through.
 *
 * Who has to wait waits in one of a few queues, by the record's address.  The sender queues itself, then
 * looks at the count again; who takes off one looks at the number of those who wait afterwards.  Both are
 * full operations: one sees the other.
 *
 * Calls are not dropped, since somebody waits: where the newest is to go, the caller gets an error, and where
 * the oldest is, calls are not counted.
 *
 * Where the oldest is to go, the receiver drops it among those that it has looked at.  One that does not look
 * for long has others do it: nobody can take the oldest out of the outer queue, so messages wait in a ring
 * beside it, a list under the lock of the record's bed, of at most `bound`.  They keep their order with signals
 * by tokens in the outer queue, each of which stands for the messages up to a number:
 *
 *     sender, under the lock:  adds the message; drops the oldest beyond the bound; is the newest token the
 *                              newest in the outer queue?  Yes: it stands for this message, too.  No: the next
 *                              number, pushes a token
 *     receiver, at a token:    under the lock, takes the messages up to its number
 *
 * What the sender has sent before is below that token, and what it will send is above.  A token that the
 * receiver has taken is not in the outer queue any more, so one that is found there will be acted on after the
 * message was added.  There are no more tokens than signals, and one.
 */
#include "proc/limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "proc/signal.h"
#include "sync/waiters.h"
#include "wait/wait.h"

enum { BEDS = 64 };

static struct bed {
    _Alignas(64) struct mni_olock lock;
    uint32_t waiting; /* atomic */
    struct mni_queue queue;
} beds[BEDS];

static struct bed *bed_of(const struct mni_proc *p) {
    return &beds[p->index % BEDS];
}

void mni_limit_forked(void) {
    memset(beds, 0, sizeof beds); /* another LWP may have held a lock; those who waited are not here */
}

static unsigned policy(const struct mni_proc *p) {
    return a32_load(&p->flags) / MNI_PROC_POLICY & 3;
}

/* Relaxed: who has a stale pid may read it as the record's next process starts, and finds out by the
 * generation. */
static uint32_t bound_of(const struct mni_proc *p) {
    return a32_load(&p->bound);
}

/* Wakes one sender that waits for this mailbox, or all. */
static void wake(struct mni_proc *p, bool all) {
    struct bed *bed = bed_of(p);
    if (a32_load(&bed->waiting) == 0)
        return;
    struct mni_queue claimed = {NULL, NULL};
    mni_lock_take(&bed->lock);
    for (struct mni_waiter *w = bed->queue.head, *next; w; w = next) {
        next = w->link.next == mni_queue_end(&bed->queue) ? NULL
                                                          : list_entry(w->link.next, struct mni_waiter, link);
        if (w->data != p)
            continue;
        mni_queue_remove(&bed->queue, w);
        a32_store(&bed->waiting, bed->waiting - 1);
        if (mni_claim(w->parker, 0)) {
            mni_queue_append(&claimed, w);
            if (!all)
                break;
        }
    }
    mni_lock_drop(&bed->lock);
    mni_wake_all(&claimed);
}

void mni_limit_undo(struct mni_proc *p) {
    uint32_t left = mni_add32(&p->counted, (uint32_t)-1) - 1; /* full: pairs with wait_room */
    /* Still full: that was one who had to give up, or such a one is about to take its own off, and sees the
     * room. */
    if (left < bound_of(p))
        wake(p, false);
}

void mni_limit_left(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m) {
    (void)c;
    m->bits &= (uint16_t)~MNI_MSG_COUNTED;
    mni_limit_undo(p);
}

void mni_limit_ended(struct mni_proc *p) {
    wake(p, true);
}

/* ---- the ring */

struct mni_latest {
    struct mni_msg *head, **tail; /* their generation: the number */
    uint32_t length, number;
    struct mni_msg *token; /* the newest, if it has not been acted on */
};

int mni_latest_make(struct mni_proc *p) {
    struct mni_latest *ring = fault("malloc") ? NULL : malloc(sizeof *ring);
    if (!ring)
        return -ENOMEM;
    *ring = (struct mni_latest){.tail = &ring->head};
    p->more->ring = ring;
    mni_proc_flag(p, MNI_PROC_RING, 0);
    return 0;
}

static struct mni_msg *ring_pop(struct mni_latest *ring) {
    struct mni_msg *m = ring->head;
    ring->head = m->next;
    if (!ring->head)
        ring->tail = &ring->head;
    ring->length--;
    return m;
}

void mni_latest_put(struct mni_cpu *c, struct mni_proc *p, mn_pid to, struct mni_msg *m, struct mni_msg *token) {
    struct bed *bed = bed_of(p);
    struct mni_msg *over = m;
    uint64_t old = 0;
    mni_lock_take(&bed->lock);
    if (mni_latest_is(p) && mni_proc_is(p, to)) {
        struct mni_latest *ring = p->more->ring;
        over = NULL;
        m->next = NULL;
        *ring->tail = m;
        ring->tail = &m->next;
        ring->length++;
        if (ring->length > bound_of(p))
            over = ring_pop(ring);
        /* Relaxed: only the receiver takes the token away, and it needs the lock to act on it. */
        if (!ring->token || a64_load(&p->outer) != (uint64_t)(uintptr_t)ring->token) {
            token->kind = MNI_K_RING;
            token->class = 0;
            token->bits = 0;
            token->generation = (uint32_t)(to >> 32);
            token->pub = (struct mn_msg){.tag = ++ring->number};
            ring->token = token;
            old = mni_outer_push(p, token, token);
            if (old == MNI_OUTER_CLOSED)
                ring->token = NULL; /* it ends, and drops what is in the ring */
            else
                token = NULL;
        }
        m->generation = ring->number;
    }
    mni_lock_drop(&bed->lock);
    if (old & MNI_OUTER_IDLE)
        mni_outer_wake(c, p, old);
    if (over)
        mni_msg_free(mni_part(c), over);
    if (token)
        mni_block_give(mni_part(c), 0, token);
}

void mni_latest_take(struct mni_cpu *c, struct mni_proc *p, const struct mni_msg *token) {
    struct bed *bed = bed_of(p);
    struct mni_latest *ring = p->more->ring;
    struct mni_msg *first = NULL, **last = &first;
    mni_lock_take(&bed->lock);
    if (ring->token == token)
        ring->token = NULL;
    while (ring->head && (int32_t)(ring->head->generation - (uint32_t)token->pub.tag) <= 0) {
        *last = ring_pop(ring);
        last = &(*last)->next;
    }
    mni_lock_drop(&bed->lock);
    *last = NULL;
    for (struct mni_msg *m = first, *next; m; m = next) {
        next = m->next;
        m->bits |= MNI_MSG_COUNTED;
        mni_add32(&p->counted, 1);
        mni_signal_act(c, p, m);
    }
}

void mni_latest_end(struct mni_cpu *c, struct mni_proc *p) {
    struct bed *bed = bed_of(p);
    struct mni_latest *ring = p->more->ring;
    mni_lock_take(&bed->lock);
    mni_proc_flag(p, 0, MNI_PROC_RING);
    mni_lock_drop(&bed->lock);
    while (ring->head)
        mni_msg_free(mni_part(c), ring_pop(ring));
    free(ring);
}

void mni_limit_drop_old(struct mni_cpu *c, struct mni_proc *p) {
    if (policy(p) != MN_MAILBOX_DROP_OLD)
        return;
    for (struct mni_msg **at = &p->head; *at && a32_load(&p->counted) > bound_of(p);) {
        if (!((*at)->bits & MNI_MSG_COUNTED)) {
            at = &(*at)->next;
            continue;
        }
        struct mni_msg *m = mni_mailbox_remove(p, at);
        mni_limit_left(c, p, m);
        mni_msg_free(c->proc, m);
    }
}

/* Waits until there may be room: 0, or why not. */
static int wait_room(struct mni_proc *p, mn_pid to, int64_t deadline) {
    struct bed *bed = bed_of(p);
    struct mni_waiter *w = mni_waiter_self();
    mni_lock_take(&bed->lock);
    w->data = p;
    mni_queue_append(&bed->queue, w);
    mni_add32(&bed->waiting, 1); /* full: pairs with mni_limit_undo */
    int r = 0;
    if (!mni_proc_is(p, to) || a32_load(&p->counted) < bound_of(p)) {
        mni_queue_remove(&bed->queue, w);
        a32_store(&bed->waiting, bed->waiting - 1);
        mni_lock_drop(&bed->lock);
        return 0;
    }
    r = mni_wait("mailbox", p, &bed->lock, deadline);
    if (r < 0) {
        mni_lock_take(&bed->lock);
        if (mni_queued(w)) {
            mni_queue_remove(&bed->queue, w);
            a32_store(&bed->waiting, bed->waiting - 1);
        }
        mni_lock_drop(&bed->lock);
    }
    return r;
}

int mni_limit_enter(struct mni_cpu **cpu, struct mni_proc *p, mn_pid to, int64_t deadline) {
    for (;;) {
        uint32_t n = mni_add32(&p->counted, 1);
        if (n < bound_of(p))
            return 1;
        switch (policy(p)) {
        case MN_MAILBOX_DROP_NEW:
            mni_limit_undo(p);
            return 0;
        case MN_MAILBOX_ERROR:
            mni_limit_undo(p);
            return -EAGAIN;
        default:
            break;
        }
        mni_limit_undo(p);
        if (*cpu && mni_proc_self(*cpu) == p)
            return -EDEADLK; /* nobody else makes room */
        int r = wait_room(p, to, deadline);
        if (*cpu)
            *cpu = mni_cpu_self();
        if (r < 0)
            return r;
        if (!mni_proc_is(p, to))
            return 0;
    }
}

int mni_limit_call(struct mni_cpu **cpu, struct mni_proc *p, mn_pid to, int64_t deadline) {
    if (policy(p) == MN_MAILBOX_DROP_OLD)
        return 0;
    int r = mni_limit_enter(cpu, p, to, deadline);
    return r == 0 && mni_proc_is(p, to) ? -EAGAIN : r;
}
