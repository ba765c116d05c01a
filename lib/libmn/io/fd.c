/*
 * fd: the table of descriptors, and waiting for one.
 *
 * Two kinds.  Ours were made by mn_* functions, or given to us (mn_adopt), and are closed by mn_close: nobody closes them
 * behind our back, so they are put into the set once, edge-triggered, and their entry remembers whether they are ready.
 * All others may be closed, and their number used again, without our hearing of it: nothing is remembered of these, and each
 * wait arms them anew, for one event.
 *
 * Readiness of ours.  word[direction] is a count of events and the bit READY.
 *
 *     event:  (under the lock) word = (word + EVENT) | READY;  wake the first in the queue
 *     call:   seen = word;  READY not set: wait;  otherwise make the system call;
 *             EAGAIN, or a short transfer:  compare-and-swap word from seen to seen without READY
 *     wait:   (under the lock) READY: try again;  otherwise into the set, if it is not in there yet, and into the queue
 *
 * An event that comes between the look at word and the compare-and-swap makes that fail: READY stays, and the call is made
 * once more.  An event that the kernel has and we have not fetched yet comes later: then READY is set again.  So a short read
 * needs no second one that finds nothing.  That a short transfer means drained is so for sockets and pipes without message
 * boundaries, except at the end of the stream (its event came before the read, with or before the data's), after an error and
 * at an urgent byte: the event sets MNI_FD_MORE before word; then only EAGAIN counts, and the end itself.
 *
 * Several wait in one direction.  An event wakes the first, not all.  Nobody is left behind with data there: who was woken,
 * or never waited, and leaves with READY still set wakes the next (mni_fd_pass_on), who tries.  Who clears READY knows that
 * there was nothing more, and the next event wakes the next.  Who was woken and tries in vain queues again, at the end.  One
 * whose deadline came just when it was woken by an event tries as well: it was claimed by one of the two.
 *
 * Close.  The generation changes, all who wait are woken with -EBADF, and the entry is no longer ours; then the descriptor is
 * closed.  A thread that looked at the entry before compares generations when it has been woken, and before it waits.  One
 * that began between the two steps may have armed the file that was about to go, and would never hear of it: after the close
 * all who wait are woken once more, and try.
 *
 * Memory: 64 bytes for each number, in chunks that are mapped when one of their numbers is used; only pages that
 * are touched cost anything.  The directory covers every number that a descriptor can have.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fd.h"

#include <errno.h>
#include <mn/time.h>
#include <sys/mman.h>
#include <time.h>

#include "bound.h"
#include "call.h"
#include "clock.h"
#include "fault.h"
#include "kqueue/kq.h"
#include "lock.h"
#include "poll.h"
#include "poller.h"
#include "sched.h"
#include "sys.h"

enum {
    CHUNK_BITS = 12,
    CHUNK = 1 << CHUNK_BITS,
    CHUNKS = 1 << (31 - CHUNK_BITS),
};

static struct lock growing = LOCK_INIT(RANK_POOL);
static struct mni_fd **directory; /* [CHUNKS]; atomic, as its elements: written once */
static uint32_t chunks;           /* all in use lie below; atomic */

