/* wait: blocking and waking (wait.h). */
#include "wait.h"

#include "clock.h"
#include "export.h"
#include "foreign.h"
#include "sched.h"
#include "umtx.h"

/* The waiter is off its stack: from here on it may be woken. */
static void after_wait(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_olock *lock = c->after_lock;
    /* Before it can be claimed: the timer runs on this cpu only, and not before we are done. */
    if (__builtin_expect(c->after_deadline != MN_FOREVER, 0))
        mni_timer_set(c->timers, &t->timer, c->after_deadline);
    uint32_t claim = a32_load(&t->park.claim);
    for (;;) {
        if ((claim & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL) {
            t->park.result = -ECANCELED;
            mni_ready(c, t);
            break;
        }
        /* Full: pairs with the swap of mni_claim and the or of mn_cancel; the first sees all that the waiter wrote. */
        if (mni_cas32(&t->park.claim, claim, claim | MNI_WAITING_CLAIM))
            break;
        claim = a32_load(&t->park.claim);
    }
    if (lock)
        mni_lock_drop(lock);
}

/* Between two waits the claim is IDLE, and counts one more. */
static void reset_claim(struct mni_parker *p) {
    uint32_t claim;
    do
        claim = a32_load(&p->claim);
    while (!mni_cas32(&p->claim, claim, (claim & ~(uint32_t)MNI_CLAIM_MASK) + MNI_CLAIM_SEQ));
}

int mni_wait_after(struct mni_cpu *c, const char *what, const void *on, int64_t deadline,
                   void (*after)(struct mni_cpu *, struct mni_thread *)) {
    struct mni_thread *t = c->current;
    t->wait_what = what;
    t->wait_on = on;
    t->since = c->now;
    t->state = MNI_WAITING;
    if (!(t->flags & MNI_PINNED))
        t->cpu = (uint16_t)c->index;
    struct mni_thread *next = mni_next(c);
    c->after_deadline = deadline;
    a64_store(&c->count.parks, c->count.parks + 1);
    mni_switch(c, t, next, after);
    /* Also when it has expired: its expiry may still be under way on another cpu, and is not to hit a later wait. */
    if (__builtin_expect(deadline != MN_FOREVER, 0))
        mni_timer_remove(&t->timer);
    reset_claim(&t->park);
    return t->park.result;
}

int mni_wait(const char *what, const void *on, struct mni_olock *lock, int64_t deadline) {
    struct mni_worker *w = mni_worker_self();
    if (__builtin_expect(!w, 0))
        return mni_foreign_wait(lock, NULL, deadline);
    struct mni_cpu *c = w->cpu;
    if (__builtin_expect(deadline != MN_FOREVER, 0) && deadline <= (int64_t)clock_now_ns()) {
        if (lock)
            mni_lock_drop(lock);
        return mni_cancelled_self() ? -ECANCELED : -ETIMEDOUT;
    }
    c->after_lock = lock;
    return mni_wait_after(c, what, on, deadline, after_wait);
}

bool mni_claim(struct mni_parker *p, int result) {
    uint32_t claim = a32_load(&p->claim);
    while ((claim & MNI_CLAIM_MASK) == MNI_WAITING_CLAIM) {
        /* Full: pairs with the one that set WAITING. */
        if (mni_cas32(&p->claim, claim, claim ^ (MNI_WAITING_CLAIM | MNI_CLAIMED))) {
            p->result = result;
            return true;
        }
        claim = a32_load(&p->claim);
    }
    return false;
}

void mni_wake(struct mni_parker *p) {
    if (__builtin_expect(p->foreign != MNI_GREEN, 0)) {
        mni_foreign_wake(p);
        return;
    }
    struct mni_thread *t = (struct mni_thread *)(void *)p;
    struct mni_worker *w = mni_worker_self();
    if (__builtin_expect(!w, 0)) {
        mni_ready_remote(t);
        return;
    }
    mni_ready(w->cpu, t);
}

struct mni_parker *mni_parker_self(void) {
    struct mni_worker *w = mni_worker_self();
    return __builtin_expect(w != NULL, 1) ? &w->cpu->current->park : mni_foreign_parker();
}

struct mni_waiter *mni_waiter_self(void) {
    struct mni_worker *w = mni_worker_self();
    return __builtin_expect(w != NULL, 1) ? &w->cpu->current->waiter : mni_foreign_waiter();
}

bool mni_cancelled_self(void) {
    return (a32_load(&mni_parker_self()->claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL;
}

bool mni_shield_self(bool shielded) {
    struct mni_parker *p = mni_parker_self();
    uint32_t claim;
    do
        claim = a32_load(&p->claim);
    while (!mni_cas32(&p->claim, claim,
                      shielded ? claim | MNI_SHIELD : claim & ~(uint32_t)MNI_SHIELD));
    return claim & MNI_SHIELD;
}

/* A queue's links: next of the last is the queue itself as a mark, so that a waiter in a queue always has a next. */
static struct list *end_of(struct mni_queue *q) {
    return (struct list *)(void *)q;
}

void mni_queue_append(struct mni_queue *q, struct mni_waiter *w) {
    w->link.next = end_of(q);
    w->link.prev = q->tail ? &q->tail->link : end_of(q);
    if (q->tail)
        q->tail->link.next = &w->link;
    else
        q->head = w;
    q->tail = w;
}

void mni_queue_prepend(struct mni_queue *q, struct mni_waiter *w) {
    w->link.prev = end_of(q);
    w->link.next = q->head ? &q->head->link : end_of(q);
    if (q->head)
        q->head->link.prev = &w->link;
    else
        q->tail = w;
    q->head = w;
}

void mni_queue_remove(struct mni_queue *q, struct mni_waiter *w) {
    struct list *next = w->link.next, *prev = w->link.prev;
    if (next == end_of(q))
        q->tail = prev == end_of(q) ? NULL : list_entry(prev, struct mni_waiter, link);
    else
        next->prev = prev;
    if (prev == end_of(q))
        q->head = next == end_of(q) ? NULL : list_entry(next, struct mni_waiter, link);
    else
        prev->next = next;
    w->link.next = w->link.prev = NULL;
}

struct mni_waiter *mni_queue_take(struct mni_queue *q) {
    struct mni_waiter *w = q->head;
    if (w)
        mni_queue_remove(q, w);
    return w;
}
