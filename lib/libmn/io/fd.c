/*
 * fd: the table of descriptors, and waiting for one.
 *
 * Two kinds.  Ours were made by mn_* functions, or given to us (mn_adopt), and are closed by mn_close: nobody
 * closes them behind our back, so they are put into the set once, edge-triggered, and their entry remembers
 * whether they are ready.  All others may be closed, and their number used again, without our hearing of it:
 * nothing is remembered of these, and each wait arms them anew, for one event.
 *
 * Armed anew, a descriptor whose state is an event reports that state.  There are states that last and in which
 * a call finds nothing: errors in the queue of errors, which are for MSG_ERRQUEUE; a look (MSG_PEEK) from an
 * offset behind the last byte.  A call that was woken in vain therefore waits for a change: the descriptor is
 * in the set as ours are (epoch says so), READY means an event since the call, and the first event that nobody
 * waits for takes it out.  Who waits without a runtime has a set of its own for it (mni_fd_plain_change).
 *
 * Readiness of ours.  word[direction] is a count of events and the bit READY.
 *
 *     event:  (under the lock) word = (word + EVENT) | READY;  wake the first in the queue
 *     call:   seen = word;  READY not set: wait;  otherwise make the system call;
 *             EAGAIN, or a short transfer:  compare-and-swap word from seen to seen without READY
 *     wait:   (under the lock) READY: try again;  otherwise into the set, if it is not in there yet, and into the queue
 *
 * An event that comes between the look at word and the compare-and-swap makes that fail: READY stays, and the
 * call is made once more.  An event that the kernel has and we have not fetched yet comes later: then READY is
 * set again.  So a short read needs no second one that finds nothing.  That a short transfer means drained is
 * so for sockets and pipes without message boundaries, except at the end of the stream (its event came before
 * the read, with or before the data's), after an error and at an urgent byte: the event sets MNI_FD_MORE before
 * word; then only EAGAIN counts, and the end itself.
 *
 * Several wait in one direction.  An event wakes the first, not all.  Nobody is left behind with data there:
 * who was woken, or never waited, and leaves with READY still set wakes the next (mni_fd_pass_on), who tries.
 * Who clears READY knows that there was nothing more, and the next event wakes the next.  Who was woken and
 * tries in vain queues again, at the end.  One whose deadline came just when it was woken by an event tries as
 * well: it was claimed by one of the two.
 *
 * Close.  The generation changes, all who wait are woken with -EBADF, and the entry is no longer ours; then the
 * descriptor is closed.  A thread that looked at the entry before compares generations when it has been woken,
 * and before it waits.  One that began between the two steps may have armed the file that was about to go, and
 * would never hear of it: after the close all who wait are woken once more, and try.
 *
 * Memory: 64 bytes for each number, in chunks that are mapped when one of their numbers is used; only pages
 * that are touched cost anything.  The directory covers every number that a descriptor can have.
 *
 * tests/model/mn_fd.c walks through all orders of events and readers.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fd.h"

#include <errno.h>
#include <mn/time.h>
#include <time.h>

#include "clock.h"
#include "kqueue/kq.h"
#include "lock.h"
#include "poll.h"
#include "poller.h"
#include "runtime/map.h"
#include "sched/sched.h"
#include "sys.h"
#include "thread/bound.h"
#include "umtx.h"
#include "wait/call.h"

enum {
    CHUNK_BITS = MNI_FD_CHUNK_BITS,
    CHUNK = MNI_FD_CHUNK,
    CHUNKS = 1 << (31 - CHUNK_BITS),
    FAR = 6, /* events ahead of the one that is handed out: their entries are fetched, */
    NEAR = 3, /* and of these the threads that wait */
    AGAIN = 2, /* of a waiter's data, which is an entry's address and a direction otherwise */
};

static struct lock growing = LOCK_INIT(RANK_POOL);
struct mni_fd **mni_fd_directory; /* [CHUNKS]; atomic, as its elements: written once */
static uint32_t chunks;           /* all in use lie below; atomic */