static void *map(size_t size) {
    void *p = fault("mmap") ? MAP_FAILED
                            : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static struct mni_fd *grow(unsigned chunk) {
    lock_take(&growing);
    if (!directory) {
        struct mni_fd **d = map(CHUNKS * sizeof *d);
        aptr_store_release(&directory, d); /* release, both: pair with the acquires of mni_fd_find */
    }
    struct mni_fd *c = NULL;
    if (directory && !(c = directory[chunk]) && (c = map(CHUNK * sizeof *c)) != NULL) {
        aptr_store_release(&directory[chunk], c);
        if (chunk >= chunks)
            a32_store_release(&chunks, chunk + 1);
    }
    lock_drop(&growing);
    return c;
}

struct mni_fd *mni_fd_find(int fd) {
    struct mni_fd **d = aptr_load_acquire(&directory);
    if (!d || fd < 0)
        return NULL;
    struct mni_fd *c = aptr_load_acquire(&d[(unsigned)fd >> CHUNK_BITS]);
    return c ? c + ((unsigned)fd & (CHUNK - 1)) : NULL;
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
    struct mni_many *m = w->data;
    if (!m)
        return mni_claim(w->parker, result);
    mni_lock_take(&m->lock);
    m->fired = true;
    bool r = mni_claim(w->parker, 0);
    mni_lock_drop(&m->lock);
    return r;
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
    for (struct list *l = q->head ? &q->head->link : NULL; l && l != mni_queue_end((struct mni_queue *)(uintptr_t)q); l = l->next)
        what |= (unsigned)list_entry(l, struct mni_waiter, link)->tag;
    return what;
}

static void wake(struct mni_cpu *c, struct mni_queue *claimed) {
    for (struct mni_waiter *w; (w = mni_queue_take(claimed));) {
        struct mni_parker *p = w->parker;
        if (p->foreign != MNI_GREEN) {
            mni_foreign_wake(p);
            continue;
        }
        struct mni_thread *t = (struct mni_thread *)(void *)p;
        if (!c)
            mni_ready_remote(t);
        else if (mni_runq_empty(c) || ((t->flags & MNI_PINNED) && t->cpu != c->index))
            mni_ready(c, t);
        else {
            /* In the order of events: not to the hot slot. */
            mni_count(c, wakes, 1);
            a8_store(&t->state, MNI_READY);
            mni_runq_push_fair(c, t);
            c->cold = c->tail;
        }
    }
}

static void add_event(struct mni_fd *f, unsigned direction) {
    uint32_t word, new;
    do {
        word = a32_load(&f->word[direction]);
        new = (word + MNI_FD_EVENT) | MNI_FD_READY;
        /* Full: a release for MORE; pairs with the acquire of who reads the word before a call. */
    } while (!mni_cas32(&f->word[direction], word, new));
}

void mni_fd_soon(const struct mni_ready *event, bool sooner) {
    struct mni_fd *f = mni_fd_find((int)(uint32_t)event->key);
    if (!sooner) {
        __builtin_prefetch(f, 1);
        return;
    }
    /* Relaxed: a hint, that nobody follows but the prefetch.  A waiter lies in its thread's second line. */
    const char *w = (const char *)aptr_load(&f->queue[event->what & MNI_READY_READ ? MNI_READ : MNI_WRITE].head);
    __builtin_prefetch(w - 64, 1);
    __builtin_prefetch(w, 1);
}

void mni_fd_event(struct mni_cpu *c, const struct mni_ready *event) {
    int fd = (int)(uint32_t)event->key;
    struct mni_fd *f = mni_fd_find(fd);
    struct mni_queue out = {0};
    mni_lock_take(&f->lock);
    if (f->generation != event->key >> 32) {
        mni_lock_drop(&f->lock);
        return;
    }
    uint32_t flags = f->flags;
    if (event->what & (MNI_READY_URGENT | MNI_READY_END))
        a32_store(&f->flags, flags | MNI_FD_MORE);
    bool left = false;
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++) {
        if (event->what & 1u << d) {
            add_event(f, d);
            if (flags & MNI_FD_OURS)
                claim_first(&f->queue[d], &out);
            else
                claim_all(&f->queue[d], 0, &out);
        }
        left |= !mni_queue_empty(&f->queue[d]);
    }
    if (left && !(flags & MNI_FD_OURS))
        mni_pollset_arm(&mni_poller_set, fd, wanted(&f->queue[MNI_READ]) | wanted(&f->queue[MNI_WRITE]), event->key);
    mni_lock_drop(&f->lock);
    wake(c, &out);
    if (__builtin_expect(flags & MNI_FD_KQUEUE, 0))
        mni_kq_event(fd);
}

