/*
 * kqueue: how kqueues come, are found and go.
 *
 * Found by number.  A table that never shrinks has the kqueue of each descriptor's number; its memory is never
 * freed either, but used again.  So a look-up takes no lock but the kqueue's own, and then compares the number:
 * kq->fd says whose it is.
 *
 * Closed.  By mn_close, and by close(2), which libmn has in front of the libc's for this sake (kq_names.c):
 * notes go, waiters are claimed and come back with -EBADF, and the number is given up last.  An LWP that sleeps
 * in the kernel does so on the number (which may be somebody else's soon) and on the bell (which is ours): the
 * bell is rung, and the structure is used again, its bell closed, only when the last sleeper has come back.
 *
 * Closed behind our back: by close_range, dup2, the system call.  Then the table has a kqueue whose number is
 * free or something else's.  It is found out when the number becomes that of a new kqueue, when descriptors run
 * out, when a call that needs the kernel's set fails, and by LWPs that sleep: they look once a second.
 *
 * fork.  The child closes all kqueues; one of vfork nothing but numbers of its own.  One whose lock was held at
 * that moment is in motion; of that, the descriptors that it names are closed, and nothing else is touched.
 */
#include "kq.h"

#include <errno.h>
#include <fcntl.h>
#include <mn/kqueue.h>
#include <stdlib.h>

#include "export.h"
#include "fault.h"
#include "io/fd.h"
#include "kq_os.h"
#include "lock.h"
#include "runtime/fork.h"
#include "sync/waiters.h"
#include "sys.h"
#include "wait/call.h"

enum { CHUNK = 1024, CHUNKS = 4096 };
struct chunk {
    struct mni_kq *kq[CHUNK];
};
static struct chunk *chunks[CHUNKS]; /* atomic */

static struct lock registry = LOCK_INIT(RANK_POOL);
static struct mni_kq *unused; /* guarded by registry */
static uint32_t process;      /* whose kqueues these are; atomic */

static struct mni_kq **place(int fd) {
    if (fd < 0 || fd >= CHUNK * CHUNKS)
        return NULL;
    /* Acquire: pairs with the release by which it was put there, empty. */
    struct chunk *c = aptr_load_acquire(&chunks[fd / CHUNK]);
    return c ? &c->kq[fd % CHUNK] : NULL;
}

static struct mni_kq **place_made(int fd) {
    struct mni_kq **p = place(fd);
    if (p || fd < 0 || fd >= CHUNK * CHUNKS)
        return p;
    struct chunk *c = fault("malloc") ? NULL : calloc(1, sizeof *c);
    if (!c)
        return NULL;
    /* Release: pairs with place(). */
    if (!aptr_cas_release(&chunks[fd / CHUNK], NULL, c))
        free(c);
    return place(fd);
}

bool mni_kq_is(int fd) {
    struct mni_kq **p = place(fd);
    return p && aptr_load(p);
}

struct mni_kq *mni_kq_take(int fd) {
    struct mni_kq **p = place(fd);
    /* Acquire: pairs with the release in adopt(): the structure is made. */
    struct mni_kq *kq = p ? aptr_load_acquire(p) : NULL;
    if (!kq)
        return NULL;
    mni_lock_take(&kq->lock);
    if (__builtin_expect(kq->fd == fd, 1))
        return kq;
    mni_lock_drop(&kq->lock);
    return NULL;
}

uint32_t mni_kq_pending(int fd) {
    struct mni_kq **p = place(fd);
    struct mni_kq *kq = p ? aptr_load_acquire(p) : NULL; /* acquire: as in mni_kq_take */
    return kq ? a32_load(&kq->count) : 0;
}

/* A structure for a new kqueue; not locked, nobody else knows it. */
static struct mni_kq *fresh(void) {
    lock_take(&registry);
    struct mni_kq *kq = unused;
    if (kq)
        unused = kq->next_free;
    lock_drop(&registry);
    if (!kq) {
        kq = fault("malloc") ? NULL : calloc(1, sizeof *kq);
        if (!kq)
            return NULL;
        kq->fd = kq->bell = kq->timer_fd = kq->second = kq->files = kq->connector = -1;
        list_init(&kq->active);
        list_init(&kq->vnodes);
        list_init(&kq->signals);
    }
    return kq;
}

static void give_back(struct mni_kq *kq) {
    lock_take(&registry);
    kq->next_free = unused;
    unused = kq;
    lock_drop(&registry);
}

/* Nobody sleeps in it any more: it is as new.  The lock is held, and dropped. */
static void finish(struct mni_kq *kq) {
    if (kq->bell >= 0)
        sys(SYS_close, kq->bell);
    kq->bell = -1;
    kq->rung = false;
    mni_lock_drop(&kq->lock);
    give_back(kq);
}