static struct mni_fd *grow(unsigned chunk) {
    lock_take(&growing);
    if (!mni_fd_directory) {
        struct mni_fd **d = mni_map(CHUNKS * sizeof *d);
        aptr_store_release(&mni_fd_directory, d); /* release, both: pair with the acquires of mni_fd_find */
    }
    struct mni_fd *c = NULL;
    if (mni_fd_directory && !(c = mni_fd_directory[chunk]) && (c = mni_map(CHUNK * sizeof *c)) != NULL) {
        aptr_store_release(&mni_fd_directory[chunk], c);
        if (chunk >= chunks)
            a32_store_release(&chunks, chunk + 1);
    }
    lock_drop(&growing);
    return c;
}

struct mni_fd *mni_fd_get(int fd, int *error) {
    struct mni_fd *f = mni_fd_find(fd);
    if (__builtin_expect(f != NULL, 1))
        return f;
    *error = -EBADF;
    if (fd < 0)
        return NULL;
    *error = -ENOMEM;
    int saved = errno;
    struct mni_fd *c = grow((unsigned)fd >> CHUNK_BITS);
    errno = saved;
    return c ? c + ((unsigned)fd & (CHUNK - 1)) : NULL;
}

static uint64_t key(const struct mni_fd *f, int fd) {
    return (uint64_t)f->generation << 32 | (unsigned)fd;
}

/* Under the entry's lock. */
static bool claim(struct mni_waiter *w, int result) {
    return w->data ? mni_many_claim(w->data, w->parker, MNI_WOKEN_AGAIN) : mni_claim(w->parker, result);
}

/* Under the lock: all who wait leave with the result; they are in `out` then. */
static void claim_all(struct mni_queue *q, int result, struct mni_queue *out) {
    for (struct mni_waiter *w; (w = mni_queue_take(q));)
        if (claim(w, result))
            mni_queue_append(out, w);
}

/* The first leaves, and whoever stands before it only to look. */
static void claim_first(struct mni_queue *q, struct mni_queue *out) {
    for (struct mni_waiter *w; (w = mni_queue_take(q));) {
        bool looks = w->data, claimed = claim(w, 0);
        if (claimed)
            mni_queue_append(out, w);
        if (claimed && !looks)
            return;
    }
}

/* What those in a queue wait for. */
static unsigned wanted(const struct mni_queue *q) {
    unsigned what = 0;
    for (struct list *l = q->head ? &q->head->link : NULL;
         l && l != mni_queue_end((struct mni_queue *)(uintptr_t)q); l = l->next)
        what |= (unsigned)list_entry(l, struct mni_waiter, link)->tag;
    return what;
}

static inline void wake_one(struct mni_cpu *c, struct mni_parker *p) {
    if (__builtin_expect(p->foreign != MNI_GREEN, 0)) {
        mni_foreign_wake(p);
        return;
    }
    struct mni_thread *t = (struct mni_thread *)(void *)p;
    if (__builtin_expect(!c, 0)) {
        mni_ready_remote(t);
    } else if (((t->flags & MNI_PINNED) && t->cpu != c->index) || mni_runq_empty(c)) {
        mni_ready(c, t);
    } else {
        /* In the order of events: not to the hot slot. */
        mni_count(c, wakes, 1);
        a8_store(&t->state, MNI_READY);
        mni_runq_push_fair(c, t);
        c->cold = c->tail;
    }
}

static void wake(struct mni_cpu *c, struct mni_queue *claimed) {
    for (struct mni_waiter *w; (w = mni_queue_take(claimed));)
        wake_one(c, w->parker);
}

static void add_event(struct mni_fd *f, unsigned direction) {
    uint32_t word, new;
    do {
        word = a32_load(&f->word[direction]);
        new = (word + MNI_FD_EVENT) | MNI_FD_READY;
        /* Full: a release for MORE; pairs with the acquire of who reads the word before a call. */
    } while (!mni_cas32(&f->word[direction], word, new));
}

/* Under the lock: not of ours, or one that several wait for, or both. */
static void wake_some(struct mni_fd *f, unsigned d, struct mni_queue *out) {
    if (f->flags & MNI_FD_OURS)
        claim_first(&f->queue[d], out);
    else
        claim_all(&f->queue[d], 0, out);
}

