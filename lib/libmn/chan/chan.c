/*
 * chan: channels.
 *
 * Guarantee.  Each element that was sent is received once, what one sender sent in order is received in order,
 * nobody waits while what he waits for is there and nobody is on the way to it, and a close wakes everyone.
 *
 * Hand over.  Who finds a waiter takes it out of the queue, claims it (wait.h), then copies straight from or to
 * the place that the waiter named, and wakes it after the lock is dropped.  That place may lie on the waiter's
 * parked stack.  It is valid: a waiter continues only when it was woken, and after the claim only the claimer
 * can do that; deadline and cancellation come too late.  So: claim, then copy, then wake.  The interleavings of
 * a receiver's deadline with a sender:
 *
 *     the sender claims first     it copies and wakes; the receiver returns success, though late
 *     the deadline claims first   the claim of the sender fails; it has copied nothing, and goes on to the next
 *                                 waiter.  The receiver takes the lock, and itself out of the queue if it is in
 *     a cancellation does         the same
 *
 * For that a hand-over needs one lock, one claim and no allocation, and between two threads that answer each
 * other nothing else ever happens.
 *
 * Batches.  The naive design hands each element to a waiting receiver and gives each slot that becomes free to
 * a waiting sender.  With many threads on both sides each element then costs a wake-up, a switch and a wait,
 * though the buffer has room for all: the receiver that was woken first could take what comes after its element
 * by itself, for the tenth of that price.  Not waking at all is no answer either: it may have other things to
 * do before it receives again.
 *
 * So a receiver that is handed an element while more receivers wait is woken with the duty to come by
 * (MNI_WOKEN_COMING): when it runs it takes the lock once and settles what was left.  While as many as there
 * are CPUs are on their way (MNI_CHAN_R_COMING: more could not run anyway), further elements go into the buffer
 * though receivers wait.  The same for senders and free slots, and either side may wait while the other waits
 * too, as long as somebody is on the way who will settle that.  With one CPU a batch is then a bufferful, and
 * costs two wake-ups on each side.
 *
 * Invariants, whenever the lock is free:
 *     RECEIVERS and count > 0             =>  R_COMING
 *     SENDERS and count < capacity        =>  S_COMING
 *     RECEIVERS and SENDERS, capacity 0   =>  they are of one and the same select
 *     R_COMING                            =>  receivers_coming > 0: so many threads were claimed with the duty,
 *                                             and have not done it.  The same for S_COMING.
 * A claimed thread runs: neither deadline nor cancellation can take it away.  Nobody gets the duty who may take
 * long until it runs: foreign LWPs, pinned and bound threads, and those whose priority is not the normal one.
 *
 * Order.  Elements enter the buffer in the order of the lock.  An element goes past the buffer only while it is
 * empty, and a waiting sender's goes into the buffer only when there is a free slot; that another sender's
 * overtakes it there is no matter, since it cannot have sent twice.
 *
 * Starvation.  Running threads may overtake waiting ones; but each time that one arrives, or that nobody is on
 * the way, the first of the queue is served.  So each waiter is served after as many such rounds as it has
 * waiters before it.
 *
 * Memory order.  All under the lock; a hand-over's copy is ordered by the claim (full) and by the wake that
 * follows.
 */
#include "chan.h"

#include <errno.h>
#include <stdlib.h>

#include "cpu.h"
#include "export.h"
#include "sched/sched.h"
#include "wait/call.h"

/* How many of a kind may be on their way before no more are woken: as many as can run. */
static uint32_t enough(void) {
    unsigned n = mn_workers();
    return n > 1 ? n : 1;
}

static inline bool is_green(const struct mni_parker *p) {
    /* Relaxed: of foreign LWPs it changes between two values, neither of which this is. */
    return a32_load(&p->foreign) == MNI_GREEN;
}

/* Whether it will run soon once it was woken. */
static bool comes_soon(const struct mni_parker *p) {
    if (!is_green(p))
        return false;
    const struct mni_thread *t = (const struct mni_thread *)(const void *)p;
    return a8_load(&t->priority) == MN_NORMAL && !(t->flags & (MNI_PINNED | MNI_BOUND));
}