/* The kqueue ends; the descriptor too, unless it was closed already.  The lock is held, and dropped. */
static int retire(struct mni_kq *kq, bool closed) {
    struct mni_queue out = {0};
    int fd = kq->fd, r = 0;
    struct mni_fd *f = mni_fd_find(fd);
    uint32_t generation = kq->generation;
    /* Relaxed, both: who finds it through the table still has to take the lock. */
    aptr_store(place(fd), NULL);
    a32_store((uint32_t *)(void *)&kq->fd, (uint32_t)-1);
    kq->generation++;
    mni_claim_all(&kq->waiters, &out);
    mni_notes_free(kq);
    mni_kq_os_close(kq);
    if (kq->sleepers)
        mni_kq_os_ring(kq, true);
    kq->watched = kq->blind = 0;
    kq->sleepers++; /* this one: until the descriptor is closed it is not to be used again */
    mni_lock_drop(&kq->lock);
    mni_wake_all(&out);
    if (f && !closed)
        mni_fd_closing(f, fd);
    if (!closed)
        r = (int)sys(SYS_close, fd);
    if (f && !closed)
        mni_fd_closed(f);
    mni_lock_take(&kq->lock);
    mni_kq_awake(kq, generation);
    return r;
}

bool mni_kq_awake(struct mni_kq *kq, uint32_t generation) {
    kq->sleepers--;
    if (kq->generation == generation)
        return false;
    if (kq->sleepers)
        mni_lock_drop(&kq->lock);
    else
        finish(kq);
    return true;
}

void mni_kq_vanished(struct mni_kq *kq) {
    retire(kq, true);
}

/* A child of vfork closes its own number, but has its parent's memory, and the kqueue in it is the parent's. */
bool mni_kq_other_process(void) {
    return a32_load(&process) != (uint32_t)sys(SYS_getpid); /* relaxed: written before the kqueue was known */
}

int mni_kq_close(int fd) {
    if (mni_kq_other_process())
        return (int)sys(SYS_close, fd);
    struct mni_kq *kq = mni_kq_take(fd);
    return kq ? retire(kq, !mni_kq_os_is(fd)) : -EBADF;
}

/* Descriptors have run out: those of kqueues that were closed behind our back are of no use. */
static bool sweep(void) {
    bool any = false;
    for (int i = 0; i < CHUNKS; i++)
        for (int j = 0; aptr_load_acquire(&chunks[i]) && j < CHUNK; j++) { /* acquire: as in place() */
            struct mni_kq *kq = mni_kq_take(i * CHUNK + j);
            if (!kq)
                continue;
            if (mni_kq_os_is(kq->fd)) {
                mni_lock_drop(&kq->lock);
            } else {
                retire(kq, true);
                any = true;
            }
        }
    return any;
}

static int adopt(int fd) {
    struct mni_kq **p = place_made(fd), *kq = p ? fresh() : NULL;
    if (!kq)
        return -ENOMEM;
    struct mni_kq *old = mni_kq_take(fd);
    if (old)
        retire(old, true);
    mni_lock_take(&kq->lock);
    a32_store((uint32_t *)(void *)&kq->fd, (uint32_t)fd); /* relaxed: as in retire() */
    mni_lock_drop(&kq->lock);
    aptr_store_release(p, kq); /* release: pairs with mni_kq_take */
    return fd;
}

static int make(void) {
    a32_store(&process, (uint32_t)sys(SYS_getpid));
    int fd = mni_kq_os_open();
    if ((fd == -EMFILE || fd == -ENFILE) && sweep())
        fd = mni_kq_os_open();
    if (fd < 0)
        return fd;
    int r = adopt(fd);
    if (r < 0)
        sys(SYS_close, fd);
    return r;
}

MN_EXPORT int mn_kqueue1(int flags) {
    if (flags & ~(O_CLOEXEC | (int)KQUEUE_CLOEXEC))
        return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    int r = make();
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_kqueue(void) {
    return mn_kqueue1(0);
}

void mni_kq_forked(void) {
    lock_reset(&registry);
    mni_kq_os_forked();
    for (int i = 0; i < CHUNKS; i++)
        for (int j = 0; chunks[i] && j < CHUNK; j++) {
            struct mni_kq *kq = chunks[i]->kq[j];
            if (!kq)
                continue;
            chunks[i]->kq[j] = NULL;
            int fd = kq->fd;
            if (fd < 0)
                continue;
            bool closed = !mni_kq_os_is(fd), moving = a32_load(&kq->lock.word) != 0;
            /* First: filters are not to touch what the kernel has for it, since the parent has that, too. */
            kq->fd = -1;
            if (!moving)
                mni_notes_free(kq);
            mni_kq_os_close(kq);
            if (kq->bell >= 0)
                sys(SYS_close, kq->bell);
            if (!closed)
                sys(SYS_close, fd);
            /* The structure is left alone: LWPs that are not here any more were in it. */
        }
}