/* The one that waits in a direction, nearly always; NULL: see `out`. */
static inline struct mni_parker *claim_only(struct mni_fd *f, unsigned d, struct mni_queue *out) {
    struct mni_waiter *w = f->queue[d].head;
    if (__builtin_expect(!w, 0))
        return NULL;
    if (__builtin_expect(f->queue[d].tail != w || w->data, 0)) {
        wake_some(f, d, out);
        return NULL;
    }
    f->queue[d] = (struct mni_queue){0};
    a32_store(&f->queued, f->queued & ~(1u << d));
    w->link.next = w->link.prev = NULL;
    struct mni_parker *p = w->parker;
    return mni_claim(p, 0) ? p : NULL;
}

static inline void event(struct mni_cpu *c, struct mni_fd *f, const struct mni_ready *e) {
    struct mni_parker *p[2] = {NULL, NULL};
    struct mni_queue out = {0};
    mni_lock_take(&f->lock);
    if (__builtin_expect(f->generation != e->key >> 32, 0)) {
        mni_lock_drop(&f->lock);
        return;
    }
    const uint32_t flags = f->flags;
    if (__builtin_expect(e->what & (MNI_READY_URGENT | MNI_READY_END), 0))
        a32_store(&f->flags, flags | MNI_FD_MORE);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        if (e->what & 1u << d) {
            add_event(f, d);
            p[d] = claim_only(f, d, &out);
        }
    if (__builtin_expect(!(flags & MNI_FD_OURS), 0)) {
        unsigned left = wanted(&f->queue[MNI_READ]) | wanted(&f->queue[MNI_WRITE]);
        bool waits = f->queue[MNI_READ].head || f->queue[MNI_WRITE].head;
        if (waits && !f->epoch) {
            mni_pollset_arm(&mni_poller_set, (int)(uint32_t)e->key, left, e->key);
        } else if (f->epoch && !waits && !p[MNI_READ] && !p[MNI_WRITE] && !out.head) {
            mni_pollset_remove(&mni_poller_set, (int)(uint32_t)e->key);
            f->epoch = 0;
        }
    }
    mni_lock_drop(&f->lock);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        if (p[d])
            wake_one(c, p[d]);
    if (__builtin_expect(out.head != NULL, 0))
        wake(c, &out);
    if (__builtin_expect(flags & MNI_FD_KQUEUE, 0))
        mni_kq_event((int)(uint32_t)e->key);
}

/* An event's entry was in the table when it was armed, and is for good. */
static inline struct mni_fd *entry_of(const struct mni_ready *e) {
    return mni_fd_find((int)(uint32_t)e->key);
}

/* Without the lock: a hint, which nobody follows but the prefetch; what is read may be changing. */
static __attribute__((noinline, no_sanitize("thread"))) void fetch_waiter(const struct mni_fd *f) {
    const char *w = *(const char *const volatile *)&f->queue[MNI_READ].head;
    if (w) {
        /* If it is a green thread's, its descriptor has two lines that are needed. */
        __builtin_prefetch(w - offsetof(struct mni_thread, waiter), 1);
        __builtin_prefetch(w + sizeof(struct mni_waiter) - 1, 1);
    }
}

void mni_fd_events(struct mni_cpu *c, const struct mni_ready *events, int n) {
    for (int i = 0; i < n && i < FAR; i++)
        __builtin_prefetch(entry_of(&events[i]), 1);
    for (int i = 0; i < n; i++) {
        if (i + FAR < n)
            __builtin_prefetch(entry_of(&events[i + FAR]), 1);
        if (i + NEAR < n)
            fetch_waiter(entry_of(&events[i + NEAR]));
        event(c, entry_of(&events[i]), &events[i]);
    }
}

void mni_fd_pass_on_slow(struct mni_fd *f, unsigned direction) {
    struct mni_worker *w = mni_worker_self();
    struct mni_queue out = {0};
    mni_lock_take(&f->lock);
    claim_first(&f->queue[direction], &out);
    if (mni_queue_empty(&f->queue[direction]))
        a32_store(&f->queued, f->queued & ~(1u << direction));
    mni_lock_drop(&f->lock);
    wake(w ? w->cpu : NULL, &out);
}

/* Under the lock: it will have an event when it is ready for what the caller wants (MNI_READY_*), or others
 * who wait; changes: or at each change. */