/* Takes out and claims the first waiter of a kind that can be claimed; NULL: none waits. */
static struct mni_waiter *take_waiter(struct mn_chan *ch, bool sender) {
    struct mni_queue *q = sender ? &ch->senders : &ch->receivers;
    uint32_t *coming = sender ? &ch->senders_coming : &ch->receivers_coming;
    for (struct mni_waiter *w; (w = mni_queue_take(q));) {
        int woken = MNI_WOKEN_DONE;
        if (mni_queue_empty(q))
            mni_chan_flag(ch, 0, sender ? MNI_CHAN_SENDERS : MNI_CHAN_RECEIVERS);
        else if (ch->capacity > 0 && comes_soon(w->parker))
            woken = MNI_WOKEN_COMING;
        if (!mni_claim_waiter(w, woken))
            continue;
        if (woken == MNI_WOKEN_COMING && ++*coming >= enough())
            mni_chan_flag(ch, sender ? MNI_CHAN_S_COMING : MNI_CHAN_R_COMING, 0);
        return w;
    }
    return NULL;
}

static bool serve_receivers(const struct mn_chan *ch) {
    return (ch->flags & (MNI_CHAN_RECEIVERS | MNI_CHAN_R_COMING)) == MNI_CHAN_RECEIVERS;
}

static bool serve_senders(const struct mn_chan *ch) {
    return (ch->flags & (MNI_CHAN_SENDERS | MNI_CHAN_S_COMING)) == MNI_CHAN_SENDERS;
}

/* The oldest element goes to a waiting receiver. */
static void give_first(struct mn_chan *ch, struct mni_queue *woken) {
    struct mni_waiter *w = take_waiter(ch, false);
    if (!w)
        return;
    if (ch->take_left == 0)
        mni_chan_advance_take(ch);
    mni_chan_take(ch, w->data);
    mni_queue_append(woken, w);
}

/* A waiting sender's element goes into the buffer; only bounded channels have waiting senders. */
static void fetch_next(struct mn_chan *ch, struct mni_queue *woken) {
    struct mni_waiter *w = take_waiter(ch, true);
    if (!w)
        return;
    if (ch->put_left == 0)
        mni_chan_advance_put(ch);
    mni_chan_put(ch, w->data);
    mni_queue_append(woken, w);
}

int mni_chan_try_send_locked(struct mn_chan *ch, const void *element, struct mni_queue *woken) {
    if (ch->flags & MNI_CHAN_CLOSED)
        return -EPIPE;
    if (serve_receivers(ch)) { /* so the buffer is empty */
        struct mni_waiter *w = take_waiter(ch, false);
        if (w) {
            mni_chan_copy(ch, w->data, element);
            mni_queue_append(woken, w);
            return MNI_CHAN_DONE;
        }
    }
    if (ch->count >= ch->capacity)
        return MNI_CHAN_NOT_NOW;
    if (ch->put_left == 0 && !mni_chan_advance_put(ch))
        return MNI_CHAN_NO_ROOM;
    mni_chan_put(ch, element);
    return MNI_CHAN_DONE;
}

int mni_chan_try_recv_locked(struct mn_chan *ch, void *element, bool eager, struct mni_queue *woken) {
    if (ch->count == 0) {
        if (ch->flags & MNI_CHAN_SENDERS && (eager || serve_senders(ch))) {
            struct mni_waiter *w = take_waiter(ch, true);
            if (w) {
                mni_chan_copy(ch, element, w->data);
                mni_queue_append(woken, w);
                return MNI_CHAN_DONE;
            }
        }
        return ch->flags & MNI_CHAN_CLOSED ? -EPIPE : MNI_CHAN_NOT_NOW;
    }
    if (ch->take_left == 0)
        mni_chan_advance_take(ch);
    mni_chan_take(ch, element);
    while (serve_senders(ch) && ch->count < ch->capacity)
        fetch_next(ch, woken);
    return MNI_CHAN_DONE;
}

bool mni_chan_ready(const struct mn_chan *ch, bool send) {
    /* Relaxed: hints; what they say is decided again under the lock. */
    uint32_t flags = a32_load(&ch->flags);
    uint64_t count = a64_load(&ch->count);
    if (send)
        return count < ch->capacity || flags & (MNI_CHAN_CLOSED | MNI_CHAN_RECEIVERS);
    return count > 0 || flags & (MNI_CHAN_CLOSED | MNI_CHAN_SENDERS);
}

