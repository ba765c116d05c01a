/*
 * kq: a kqueue and its notes; see kqueue.c (life), kevent.c (changes, events, waiting).
 *
 * A note is what one (ident, filter) of a kqueue watches.  Everything below is guarded by the kqueue's lock,
 * which is held over system calls that do not block, but never across a switch.  Memory of kqueues is never
 * freed: who finds one by a descriptor's number takes its lock and then looks whether it still has that number.
 */
#ifndef MNI_KQ_H
#define MNI_KQ_H

#include <mn/sys/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "wait/wait.h"

struct mni_kq;
struct mni_note;

enum {
    MNI_NOTE_ACTIVE = 1,   /* in the kqueue's list: to be looked at by the next who wants events */
    MNI_NOTE_DISABLED = 2,
    MNI_NOTE_SOURCE = 4,   /* counted in kq->sources: its events come by the descriptor */
    MNI_NOTE_FORCED = 8,   /* EV_FORCEONESHOT */
};

/* What a filter does.  All are called with the lock held; NULL where there is nothing to do. */
struct mni_filter {
    /* A new note; n->ev has the change.  0 or a negative errno: then the note is freed without detach. */
    int (*attach)(struct mni_kq *kq, struct mni_note *n);
    void (*detach)(struct mni_kq *kq, struct mni_note *n);
    /* Another change of it; add: it has EV_ADD.  0 or a negative errno; MNI_NOTE_STALE: see below. */
    int (*touch)(struct mni_kq *kq, struct mni_note *n, const struct kevent *change);
    /* It was enabled or disabled (state says so).  0, a negative errno, MNI_NOTE_STALE. */
    int (*enable)(struct mni_kq *kq, struct mni_note *n);
    /*
     * It is active: is there something to report?  Fills in flags, fflags and data of *e, which is a copy of
     * n->ev.  After true, the note is reported for sure; with EV_CLEAR its state is reset by this.
     */
    int (*report)(struct mni_kq *kq, struct mni_note *n, struct kevent *e);
    /* For filters whose ident is a descriptor: 0; -EBADF, -ENOENT: the number names nothing, or something
     * else by now. */
    int (*gone)(const struct mni_kq *kq, const struct mni_note *n);
};

/* Answers of report. */
enum {
    MNI_REPORT_NO = 0,    /* not active any more; it will say so when it is again */
    MNI_REPORT_YES = 1,
    MNI_REPORT_AGAIN = 2, /* and it still is active, unless EV_CLEAR */
    MNI_REPORT_GONE = 3,  /* what it watched has gone: the note goes without a word */
    MNI_REPORT_LAST = 4,  /* yes, for the last time: the note goes then */
};
/* What touch and enable return when the descriptor's number names something else by now. */
enum { MNI_NOTE_STALE = 1 };

struct mni_note {
    struct mni_note *next; /* in the hash chain */
    struct list active;    /* in kq->active */
    struct kevent ev;      /* as it was added; flags without the actions */
    const struct mni_filter *filter;
    uint32_t state;
    uint32_t slot; /* its place in kq->slots, 0: none */
    struct {
        uint8_t kind;   /* os/: what the descriptor is */
        uint8_t set;    /* which of the sets it is in; 0: none */
        uint16_t armed; /* the events that it is registered for */
        uint16_t seen;  /* what was last reported */
    } fd;
    union {
        struct {
            uint32_t triggered;
        } user;
        struct {
            int64_t deadline, period; /* period 0: once */
            uint64_t count;
            uint32_t index; /* in kq->heap + 1; 0: it is not */
        } timer;
        struct {
            int fd;        /* -1: the process had gone before it was looked at */
            bool told;     /* what it does is told; over: also that it has ended, with status */
            bool over;
            uint32_t came; /* NOTE_*, to be reported */
            int parent, status;
        } proc;
        struct { /* also of READ notes on files */
            struct list link; /* in kq->vnodes */
            uint64_t device, inode, links;
            int64_t size;
            int watch;
            uint32_t came;
            /* Of a directory whose end is to be told: the one that it is in; watch -1: not known. */
            struct {
                uint64_t device, inode;
                int watch;
            } up;
        } vnode;
        struct {
            struct list link; /* in kq->signals */
            uint64_t seen, count;
        } signal;
    };
};

/* Where events of descriptors are told to belong: by number and generation. */
struct mni_slot {
    struct mni_note *note; /* NULL: free; next free one is generation's neighbour */
    uint32_t generation;
    uint32_t next_free;
};