static int prepare(struct mni_fd *f, int fd, unsigned what, bool changes) {
    if (f->flags & MNI_FD_OURS || changes) {
        if (f->epoch == mni_poller_epoch)
            return 0;
        int r = mni_pollset_add(&mni_poller_set, fd, key(f, fd));
        if (r == 0)
            f->epoch = mni_poller_epoch;
        return r;
    }
    if (f->flags & MNI_FD_KQUEUE)
        what |= MNI_READY_READ;
    f->epoch = 0;
    a32_store(&f->flags, f->flags | MNI_FD_ARMED);
    return mni_pollset_arm(&mni_poller_set, fd,
                           what | wanted(&f->queue[MNI_READ]) | wanted(&f->queue[MNI_WRITE]), key(f, fd));
}

int mni_fd_watch(int fd) {
    int r;
    struct mni_fd *f = mni_fd_get(fd, &r);
    if (!f)
        return r;
    mni_lock_take(&f->lock);
    a32_store(&f->flags, f->flags | MNI_FD_KQUEUE);
    r = a32_load_acquire(&mni_poller_epoch) == 0 ? 0 : prepare(f, fd, MNI_READY_READ, false);
    mni_lock_drop(&f->lock);
    return r;
}

/* Under the lock: 0: it is to wait, for an event that will come; 1: it is to try; or a negative errno. */
static int begin(struct mni_fd *f, int fd, unsigned direction, uint32_t generation, bool again) {
    if (f->generation != generation)
        return -EBADF;
    if ((f->flags & MNI_FD_OURS || again) && a32_load(&f->word[direction]) & MNI_FD_READY)
        return 1;
    if (__builtin_expect(a32_load_acquire(&mni_poller_epoch) == 0, 0)) /* the runtime has ended just now */
        return 1;
    return prepare(f, fd, 1u << direction, again);
}

static void enqueue(struct mni_fd *f, unsigned direction, struct mni_waiter *w) {
    w->data = NULL;
    w->tag = 1u << direction;
    mni_queue_append(&f->queue[direction], w);
    a32_store(&f->queued, f->queued | 1u << direction);
}

/*
 * On the next stack.  Not before: a thread that blocks looks for the next one with what it has locked, and
 * events may be handed out in that (sched.c).
 */
static void after_fd(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_waiter *w = &t->waiter;
    unsigned direction = (uintptr_t)w->data & 1;
    bool again = (uintptr_t)w->data & AGAIN;
    struct mni_fd *f = (struct mni_fd *)((uintptr_t)w->data & ~(uintptr_t)(AGAIN | 1));
    mni_lock_take(&f->lock);
    int r = begin(f, (int)(uint32_t)w->tag, direction, (uint32_t)(w->tag >> 32), again);
    if (r == 0) {
        enqueue(f, direction, w);
        mni_begin_wait(c, t);
        mni_lock_drop(&f->lock);
        return;
    }
    mni_lock_drop(&f->lock);
    if (mni_begin_wait(c, t) && mni_claim(&t->park, r < 0 ? r : 0))
        mni_ready(c, t);
}

static const char *name_of(unsigned direction) {
    return direction == MNI_READ ? "readable" : "writable";
}

static __attribute__((noinline)) int wait_foreign(struct mni_fd *f, int fd, unsigned direction,
                                                  uint32_t generation, int64_t deadline, bool again) {
    mni_lock_take(&f->lock);
    int r = begin(f, fd, direction, generation, again);
    if (r) {
        mni_lock_drop(&f->lock);
        return r < 0 ? r : 0;
    }
    enqueue(f, direction, mni_waiter_self());
    mni_poller_waits(NULL);
    r = mni_wait(name_of(direction), f, &f->lock, deadline);
    mni_poller_waited(NULL);
    return r;
}

/* The wait has failed: the caller takes itself out. */
static __attribute__((noinline)) int leave(struct mni_fd *f, unsigned direction, int r) {
    struct mni_waiter *w = mni_waiter_self();
    mni_lock_take(&f->lock);
    mni_leave_queue(&f->queue[direction], w);
    mni_lock_drop(&f->lock);
    return r;
}

