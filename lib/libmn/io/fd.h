/*
 * fd: what the runtime knows of each descriptor, by its number; see fd.c.
 */
#ifndef MNI_IO_FD_H
#define MNI_IO_FD_H

#include <stdbool.h>
#include <sys/syscall.h>

#include "atomic.h"
#include "pollset.h"
#include "sys.h"
#include "wait/many.h"
#include "wait/wait.h"

enum { MNI_READ = 0, MNI_WRITE = 1 }; /* directions: indices */

enum {
    MNI_FD_OURS = 1,   /* made by us or given to us: O_NONBLOCK is set, and it is closed by mn_close */
    MNI_FD_SOCKET = 2, /* of ours; otherwise that it was a socket the last time */
    MNI_FD_STREAM = 4, /* of ours, bytes without boundaries: a short transfer means that nothing is left, or no room */
    MNI_FD_MORE = 8,   /* no longer so for reads: its end, an error, or urgent data was seen */
    MNI_FD_ARMED = 16, /* not of ours; it has been in the set */
    MNI_FD_OTHER = 32, /* not of ours; it was no socket the last time */
    MNI_FD_KQUEUE = 64, /* a kqueue's: threads wait in it, too (kqueue/kevent.c) */
};

/* word[]: MNI_FD_READY, and above it a count of events. */
enum { MNI_FD_READY = 1, MNI_FD_EVENT = 2 };

struct mni_fd {
    struct mni_olock lock;
    uint32_t generation;       /* of the number's use; changed under the lock */
    /* For each direction; READY is cleared without the lock, all else happens under it. */
    uint32_t word[2];
    uint32_t flags;            /* changed under the lock */
    uint32_t epoch;            /* the set in which it is for all changes; 0: in none, or for one event */
    struct mni_queue queue[2]; /* who waits; guarded by the lock */
    uint32_t turn;             /* who has it may look, and call if that will not block (mni_fd_turn); atomic */
    /* 1 << direction: somebody may be in that queue; set under the lock, read without. */
    uint32_t queued;
};
_Static_assert(sizeof(struct mni_fd) == 64, "a cache line");

/* The entry of a number; NULL: it is negative (or beyond what can be a descriptor), or there is no memory:
 * *error. */
struct mni_fd *mni_fd_get(int fd, int *error);
/* The same if it was asked for before. */
enum { MNI_FD_CHUNK_BITS = 12, MNI_FD_CHUNK = 1 << MNI_FD_CHUNK_BITS };
extern struct mni_fd **mni_fd_directory __attribute__((visibility("hidden")));
static inline struct mni_fd *mni_fd_find(int fd) {
    /* Acquire, both: pair with the releases of grow(). */
    struct mni_fd **d = aptr_load_acquire(&mni_fd_directory);
    if (__builtin_expect(!d || fd < 0, 0))
        return NULL;
    struct mni_fd *c = aptr_load_acquire(&d[(unsigned)fd >> MNI_FD_CHUNK_BITS]);
    return c ? c + ((unsigned)fd & (MNI_FD_CHUNK - 1)) : NULL;
}

/*
 * A descriptor that is ours from now on; flags: SOCKET, STREAM.  -ENOMEM: it is still the caller's alone.
 */
int mni_fd_made(int fd, unsigned flags);

/*
 * Inside the runtime: blocks until the direction of a descriptor may be ready.  What the caller knows of it:
 * generation, and the word, which it has read before the call that failed.  again: it has come back from here
 * and found nothing; what was there already is not waited for.  0, or the errors of mni_poll_wait.
 */
int mni_fd_wait(struct mni_fd *f, int fd, unsigned direction, uint32_t generation, int64_t deadline,
                bool again);

/* Nothing is left in that direction, unless an event has come since the word was read. */
static inline void mni_fd_drained(struct mni_fd *f, unsigned direction, uint32_t seen) {
    if (seen & MNI_FD_READY)
        mni_cas32(&f->word[direction], seen, seen & ~(uint32_t)MNI_FD_READY); /* full; pairs with that of an event */
}

/* The caller leaves; if the direction is still ready, the next who waits is to try. */
void mni_fd_pass_on_slow(struct mni_fd *f, unsigned direction);
static inline void mni_fd_pass_on(struct mni_fd *f, unsigned direction) {
    /* Relaxed: one that queues now has seen READY under the lock, and does not wait. */
    if (__builtin_expect(a32_load(&f->queued) & 1u << direction, 0) &&
        a32_load(&f->word[direction]) & MNI_FD_READY)
        mni_fd_pass_on_slow(f, direction);
}

/*
 * Outside the runtime, since what poll(2) says may not be so any more: the call may block, if another process
 * was faster, or the device has less room than was said.  One at a time has the turn of a direction; false:
 * somebody has it, and the caller is to wait, as after -EAGAIN.  It is woken when the turn is over.  Without a
 * runtime it waits for that here.
 */
bool mni_fd_turn(struct mni_fd *f, unsigned direction, int64_t deadline);
void mni_fd_turn_over(struct mni_fd *f, unsigned direction);

/*
 * One who waits for several things (many.h) has two waiters for each descriptor, whose data is the address of
 * its mni_many.  0: the waiters are queued, for MNI_READY_* or, if that is 0, for errors; 1: it has changed
 * since its words were read; or a negative errno.  Both inside the runtime.
 */
int mni_fd_begin_many(struct mni_fd *f, int fd, uint32_t generation, const uint32_t seen[2],
                      struct mni_waiter w[2], unsigned what);
void mni_fd_end_many(struct mni_fd *f, struct mni_waiter w[2]);

/* By poll(2): blocks the LWP until it is ready for one of `what` (MNI_POLL_*): 0, or a negative errno. */
int mni_fd_plain_wait(int fd, unsigned what, int64_t deadline);
/* Until something changes after the last time that the same call came here; the first time it returns at once:
 * the caller is to try.  -EMFILE and the like, too.  Ended by `done`, which is harmless otherwise. */
int mni_fd_plain_change(int fd, int64_t deadline);
void mni_fd_plain_done(void);
/* Whether it is at this moment: 1, 0, or a negative errno. */
int mni_fd_look(int fd, unsigned what);

/* Before and after the descriptor is closed: who waits for it leaves. */
void mni_fd_closing(struct mni_fd *f, int fd);
void mni_fd_closed(struct mni_fd *f);

/* Events: wakes who waits.  cpu: the caller's, inside the runtime; NULL: it has none. */
struct mni_cpu;
void mni_fd_events(struct mni_cpu *cpu, const struct mni_ready *events, int n);

/* The next time that a kqueue's descriptor is readable, mni_kq_event is called.  0; -ENOMEM and the like. */
int mni_fd_watch(int fd);

/* All who wait, for whatever descriptor, try again: the set has gone. */
void mni_fd_wake_all(void);
void mni_fd_forked(void);

/* Of a variable, by the attribute cleanup: a descriptor that a call has made goes if the caller was killed and
 * does not come back from the end of the call. */
static inline void mni_fd_not_returned(int *fd) {
    if (*fd >= 0)
        sys(SYS_close, *fd);
}

#endif