void mni_fd_drained(struct mni_fd *f, unsigned direction, uint32_t seen) {
    if (seen & MNI_FD_READY)
        mni_cas32(&f->word[direction], seen, seen & ~(uint32_t)MNI_FD_READY); /* full; pairs with add_event's */
}

void mni_fd_pass_on(struct mni_fd *f, unsigned direction) {
    /* Relaxed: one that queues now has seen READY under the lock, and does not wait. */
    if (__builtin_expect(!aptr_load(&f->queue[direction].head), 1) || !(a32_load(&f->word[direction]) & MNI_FD_READY))
        return;
    struct mni_worker *w = mni_worker_self();
    struct mni_queue out = {0};
    mni_lock_take(&f->lock);
    claim_first(&f->queue[direction], &out);
    mni_lock_drop(&f->lock);
    wake(w ? w->cpu : NULL, &out);
}

/* Under the lock: it will have an event when it is ready for what the caller wants (MNI_READY_*), or others who wait. */
static int prepare(struct mni_fd *f, int fd, unsigned what) {
    if (f->flags & MNI_FD_OURS) {
        if (f->epoch == mni_poller_epoch)
            return 0;
        int r = mni_pollset_add(&mni_poller_set, fd, key(f, fd));
        if (r == 0)
            f->epoch = mni_poller_epoch;
        return r;
    }
    if (f->flags & MNI_FD_KQUEUE)
        what |= MNI_READY_READ;
    a32_store(&f->flags, f->flags | MNI_FD_ARMED);
    return mni_pollset_arm(&mni_poller_set, fd, what | wanted(&f->queue[MNI_READ]) | wanted(&f->queue[MNI_WRITE]), key(f, fd));
}

int mni_fd_watch(int fd) {
    int r;
    struct mni_fd *f = mni_fd_get(fd, &r);
    if (!f)
        return r;
    mni_lock_take(&f->lock);
    a32_store(&f->flags, f->flags | MNI_FD_KQUEUE);
    r = a32_load_acquire(&mni_poller_epoch) == 0 ? 0 : prepare(f, fd, MNI_READY_READ);
    mni_lock_drop(&f->lock);
    return r;
}

/* Under the lock: 0: it is to wait, for an event that will come; 1: it is to try; or a negative errno. */
static int begin(struct mni_fd *f, int fd, unsigned direction, uint32_t generation) {
    if (f->generation != generation)
        return -EBADF;
    if (f->flags & MNI_FD_OURS && a32_load(&f->word[direction]) & MNI_FD_READY)
        return 1;
    if (__builtin_expect(a32_load_acquire(&mni_poller_epoch) == 0, 0)) /* the runtime has ended just now */
        return 1;
    return prepare(f, fd, 1u << direction);
}

static void enqueue(struct mni_fd *f, unsigned direction, struct mni_waiter *w) {
    w->data = NULL;
    w->tag = 1u << direction;
    mni_queue_append(&f->queue[direction], w);
}

/*
 * On the next stack.  Not before: a thread that blocks looks for the next one with what it has locked, and events may be handed
 * out in that (sched.c).
 */