void mni_chan_queue(struct mn_chan *ch, struct mni_waiter *w, bool send) {
    mni_queue_append(send ? &ch->senders : &ch->receivers, w);
    mni_chan_flag(ch, send ? MNI_CHAN_SENDERS : MNI_CHAN_RECEIVERS, 0);
}

void mni_chan_unqueue(struct mn_chan *ch, struct mni_waiter *w, bool send) {
    struct mni_queue *q = send ? &ch->senders : &ch->receivers;
    if (!mni_queued(w))
        return;
    mni_queue_remove(q, w);
    if (mni_queue_empty(q))
        mni_chan_flag(ch, 0, send ? MNI_CHAN_SENDERS : MNI_CHAN_RECEIVERS);
}

void mni_chan_arrive(struct mn_chan *ch, bool send) {
    struct mni_queue woken = {0};
    mni_lock_take(&ch->lock);
    if (--*(send ? &ch->senders_coming : &ch->receivers_coming) < enough())
        mni_chan_flag(ch, 0, send ? MNI_CHAN_S_COMING : MNI_CHAN_R_COMING);
    for (;;) {
        if (serve_receivers(ch) && ch->count > 0)
            give_first(ch, &woken);
        else if (serve_senders(ch) && ch->count < ch->capacity)
            fetch_next(ch, &woken);
        else
            break;
    }
    mni_lock_drop(&ch->lock);
    mni_wake_all(&woken);
}

/* What dumps say of a waiter. */
static const char sending[] = "channel send", receiving[] = "channel receive";

/* After a wait that ended with r. */
static __attribute__((noinline)) int waited(struct mn_chan *ch, struct mni_waiter *w, int r, bool send) {
    if (r < 0) {
        mni_lock_take(&ch->lock);
        mni_chan_unqueue(ch, w, send);
        mni_lock_drop(&ch->lock);
        return r;
    }
    if (r == MNI_WOKEN_COMING)
        mni_chan_arrive(ch, send);
    return r == MNI_WOKEN_CLOSED ? -EPIPE : 0;
}

/* Waits for the other side; the lock is held, and dropped. */
static int wait_for_other(struct mn_chan *ch, void *data, int64_t deadline, bool send) {
    struct mni_waiter *w = mni_waiter_self();
    w->data = data;
    w->tag = 0;
    mni_chan_queue(ch, w, send);
    return waited(ch, w, mni_wait(send ? sending : receiving, ch, &ch->lock, deadline), send);
}

/* The deadline of a call that never waits. */
#define TRY INT64_MIN

/* With the lock held: drops it. */
static __attribute__((noinline)) int send_slow(struct mn_chan *ch, const void *element, int64_t deadline) {
    for (;;) {
        struct mni_queue woken = {0};
        int r = mni_chan_try_send_locked(ch, element, &woken);
        if (r == MNI_CHAN_NOT_NOW && deadline == MN_FOREVER)
            return wait_for_other(ch, (void *)(uintptr_t)element, deadline, true);
        if (r == MNI_CHAN_NOT_NOW && deadline != TRY && !mni_passed(deadline))
            return wait_for_other(ch, (void *)(uintptr_t)element, deadline, true);
        mni_lock_drop(&ch->lock);
        mni_wake_all(&woken);
        if (r == MNI_CHAN_NOT_NOW)
            return deadline == TRY ? -EAGAIN : -ETIMEDOUT;
        if (r != MNI_CHAN_NO_ROOM)
            return r == MNI_CHAN_DONE ? 0 : r;
        if ((r = mni_chan_more_room(ch)) < 0)
            return r;
        mni_lock_take(&ch->lock);
    }
}

static __attribute__((noinline)) int recv_slow(struct mn_chan *ch, void *element, int64_t deadline) {
    struct mni_queue woken = {0};
    bool eager = deadline != MN_FOREVER || !is_green(mni_parker_self());
    int r = mni_chan_try_recv_locked(ch, element, eager, &woken);
    if (r == MNI_CHAN_NOT_NOW && deadline != TRY && !mni_passed(deadline))
        return wait_for_other(ch, element, deadline, false);
    mni_lock_drop(&ch->lock);
    mni_wake_all(&woken);
    if (r == MNI_CHAN_NOT_NOW)
        return deadline == TRY ? -EAGAIN : -ETIMEDOUT;
    return r == MNI_CHAN_DONE ? 0 : r;
}

