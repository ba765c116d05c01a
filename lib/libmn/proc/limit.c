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
 * Where the oldest is to go, the receiver drops it when it looks; the sender drops its own only at twice the
 * bound, for receivers that do not look.  Calls are not dropped, since somebody waits: where the newest is to go,
 * the caller gets an error, and where the oldest is, calls are not counted.
 */
#include "proc/limit.h"

#include <errno.h>
#include <string.h>

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
    for (struct mni_waiter *w; (w = mni_queue_take(&claimed));)
        mni_wake(w->parker);
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
        case MN_MAILBOX_DROP_OLD:
            if (n < 2 * bound_of(p))
                return 1;
            mni_limit_undo(p);
            return 0;
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
