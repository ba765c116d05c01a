/*
 * chan: a channel from inside, for chan.c (send, receive, close), chan_buffer.c (memory) and select.c.
 *
 * Everything here is guarded by the channel's lock; count and flags may also be looked at without it, as a
 * hint.
 */
#ifndef MNI_CHAN_H
#define MNI_CHAN_H

#include <mn/chan.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "atomic.h"
#include "select.h"
#include "sync/olock.h"
#include "wait/wait.h"

/* flags: what makes a send or receive more than a copy */
enum {
    MNI_CHAN_CLOSED = 1,
    MNI_CHAN_RECEIVERS = 2, /* the queue of receivers is not empty */
    MNI_CHAN_SENDERS = 4,   /* the queue of senders is not empty */
    MNI_CHAN_R_COMING = 8,  /* as many receivers are on their way as can run at once: no need to wake another */
    MNI_CHAN_S_COMING = 16, /* the same of senders */
};

#define MNI_CHAN_ENDLESS UINT64_MAX /* capacity of an unbounded channel */

/* A piece of an unbounded channel's memory. */
struct mni_segment {
    struct mni_segment *next;
    _Alignas(16) char data[];
};

struct mn_chan {
    /* The first line: all that a send or receive touches that need not wait. */
    struct mni_olock lock;
    uint32_t flags;
    uint64_t count; /* elements in the buffer */
    uint64_t capacity;
    uint32_t size;                /* of an element */
    uint32_t slots;               /* in the ring, or in each segment */
    uint32_t put_left, take_left; /* slots up to the end of it; 0: mni_chan_advance_* first */
    char *put, *take;             /* where the next element goes, and comes from */
    char *ring;                   /* bounded: the first slot, behind the channel */
    /* The second. */
    struct mni_queue receivers, senders;
    uint32_t receivers_coming, senders_coming; /* on their way, see chan.c */
    struct mni_segment *first, *last, *spare;  /* unbounded: taken from, put to, kept for later */
    void *memory;                              /* what the channel and its ring lie in */
};

_Static_assert(offsetof(struct mn_chan, receivers) == 64, "a channel's first line");

/* chan_buffer.c: a new channel with the size and capacity of `like`, which is zero otherwise.  NULL: no memory. */
struct mn_chan *mni_chan_new(const struct mn_chan *like);
void mni_chan_free(struct mn_chan *ch);

/*
 * With put_left or take_left == 0: goes on at the next slot.  put: false if an unbounded channel needs a
 * segment.
 */
bool mni_chan_advance_put(struct mn_chan *ch);
void mni_chan_advance_take(struct mn_chan *ch);

/* Sees to it that the next put has room: 0 or -ENOMEM.  Takes the lock itself. */
int mni_chan_more_room(struct mn_chan *ch);

static inline void mni_chan_copy(const struct mn_chan *ch, void *to, const void *from) {
    if (__builtin_expect(ch->size == 8, 1)) {
        memcpy(to, from, 8);
        return;
    }
    /* Other sizes that many channels have, without a call. */
    switch (ch->size) {
    case 0:
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    case 1:
        memcpy(to, from, 1);
        break;
    default:
        memcpy(to, from, ch->size);
    }
}

/* Puts an element into the buffer, which is not full; put_left is not 0 unless elements have no size. */
static inline void mni_chan_put(struct mn_chan *ch, const void *element) {
    mni_chan_copy(ch, ch->put, element);
    ch->put += ch->size;
    ch->put_left--;
    a64_store(&ch->count, ch->count + 1); /* relaxed: with mni_chan_ready and mn_chan_len, hints */
}

/* Takes the oldest out, which is there; take_left as above. */
static inline void mni_chan_take(struct mn_chan *ch, void *element) {
    mni_chan_copy(ch, element, ch->take);
    ch->take += ch->size;
    ch->take_left--;
    a64_store(&ch->count, ch->count - 1); /* relaxed: as above */
}

static inline void mni_chan_flag(struct mn_chan *ch, uint32_t set, uint32_t clear) {
    a32_store(&ch->flags, (ch->flags & ~clear) | set); /* relaxed: with mni_chan_ready, a hint */
}

enum mni_chan_try {
    MNI_CHAN_NOT_NOW = 0,
    MNI_CHAN_DONE = 1,
    MNI_CHAN_NO_ROOM = 2, /* an unbounded channel: call mni_chan_more_room, then try again */
};

/*
 * Sends or receives without waiting, with the lock held: enum mni_chan_try, or -EPIPE.  Whoever is to be woken
 * for it, is claimed and appended to *woken: mni_wake_all when all locks are dropped.  eager: does so as well
 * where a waiting sender's element could be left to those who are on their way.
 */
int mni_chan_try_send_locked(struct mn_chan *ch, const void *element, struct mni_queue *woken);
int mni_chan_try_recv_locked(struct mn_chan *ch, void *element, bool eager, struct mni_queue *woken);

/* Without the lock: whether the above would perhaps succeed. */
bool mni_chan_ready(const struct mn_chan *ch, bool send);

/* Puts a waiter into a queue of the channel, or takes it out if it still is there; the lock is held. */
void mni_chan_queue(struct mn_chan *ch, struct mni_waiter *w, bool send);
void mni_chan_unqueue(struct mn_chan *ch, struct mni_waiter *w, bool send);

/* What a waiter that was woken with MNI_WOKEN_COMING does when it runs.  Takes the lock. */
void mni_chan_arrive(struct mn_chan *ch, bool send);

#endif