/*
 * The calls.  What most of them are goes by the shortest way, and the functions above need not be called:
 *     nobody needs to be served, and there is a slot in this piece of the buffer.  (Receivers may wait as long
 *     as enough of them are on their way; likewise senders.)
 *     one green thread waits for this element, or with it; nobody does, and a green thread has to wait.
 */
static inline bool only_waiter(const struct mni_queue *q) {
    const struct mni_waiter *w = q->head;
    /* A thread that waits on another cpu: its claim's line comes with that of its waiter, not after it. */
    cpu_will_write((const char *)w - offsetof(struct mni_thread, waiter));
    return w == q->tail && w->tag == 0 && is_green(w->parker);
}

/* Hands an element over to or from the only one that waits, and drops the lock; false: it has given up, and is
 * out of the queue. */
static inline bool hand_over(struct mn_chan *ch, void *element, struct mni_cpu *cpu, bool sender) {
    struct mni_queue *q = sender ? &ch->senders : &ch->receivers;
    struct mni_waiter *w = q->head;
    struct mni_parker *p = w->parker;
    q->head = q->tail = NULL;
    w->link.next = w->link.prev = NULL;
    mni_chan_flag(ch, 0, sender ? MNI_CHAN_SENDERS : MNI_CHAN_RECEIVERS);
    if (__builtin_expect(!mni_claim(p, MNI_WOKEN_DONE), 0))
        return false;
    mni_chan_copy(ch, sender ? element : w->data, sender ? w->data : element);
    mni_lock_drop(&ch->lock);
    mni_ready(cpu, (struct mni_thread *)(void *)p);
    return true;
}

/* wait_for_other for a green thread, without a deadline, and the end of the call. */
static inline __attribute__((always_inline)) int block(struct mn_chan *ch, void *element, struct mni_cpu *cpu,
                                                       bool send) {
    struct mni_thread *t = cpu->current;
    t->waiter.data = element;
    t->waiter.tag = 0;
    mni_chan_queue(ch, &t->waiter, send);
    mni_ctx_leaves(__builtin_return_address(0));
    int r = mni_block_on(cpu, t, send ? sending : receiving, ch, &ch->lock);
    if (__builtin_expect(r != MNI_WOKEN_DONE, 0))
        r = waited(ch, &t->waiter, r, send);
    mni_leave_slice(mni_cpu_self());
    return r;
}

/* Each by itself: calls that need not wait save no registers. */
static MNI_CTX_RETURNS int block_send(struct mn_chan *ch, void *element, struct mni_cpu *cpu) {
    return block(ch, element, cpu, true);
}
static MNI_CTX_RETURNS int block_recv(struct mn_chan *ch, void *element, struct mni_cpu *cpu) {
    return block(ch, element, cpu, false);
}

static inline __attribute__((always_inline)) int send_element(struct mn_chan *ch, const void *element,
                                                              int64_t deadline) {
    if (__builtin_expect(!ch || (!element && ch->size > 0), 0))
        return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    int r = -ECANCELED;
    if (deadline == TRY || !mni_call_cancelled(cpu)) {
        mni_lock_take(&ch->lock);
        uint32_t f = ch->flags & (MNI_CHAN_CLOSED | MNI_CHAN_RECEIVERS | MNI_CHAN_R_COMING);
        void *from = (void *)(uintptr_t)element; /* where it stays as it is */
        bool others = f & MNI_CHAN_CLOSED || f == MNI_CHAN_RECEIVERS;
        if (!others && ch->count < ch->capacity && ch->put_left > 0) {
            mni_chan_put(ch, element);
            mni_lock_drop(&ch->lock);
            mni_call_end(cpu);
            return 0;
        }
        if (f == MNI_CHAN_RECEIVERS && cpu && only_waiter(&ch->receivers) && hand_over(ch, from, cpu, false)) {
            mni_call_end(cpu);
            return 0;
        }
        if (!others && deadline == MN_FOREVER && cpu && ch->count >= ch->capacity)
            return block_send(ch, from, cpu);
        r = send_slow(ch, element, deadline);
    }
    mni_call_end_moved(cpu);
    return r;
}

