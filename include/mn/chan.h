/*
 * mn/chan.h: channels, and waiting for several things at once.
 *
 * A channel carries elements of one size from senders to receivers, any number of each, in the order in which
 * they were sent.  A bounded one holds capacity elements and lets senders wait while it is full; with capacity
 * 0 a send is complete only when a receiver has taken the element (rendezvous); an unbounded one grows.
 */
#ifndef MN_CHAN_H
#define MN_CHAN_H

#include <mn/thread.h>
#include <mn/time.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_chan;
struct mn_event;
struct mn_future;
struct mn_sem;

#define MN_CHAN_UNBOUNDED ((size_t)-1)

/*
 * Makes a channel for elements of element_size bytes (0: what is sent says only that something happened).
 *   -EINVAL   channel is NULL, element_size does not fit into 30 bits
 *   -ENOMEM   no memory; a bounded channel has all its memory from now on
 * Contexts: any.
 */
int mn_chan_create(struct mn_chan **channel, size_t element_size, size_t capacity);

/*
 * Frees the channel and what is in it.  The caller makes sure that nobody uses it any more.
 *   -EBUSY    threads wait on it, or were woken a moment ago and have not yet returned: nothing was done
 *   -EINVAL   channel is NULL
 * Contexts: any.
 */
int mn_chan_destroy(struct mn_chan *channel);

/*
 * Sends the element that lies at `element`, waiting while the channel is full.  What one sender sends in order
 * is received in order.  The thread that receives it sees everything that the sender did before.
 *   -EPIPE      the channel is closed
 *   -EAGAIN     try_send: it is full (rendezvous: no receiver waits)
 *   -ETIMEDOUT  send_until: at the deadline it was still full
 *   -ECANCELED  see mn/cancel.h (not try_send)
 *   -ENOMEM     an unbounded channel cannot grow
 *   -EINVAL     channel is NULL; element is NULL and elements have a size
 * In all these cases the element was not sent.  Contexts: any.
 */
int mn_chan_send(struct mn_chan *channel, const void *element);
int mn_chan_send_until(struct mn_chan *channel, const void *element, int64_t deadline);
int mn_chan_try_send(struct mn_chan *channel, const void *element);

/*
 * Receives the oldest element into *element (element_size bytes), waiting while there is none.
 *   -EPIPE      the channel is closed, and nothing is left in it
 *   -EAGAIN     try_recv: it is empty (rendezvous: no sender waits)
 *   -ETIMEDOUT  recv_until: at the deadline it was still empty
 *   -ECANCELED  see mn/cancel.h (not try_recv)
 *   -EINVAL     channel is NULL; element is NULL and elements have a size
 * In all these cases *element is untouched.  Contexts: any.
 */
int mn_chan_recv(struct mn_chan *channel, void *element);
int mn_chan_recv_until(struct mn_chan *channel, void *element, int64_t deadline);
int mn_chan_try_recv(struct mn_chan *channel, void *element);

/*
 * Ends sending: everyone who waits is woken, senders get -EPIPE now and from now on, receivers when nothing is
 * left.
 *   -EALREADY   it was closed before
 *   -EINVAL     channel is NULL
 * Contexts: any.
 */
int mn_chan_close(struct mn_chan *channel);

/*
 * Elements in the channel, a moment ago; how many it holds, MN_CHAN_UNBOUNDED.  0 for NULL.  Contexts: any,
 * signal.
 */
size_t mn_chan_len(const struct mn_chan *channel);
size_t mn_chan_capacity(const struct mn_chan *channel);

/* What mn_select can wait for. */
enum mn_case_kind {
    MN_CASE_NONE = 0, /* never happens: a case that is switched off */
    MN_CASE_SEND,     /* the channel can be sent to: *data was sent; error -EPIPE: it is closed, -ENOMEM */
    MN_CASE_RECV,     /* the channel can be received from: into *data; error -EPIPE: it is closed and empty */
    MN_CASE_FUTURE,   /* the future has its value, for *(void **)data unless data is NULL; error: it failed */
    MN_CASE_EVENT,    /* the event is set; that stays as it is */
    MN_CASE_SEM,      /* the semaphore has a unit, which was taken */
    /* The descriptor can be read from, or its end or an error is there; error -EBADF: it is not open, or was closed
     * by mn_close, or adopted.  Nothing was read or written, by either. */
    MN_CASE_READABLE,
    MN_CASE_WRITABLE, /* it can be written to, or has an error */
};

struct mn_case {
    enum mn_case_kind kind;
    int error; /* set in the case that happened, 0 or a negative errno */
    union {
        struct mn_chan *channel;
        struct mn_future *future;
        struct mn_event *event;
        struct mn_sem *sem;
        int fd;
    };
    void *data; /* what a send sends is not changed */
};

/*
 * Waits until one of n cases can happen, makes it happen, and returns its index; no other case has any effect.
 * If several can, each of them is as likely.  One object may stand in several cases.  What a case names has to
 * be there until the call returns.
 *   -ETIMEDOUT  at the deadline none could (with one that has passed, such as 0: none can at this moment)
 *   -ECANCELED  see mn/cancel.h
 *   -ENOMEM     no memory for that many cases (it is kept: a thread that selects again needs no more)
 *   -EMFILE, -ENFILE, -ENOSPC   what is needed to wait for descriptors cannot be had
 *   -EPERM      a descriptor is of a kind that cannot be waited for
 *   -EINVAL     n is negative or above 1 << 24; a kind that does not exist; an object that is NULL; data is
 *               NULL and elements have a size
 * With no cases, or only MN_CASE_NONE, it waits for the deadline.  Contexts: any.
 */
int mn_select(struct mn_case *cases, int n, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