static void after_fd(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_waiter *w = &t->waiter;
    unsigned direction = (uintptr_t)w->data & 1;
    struct mni_fd *f = (struct mni_fd *)((uintptr_t)w->data & ~(uintptr_t)1);
    mni_lock_take(&f->lock);
    int r = begin(f, (int)(uint32_t)w->tag, direction, (uint32_t)(w->tag >> 32));
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

static int wait_green(struct mni_cpu *c, struct mni_fd *f, int fd, unsigned direction, uint32_t generation, int64_t deadline) {
    if (deadline != MN_FOREVER && deadline <= (int64_t)clock_now_ns())
        return mni_cancelled_self() ? -ECANCELED : -ETIMEDOUT;
    struct mni_thread *t = c->current;
    t->waiter.data = (void *)((uintptr_t)f | direction);
    t->waiter.tag = (uint64_t)generation << 32 | (unsigned)fd;
    mni_poller_waits(c);
    int r = mni_wait_after(c, direction == MNI_READ ? "readable" : "writable", f, deadline, after_fd);
    mni_poller_waited(mni_cpu_self());
    return r;
}

static int wait_foreign(struct mni_fd *f, int fd, unsigned direction, uint32_t generation, int64_t deadline) {
    mni_lock_take(&f->lock);
    int r = begin(f, fd, direction, generation);
    if (r) {
        mni_lock_drop(&f->lock);
        return r < 0 ? r : 0;
    }
    enqueue(f, direction, mni_waiter_self());
    mni_poller_waits(NULL);
    r = mni_wait(direction == MNI_READ ? "readable" : "writable", f, &f->lock, deadline);
    mni_poller_waited(NULL);
    return r;
}

int mni_fd_wait(struct mni_fd *f, int fd, unsigned direction, uint32_t generation, int64_t deadline) {
    int r = mni_poller_open();
    if (r)
        return r < 0 ? r : mni_fd_plain_wait(fd, 1u << direction, deadline);
    struct mni_worker *worker = mni_worker_self();
    r = worker ? wait_green(worker->cpu, f, fd, direction, generation, deadline) : wait_foreign(f, fd, direction, generation, deadline);
    if (r < 0) {
        struct mni_waiter *w = mni_waiter_self();
        mni_lock_take(&f->lock);
        if (mni_queued(w))
            mni_queue_remove(&f->queue[direction], w);
        mni_lock_drop(&f->lock);
    }
    return r;
}

int mni_fd_begin_many(struct mni_fd *f, int fd, uint32_t generation, const uint32_t seen[2], struct mni_waiter w[2], unsigned what) {
    int r = 0;
    mni_lock_take(&f->lock);
    if (f->generation != generation)
        r = 1;
    else if (f->flags & MNI_FD_OURS && (a32_load(&f->word[MNI_READ]) / MNI_FD_EVENT != seen[MNI_READ] / MNI_FD_EVENT ||
                                        a32_load(&f->word[MNI_WRITE]) / MNI_FD_EVENT != seen[MNI_WRITE] / MNI_FD_EVENT))
        r = 1;
    else if (a32_load_acquire(&mni_poller_epoch) == 0)
        r = 1;
    else
        r = prepare(f, fd, what);
    if (r == 0) {
        const unsigned parts[2] = {what & ~(unsigned)MNI_READY_WRITE, what & MNI_READY_WRITE};
        for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
            if (parts[d] || (d == MNI_READ && !what)) {
                w[d].tag = parts[d];
                mni_queue_append(&f->queue[d], &w[d]);
            }
    }
    mni_lock_drop(&f->lock);
    return r;
}

void mni_fd_end_many(struct mni_fd *f, struct mni_waiter w[2]) {
    mni_lock_take(&f->lock);
    for (unsigned d = MNI_READ; d <= MNI_WRITE; d++)
        if (mni_queued(&w[d]))
            mni_queue_remove(&f->queue[d], &w[d]);
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
        struct mni_fd *c = directory[i];
        for (unsigned k = 0; c && k < CHUNK; k++)
            fn(&c[k]);
    }
}

static void wake_entry(struct mni_fd *f) {
    if (!f->generation && !f->flags)
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
    if (!f->generation && !f->flags)
        return;
    f->lock.word = f->turn.word = 0;
    f->queue[MNI_READ] = f->queue[MNI_WRITE] = (struct mni_queue){0};
    f->epoch = 0;
    f->flags &= ~(uint32_t)MNI_FD_ARMED;
}

void mni_fd_forked(void) {
    lock_reset(&growing);
    each(forget);
}
