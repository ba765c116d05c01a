/*
 * select_case: what the cases of a select do, by kind.
 *
 *     kind             happens when                      to the object
 *     SEND, RECV       mni_chan_try_*_locked             as a send or receive
 *     FUTURE           it is settled                     nothing
 *     EVENT            it is set                         nothing
 *     SEM              there is a unit                   takes it
 *
 * Channels and futures change under their lock.  Events and semaphores have fast paths without it, which their
 * bit QUEUE sends to the lock (waiters.h): so a select that looks at several at one moment sets QUEUE first.
 */
#include "select_case.h"

#include <errno.h>
#include <mn/event.h>
#include <mn/future.h>
#include <mn/sem.h>

#include "sync/future.h"
#include "sync/waiters.h"

static void take_future(struct mn_case *c) {
    c->error = c->future->error;
    if (c->error == 0 && c->data)
        *(void **)c->data = c->future->value;
}

/* Of an event or a semaphore: word and queue. */
static uint32_t *word_of(const struct mn_case *c) {
    return c->kind == MN_CASE_EVENT ? &c->event->word : &c->sem->word;
}

static struct mni_queue *queue_of(const struct mn_case *c) {
    return c->kind == MN_CASE_EVENT ? mni_queue_in(&c->event->queue) : mni_queue_in(&c->sem->queue);
}

bool mni_case_valid(const struct mn_case *c) {
    switch (c->kind) {
    case MN_CASE_NONE:
        return true;
    case MN_CASE_READABLE:
    case MN_CASE_WRITABLE:
        return c->fd >= 0;
    case MN_CASE_SEND:
    case MN_CASE_RECV:
        return c->channel && (c->data || c->channel->size == 0);
    case MN_CASE_FUTURE:
        return c->future != NULL;
    case MN_CASE_EVENT:
        return c->event != NULL;
    case MN_CASE_SEM:
        return c->sem != NULL;
    }
    return false;
}

struct mni_olock *mni_case_lock(const struct mn_case *c) {
    switch (c->kind) {
    case MN_CASE_SEND:
    case MN_CASE_RECV:
        return &c->channel->lock;
    case MN_CASE_FUTURE:
        return &c->future->lock;
    case MN_CASE_EVENT:
        return mni_lock_in(c->event);
    case MN_CASE_SEM:
        return mni_lock_in(c->sem);
    default:
        return NULL;
    }
}

bool mni_case_ready(const struct mn_case *c) {
    switch (c->kind) {
    case MN_CASE_SEND:
    case MN_CASE_RECV:
        return mni_chan_ready(c->channel, c->kind == MN_CASE_SEND);
    case MN_CASE_FUTURE:
        return mni_future_settled(c->future);
    case MN_CASE_EVENT:
        return mn_event_is_set(c->event);
    case MN_CASE_SEM:
        return mn_sem_value(c->sem) > 0;
    default:
        return false;
    }
}

int mni_case_try_locked(struct mn_case *c, struct mni_queue *woken) {
    int r = MNI_CHAN_NOT_NOW;
    switch (c->kind) {
    case MN_CASE_SEND:
        r = mni_chan_try_send_locked(c->channel, c->data, woken);
        break;
    case MN_CASE_RECV:
        r = mni_chan_try_recv_locked(c->channel, c->data, true, woken);
        break;
    case MN_CASE_FUTURE:
        if (mni_future_settled(c->future)) {
            take_future(c);
            return MNI_CHAN_DONE;
        }
        break;
    case MN_CASE_EVENT:
        r = mn_event_is_set(c->event) ? MNI_CHAN_DONE : MNI_CHAN_NOT_NOW;
        break;
    case MN_CASE_SEM:
        r = mni_sem_take(c->sem) ? MNI_CHAN_DONE : MNI_CHAN_NOT_NOW;
        break;
    default:
        break;
    }
    if (r == MNI_CHAN_DONE || r < 0)
        c->error = r < 0 ? r : 0;
    return r < 0 ? MNI_CHAN_DONE : r;
}

/* An unbounded channel that cannot grow has happened, with an error. */
bool mni_case_try(struct mn_case *c) {
    struct mni_olock *lock = mni_case_lock(c);
    for (;;) {
        struct mni_queue woken = {0};
        mni_lock_take(lock);
        int r = mni_case_try_locked(c, &woken);
        mni_lock_drop(lock);
        mni_wake_all(&woken);
        if (r != MNI_CHAN_NO_ROOM)
            return r == MNI_CHAN_DONE;
        c->error = mni_chan_more_room(c->channel);
        if (c->error < 0)
            return true;
    }
}

void mni_case_mark(struct mn_case *c) {
    if (c->kind == MN_CASE_EVENT || c->kind == MN_CASE_SEM)
        mni_bits(word_of(c), 0, MNI_QUEUE);
}

void mni_case_unmark(struct mn_case *c) {
    if ((c->kind == MN_CASE_EVENT || c->kind == MN_CASE_SEM) && mni_queue_empty(queue_of(c)))
        mni_bits(word_of(c), MNI_QUEUE, 0);
}

void mni_case_queue(struct mn_case *c, struct mni_waiter *w) {
    switch (c->kind) {
    case MN_CASE_SEND:
    case MN_CASE_RECV:
        mni_chan_queue(c->channel, w, c->kind == MN_CASE_SEND);
        break;
    case MN_CASE_FUTURE:
        mni_queue_append(&c->future->waiters, w);
        break;
    case MN_CASE_EVENT:
    case MN_CASE_SEM:
        mni_queue_append(queue_of(c), w);
        break;
    default:
        break;
    }
}

void mni_case_leave(struct mn_case *c, struct mni_waiter *w) {
    struct mni_olock *lock = mni_case_lock(c);
    if (!lock)
        return;
    mni_lock_take(lock);
    if (c->kind == MN_CASE_SEND || c->kind == MN_CASE_RECV) {
        mni_chan_unqueue(c->channel, w, c->kind == MN_CASE_SEND);
    } else {
        mni_leave_queue(c->kind == MN_CASE_FUTURE ? &c->future->waiters : queue_of(c), w);
        mni_case_unmark(c);
    }
    mni_lock_drop(lock);
}

void mni_case_finish(struct mn_case *c, int woken) {
    c->error = woken == MNI_WOKEN_CLOSED ? -EPIPE : 0;
    if (c->kind == MN_CASE_FUTURE)
        take_future(c);
    else if (woken == MNI_WOKEN_COMING)
        mni_chan_arrive(c->channel, c->kind == MN_CASE_SEND);
}