static __attribute__((noinline)) int open_set(int fd, unsigned direction, int64_t deadline, bool again) {
    int r = mni_poller_open();
    if (r > 0) {
        r = again ? mni_fd_plain_change(fd, deadline)
                  : mni_fd_plain_wait(fd, 1u << direction, deadline);
        if (r == 0)
            r = 1;
    }
    return r;
}

/* There is no set that would say when there is more: the next call asks the kernel again. */
static void not_drained(struct mni_fd *f, unsigned direction) {
    mni_lock_take(&f->lock);
    add_event(f, direction);
    mni_lock_drop(&f->lock);
}

/* With a small frame, and everything in it: what a waiting thread has on its stack is cold when it goes on. */
int mni_fd_wait(struct mni_fd *f, int fd, unsigned direction, uint32_t generation, int64_t deadline,
                bool again) {
    int r;
    if (mni_passed(deadline))
        return mni_cancelled_self() ? -ECANCELED : -ETIMEDOUT;
    if (__builtin_expect(a32_load_acquire(&mni_poller_epoch) == 0, 0) &&
        (r = open_set(fd, direction, deadline, again)) != 0) {
        if (r < 0)
            not_drained(f, direction);
        return r < 0 ? r : 0;
    }
    struct mni_worker *worker = mni_worker_self();
    if (__builtin_expect(!worker, 0)) {
        r = wait_foreign(f, fd, direction, generation, deadline, again);
    } else {
        struct mni_cpu *c = worker->cpu;
        struct mni_thread *t = c->current;
        t->waiter.data = (void *)((uintptr_t)f | direction | (again ? AGAIN : 0));
        t->waiter.tag = (uint64_t)generation << 32 | (unsigned)fd;
        a32_store(&c->polls, c->polls + 1); /* relaxed, as below: poller.c */
        r = mni_block(c, t, name_of(direction), f, deadline, after_fd);
        c = mni_cpu_self();
        a32_store(&c->polls, c->polls - 1);
    }
    return __builtin_expect(r < 0, 0) ? leave(f, direction, r) : r;
}

enum { TURN_HELD = 1, TURN_WANTED = 2, TURN_BITS = 2 };

bool mni_fd_turn(struct mni_fd *f, unsigned direction, int64_t deadline) {
    const unsigned shift = TURN_BITS * direction;
    const int64_t until = deadline > 0 ? deadline : 0;
    const struct timespec ts = clock_timespec(until);
    for (int r = 0; r != -ETIMEDOUT;) {
        uint32_t old = a32_load(&f->turn);
        const bool held = old >> shift & TURN_HELD;
        uint32_t new = old | (uint32_t)(held ? TURN_WANTED : TURN_HELD) << shift;
        /* Full: an acquire; and pairs with that of mni_fd_turn_over: it sees WANTED, or we the end of the
         * turn. */
        if (!a32_cas_full(&f->turn, old, new))
            continue;
        if (!held)
            return true;
        if (mni_worker_self() || a32_load_acquire(&mni_poller_epoch)) /* acquire: as in mni_poller_open */
            return false;
        r = umtx_wait(&f->turn, new, deadline == MN_FOREVER ? NULL : &ts, CLOCK_MONOTONIC, UMTX_PRIVATE);
    }
    return false;
}

void mni_fd_turn_over(struct mni_fd *f, unsigned direction) {
    uint32_t old;
    do
        old = a32_load(&f->turn);
    while (!a32_cas_full(&f->turn, old, old & ~(3u << TURN_BITS * direction))); /* full: see above */
    if (!(old >> TURN_BITS * direction & TURN_WANTED))
        return;
    umtx_wake(&f->turn, INT32_MAX, UMTX_PRIVATE);
    /* Who found the turn taken has queued, or will see that something has happened since. */
    struct mni_queue out = {0};
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(&f->lock);
    add_event(f, direction);
    claim_all(&f->queue[direction], 0, &out);
    mni_lock_drop(&f->lock);
    wake(c, &out);
    mni_call_end_here(c);
}