struct mni_kq {
    struct mni_olock lock;
    uint32_t generation; /* of the structure's use: changes when it is closed */
    int fd;              /* -1: closed.  Read without the lock by a fork's child */
    struct list active;
    uint32_t count;      /* of the notes in it; read without the lock by who watches this kqueue (relaxed) */
    uint32_t sources;    /* notes whose events come by the descriptor */
    uint32_t scan;       /* calls since the kernel was last asked */
    bool stirred;        /* the descriptor was readable: it is to be asked in any case */
    uint32_t sleepers;   /* LWPs that wait in the kernel */
    struct mni_queue waiters; /* green and bound threads that wait */
    uint32_t blind;      /* some of them began when there were no sources */
    /* The runtime's set has the descriptor, and will have its next event: the set's epoch; 0: not. */
    uint32_t watched;
    uint32_t changes;    /* counts: the first timer has become another */
    bool retime;         /* and those who wait do not know */
    bool rung;           /* the bell is readable */
    int bell;            /* -1: none */
    int timer_fd;        /* -1: none */
    int second;          /* -1: none; os/: the set for a second note on a descriptor */
    int files;           /* -1: none; os/: what tells of files */
    int connector;       /* -1: none; os/: what tells of processes */
    uint32_t connected;  /* notes that it is there for */
    struct list vnodes;  /* notes on files */
    struct list signals; /* notes on signals */
    int64_t armed;       /* what timer_fd is set to */

    struct mni_note **hash;
    uint32_t hash_mask, notes;
    struct mni_slot *slots; /* [1..nslots): 0 is none */
    uint32_t nslots, free_slot;
    struct mni_note **heap; /* timers, the earliest first */
    uint32_t timers, heap_room;
    struct mni_kq *next_free;
};

extern const struct mni_filter mni_filter_user, mni_filter_timer;

/* The kqueue of a descriptor, locked; NULL: it is none. */
struct mni_kq *mni_kq_take(int fd);
static inline void mni_kq_drop(struct mni_kq *kq) {
    mni_lock_drop(&kq->lock);
}
/* Its descriptor, which somebody waits for, is readable.  Inside the runtime, or a foreign LWP. */
void mni_kq_event(int fd);
/* How many events wait in a kqueue that may be closed any time; 0 also if fd is none. */
uint32_t mni_kq_pending(int fd);

/* Closes a kqueue and its descriptor: 0; -EBADF: fd is none.  Inside the runtime. */
int mni_kq_close(int fd);
/* Whether a number is a kqueue's: a hint, without a lock.  Contexts: any, signal. */
bool mni_kq_is(int fd);
/* Whether the caller is a child of vfork, which has its parent's memory.  Contexts: any, signal. */
bool mni_kq_other_process(void);
/* Its descriptor is not its own any more.  The lock is held, and dropped. */
void mni_kq_vanished(struct mni_kq *kq);
/* A sleeper in the kernel comes back; true: the kqueue was closed meanwhile.  The lock is held, and dropped
 * if true. */
bool mni_kq_awake(struct mni_kq *kq, uint32_t generation);

/* note.c: notes of a kqueue. */
struct mni_note *mni_note_find(struct mni_kq *kq, uintptr_t ident, int filter);
struct mni_note *mni_note_make(struct mni_kq *kq, const struct kevent *change);
/* Detaches (if it was attached), takes it out of everything and frees it. */
void mni_note_drop(struct mni_kq *kq, struct mni_note *n, bool attached);
/* A tag for os/; 0: no memory.  mni_note_of: the note of a tag, NULL if it has gone. */
uint64_t mni_note_tag(struct mni_kq *kq, struct mni_note *n);
struct mni_note *mni_note_of(struct mni_kq *kq, uint64_t tag);
void mni_notes_free(struct mni_kq *kq);

static inline void mni_note_activate(struct mni_kq *kq, struct mni_note *n) {
    if (n->state & (MNI_NOTE_ACTIVE | MNI_NOTE_DISABLED))
        return;
    n->state |= MNI_NOTE_ACTIVE;
    list_append(&kq->active, &n->active);
    a32_store(&kq->count, kq->count + 1);
}
static inline void mni_note_calm(struct mni_kq *kq, struct mni_note *n) {
    if (!(n->state & MNI_NOTE_ACTIVE))
        return;
    n->state &= ~(uint32_t)MNI_NOTE_ACTIVE;
    list_remove(&n->active);
    a32_store(&kq->count, kq->count - 1);
}
/* Its events come by the descriptor, or no longer. */
static inline void mni_note_source(struct mni_kq *kq, struct mni_note *n, bool is) {
    bool was = n->state & MNI_NOTE_SOURCE;
    if (is == was)
        return;
    n->state ^= MNI_NOTE_SOURCE;
    kq->sources += is ? 1u : (uint32_t)-1;
}

/* kq_timer.c: makes the timers active that are due, and sets the descriptor's.  When the next is due:
 * MN_FOREVER: none. */
int64_t mni_kq_timers_run(struct mni_kq *kq);

#endif
