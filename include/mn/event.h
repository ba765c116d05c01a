/* mn/event.h: events: a switch that threads wait for. */
#ifndef MN_EVENT_H
#define MN_EVENT_H

#include <mn/object.h>
#include <mn/time.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_event {
    uint32_t word, lock;
    struct mn_waiters queue;
};

#define MN_EVENT_INIT {0, 0, {0, 0}}

/* Makes an event that is not set, as {0} is.  Contexts: any. */
void mn_event_init(struct mn_event *event);

/* -EBUSY: threads wait; it stays valid.  Contexts: any. */
int mn_event_destroy(struct mn_event *event);

/*
 * Sets it: all who wait go on, and any of them may destroy the event; who waits later does not have to, until
 * it is reset.  Returns whether it was set before.  Contexts: any.
 */
bool mn_event_set(struct mn_event *event);
bool mn_event_reset(struct mn_event *event);

/* Contexts: any, signal. */
bool mn_event_is_set(const struct mn_event *event);

/* Waits until it is set.  -ETIMEDOUT; -ECANCELED (also when it is set).  Contexts: any. */
int mn_event_wait(struct mn_event *event);
int mn_event_wait_until(struct mn_event *event, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