int mni_fd_begin_many(struct mni_fd *f, int fd, uint32_t generation, const uint32_t seen[2],
                      struct mni_waiter w[2], unsigned what) {
    int r = 0;
    mni_lock_take(&f->lock);
    if (f->generation != generation)
        r = 1;
    else if (f->flags & MNI_FD_OURS &&
             (a32_load(&f->word[MNI_READ]) / MNI_FD_EVENT != seen[MNI_READ] / MNI_FD_EVENT ||
              a32_load(&f->word[MNI_WRITE]) / MNI_FD_EVENT != seen[MNI_WRITE] / MNI_FD_EVENT))
        r = 1;
    else if (a32_load_acquire(&mni_poller_epoch) == 0)
        r = 1;
    else if ((r = prepare(f, fd, what, false)) == -EPERM)
        r = 0; /* a file: nothing will become of it but its being closed */
    if (r == 0) {
        const unsigned parts[2] = {what & ~(unsigned)MNI_READY_WRITE, what & MNI_READY_WRITE};
        for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
            if (parts[d] || (d == MNI_READ && !what)) {
                w[d].tag = parts[d];
                mni_queue_append(&f->queue[d], &w[d]);
                a32_store(&f->queued, f->queued | 1u << d);
            }
    }
    mni_lock_drop(&f->lock);
    return r;
}

void mni_fd_end_many(struct mni_fd *f, struct mni_waiter w[2]) {
    mni_lock_take(&f->lock);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        mni_leave_queue(&f->queue[d], &w[d]);
    mni_lock_drop(&f->lock);
}

int mni_fd_made(int fd, unsigned flags) {
    int r;
    struct mni_fd *f = mni_fd_get(fd, &r);
    if (!f)
        return r;
    struct mni_queue out = {0};
    struct mni_worker *w = mni_worker_self();
    mni_lock_take(&f->lock);
    a32_store(&f->generation, f->generation + 1);
    f->epoch = 0;
    a32_store(&f->flags, MNI_FD_OURS | flags);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++) {
        add_event(f, d); /* unknown: the first call is made */
        claim_all(&f->queue[d], -EBADF, &out);
    }
    mni_lock_drop(&f->lock);
    wake(w ? w->cpu : NULL, &out);
    return 0;
}

void mni_fd_closing(struct mni_fd *f, int fd) {
    struct mni_queue out = {0};
    struct mni_worker *w = mni_worker_self();
    mni_lock_take(&f->lock);
    a32_store(&f->generation, f->generation + 1);
    if (f->flags & MNI_FD_ARMED || (f->epoch && f->epoch == mni_poller_epoch))
        mni_pollset_remove(&mni_poller_set, fd); /* it may live on as a duplicate, and would go on having events */
    f->epoch = 0;
    a32_store(&f->flags, 0);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        claim_all(&f->queue[d], -EBADF, &out);
    mni_lock_drop(&f->lock);
    wake(w ? w->cpu : NULL, &out);
}

void mni_fd_closed(struct mni_fd *f) {
    struct mni_queue out = {0};
    struct mni_worker *w = mni_worker_self();
    mni_lock_take(&f->lock);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        claim_all(&f->queue[d], 0, &out);
    mni_lock_drop(&f->lock);
    wake(w ? w->cpu : NULL, &out);
}

/* Every entry that was ever used lies in a chunk. */
static void each(void (*fn)(struct mni_fd *)) {
    for (unsigned i = 0; i < a32_load_acquire(&chunks); i++) {
        struct mni_fd *c = mni_fd_directory[i];
        for (unsigned k = 0; c && k < CHUNK; k++)
            fn(&c[k]);
    }
}

/* One that nobody has used is not touched.  Acquire: pairs with the drop of the lock by who used it first. */
static void wake_entry(struct mni_fd *f) {
    if (!a32_load_acquire(&f->lock.word) && !f->generation && !f->flags)
        return;
    struct mni_queue out = {0};
    mni_lock_take(&f->lock);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        claim_all(&f->queue[d], 0, &out);
    mni_lock_drop(&f->lock);
    wake(NULL, &out);
}

void mni_fd_wake_all(void) {
    each(wake_entry);
}

static void forget(struct mni_fd *f) {
    if (!f->generation && !f->flags && !f->turn)
        return;
    f->lock.word = f->turn = 0;
    f->queue[MNI_READ] = f->queue[MNI_WRITE] = (struct mni_queue){0};
    f->epoch = 0;
    f->flags &= ~(uint32_t)MNI_FD_ARMED;
}

void mni_fd_forked(void) {
    lock_reset(&growing);
    each(forget);
}