static inline __attribute__((always_inline)) int recv_element(struct mn_chan *ch, void *element,
                                                              int64_t deadline) {
    if (__builtin_expect(!ch || (!element && ch->size > 0), 0))
        return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    int r = -ECANCELED;
    if (deadline == TRY || !mni_call_cancelled(cpu)) {
        mni_lock_take(&ch->lock);
        if (ch->count > 0 && ch->take_left > 0 && !serve_senders(ch)) {
            mni_chan_take(ch, element);
            mni_lock_drop(&ch->lock);
            mni_call_end(cpu);
            return 0;
        }
        if (ch->count == 0 && serve_senders(ch) && cpu && only_waiter(&ch->senders) &&
            hand_over(ch, element, cpu, true)) {
            mni_call_end(cpu);
            return 0;
        }
        if (ch->count == 0 && !(ch->flags & (MNI_CHAN_CLOSED | MNI_CHAN_SENDERS)) && deadline == MN_FOREVER &&
            cpu)
            return block_recv(ch, element, cpu);
        r = recv_slow(ch, element, deadline);
    }
    mni_call_end_moved(cpu);
    return r;
}

MN_EXPORT int mn_chan_send_until(struct mn_chan *ch, const void *element, int64_t deadline) {
    return send_element(ch, element, deadline < 0 ? 0 : deadline);
}

MN_EXPORT int mn_chan_send(struct mn_chan *ch, const void *element) {
    return send_element(ch, element, MN_FOREVER);
}

MN_EXPORT int mn_chan_try_send(struct mn_chan *ch, const void *element) {
    return send_element(ch, element, TRY);
}

MN_EXPORT int mn_chan_recv_until(struct mn_chan *ch, void *element, int64_t deadline) {
    return recv_element(ch, element, deadline < 0 ? 0 : deadline);
}

MN_EXPORT int mn_chan_recv(struct mn_chan *ch, void *element) {
    return recv_element(ch, element, MN_FOREVER);
}

MN_EXPORT int mn_chan_try_recv(struct mn_chan *ch, void *element) {
    return recv_element(ch, element, TRY);
}

MN_EXPORT int mn_chan_create(struct mn_chan **out, size_t element_size, size_t capacity) {
    if (!out || element_size >= 1u << 30)
        return -EINVAL;
    struct mn_chan like = {.size = (uint32_t)element_size,
                           .capacity = capacity == MN_CHAN_UNBOUNDED ? MNI_CHAN_ENDLESS : capacity};
    struct mn_chan *ch = mni_chan_new(&like);
    if (!ch)
        return -ENOMEM;
    *out = ch;
    return 0;
}

MN_EXPORT int mn_chan_destroy(struct mn_chan *ch) {
    if (!ch)
        return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(&ch->lock);
    bool busy =
        ch->flags & (MNI_CHAN_RECEIVERS | MNI_CHAN_SENDERS) || ch->receivers_coming || ch->senders_coming;
    mni_lock_drop(&ch->lock);
    mni_call_end_here(cpu);
    if (busy)
        return -EBUSY;
    mni_chan_free(ch);
    return 0;
}

MN_EXPORT int mn_chan_close(struct mn_chan *ch) {
    if (!ch)
        return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    struct mni_queue woken = {0};
    mni_lock_take(&ch->lock);
    int r = ch->flags & MNI_CHAN_CLOSED ? -EALREADY : 0;
    if (r == 0) {
        mni_chan_flag(ch, MNI_CHAN_CLOSED, 0);
        while (ch->flags & MNI_CHAN_RECEIVERS && ch->count > 0)
            give_first(ch, &woken);
        mni_claim_all_waiters(&ch->receivers, MNI_WOKEN_CLOSED, &woken);
        mni_claim_all_waiters(&ch->senders, MNI_WOKEN_CLOSED, &woken);
        mni_chan_flag(ch, 0, MNI_CHAN_RECEIVERS | MNI_CHAN_SENDERS);
    }
    mni_lock_drop(&ch->lock);
    mni_wake_all(&woken);
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT size_t mn_chan_len(const struct mn_chan *ch) {
    return ch ? a64_load(&ch->count) : 0; /* relaxed: a hint, stored under the lock by put and take */
}

MN_EXPORT size_t mn_chan_capacity(const struct mn_chan *ch) {
    return ch ? ch->capacity : 0;
}
