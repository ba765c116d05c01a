/*
 * statem: state machines (mn/statem.h): a handler whose memory begins with what is needed to find the state's
 * callbacks.
 *
 * A postponed message is kept in a list until the state has changed; then all of that list are offered to the
 * new state, the oldest first, before the next message from the mailbox; those that are postponed again, or
 * follow a second change, wait in turn. The state's timeout is a timer of its own: its message is recognised by
 * the reference, so that one which was on its way when the state changed is dropped.
 */
#include <errno.h>
#include <mn/statem.h>
#include <stdlib.h>
#include <string.h>

#include "boundary.h"
#include "export.h"
#include "fault.h"
#include "freed.h"

struct mn_statem_late {
    struct mn_statem_late *next;
    struct mn_msg *msg;
};

/* The machine whose callback runs, by the process that runs it: in its dictionary. */
static const char key_object;
#define KEY ((uint64_t)(uintptr_t)&key_object)

static void *data_of(struct mn_statem_head *h) {
    return h + 1;
}

static const struct mn_state *state_of(const struct mn_statem_head *h) {
    return &h->machine->states[h->state];
}

static void forget_timeout(struct mn_statem_head *h) {
    if (h->timer)
        mn_cancel_timer(h->timer);
    h->timer = 0;
}

/* Follows what a callback has returned; a state's enter may change it again. */
MNI_THROUGH static int follow(struct mn_statem_head *h, int r) {
    while (r >= MN_TO_FIRST) {
        if ((unsigned)(r - MN_TO_FIRST) >= h->machine->nstates)
            return -EINVAL;
        forget_timeout(h);
        h->state = (unsigned)(r - MN_TO_FIRST);
        h->changed = 1;
        int (*enter)(void *) = state_of(h)->enter;
        r = enter ? enter(data_of(h)) : MN_GO_ON;
    }
    return r == MN_POSTPONE ? -EINVAL : r;
}

static int postpone(struct mn_statem_head *h, struct mn_msg *m, bool kept) {
    struct mn_statem_late *l = fault("malloc") ? NULL : mn_alloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    int r = kept ? 0 : mn_msg_keep(m);
    if (r < 0) {
        mn_free(l);
        return r;
    }
    l->next = NULL;
    l->msg = m;
    *h->late_end = l;
    h->late_end = &l->next;
    return MN_GO_ON;
}

/* kept: the message is ours to release. */
MNI_THROUGH static int event(struct mn_statem_head *h, struct mn_msg *m, bool kept) {
    const struct mn_state *s = state_of(h);
    int r = s->event ? s->event(data_of(h), m) : MN_GO_ON;
    if (r == MN_POSTPONE)
        return postpone(h, m, kept);
    if (kept)
        mn_msg_free(m);
    return follow(h, r);
}

/* After a change: all that were postponed, once. */
MNI_THROUGH static int again(struct mn_statem_head *h) {
    int r = MN_GO_ON;
    while (r == MN_GO_ON && h->changed && h->late) {
        struct mn_statem_late *l = h->late;
        h->changed = 0;
        h->late = NULL;
        h->late_end = &h->late;
        while (l && r == MN_GO_ON && !h->changed) {
            struct mn_statem_late *next = l->next;
            r = event(h, l->msg, true);
            mn_free(l);
            l = next;
        }
        if (!l)
            continue;
        /* The state has changed in between: those that are left come after those that were postponed again
         * just now. */
        *h->late_end = l;
        while (*h->late_end)
            h->late_end = &(*h->late_end)->next;
    }
    h->changed = 0;
    return r;
}

MN_EXPORT MNI_THROUGH int mn_statem_init(void *state) {
    struct mn_statem_head *h = state;
    h->late_end = &h->late;
    int r = mn_put(KEY, h);
    if (r < 0)
        return r;
    r = follow(h, MN_TO(0));
    h->changed = 0;
    return r;
}

MN_EXPORT MNI_THROUGH int mn_statem_message(void *state, struct mn_msg *m) {
    struct mn_statem_head *h = state;
    int r;
    if (m->type != MN_MSG_TIMEOUT || m->tag != KEY) {
        r = event(h, m, false);
    } else if (m->ref != h->timer) {
        return MN_GO_ON;
    } else {
        int (*timeout)(void *) = state_of(h)->timeout;
        h->timer = 0;
        r = follow(h, timeout ? timeout(data_of(h)) : MN_GO_ON);
    }
    return r == MN_GO_ON ? again(h) : r;
}

MN_EXPORT MNI_THROUGH void mn_statem_terminate(void *state, int64_t reason) {
    struct mn_statem_head *h = state;
    forget_timeout(h);
    if (h->machine->terminate)
        h->machine->terminate(data_of(h), reason);
}

MN_EXPORT int mn_spawn_statem(mn_pid *pid, const struct mn_statem *machine, const void *init, size_t size,
                              const struct mn_spawn_attr *opt) {
    const size_t head = sizeof(struct mn_statem_head);
    if (!machine || !machine->states || machine->nstates == 0 || machine->handler.state_size < head ||
        size > machine->handler.state_size - head || (size && !init))
        return -EINVAL;
    char *bytes MNI_FREED = fault("malloc") ? NULL : calloc(1, head + size);
    if (!bytes)
        return -ENOMEM;
    ((struct mn_statem_head *)(void *)bytes)->machine = machine;
    if (size)
        memcpy(bytes + head, init, size);
    return mn_spawn_handler(pid, &machine->handler, bytes, head + size, opt);
}

MN_EXPORT int mn_state_timeout(int64_t deadline) {
    struct mn_statem_head *h = mn_get(KEY);
    if (!h)
        return -EPERM;
    forget_timeout(h);
    return deadline == MN_FOREVER ? 0 : mn_start_timer(mn_pid_self(), deadline, KEY, &h->timer);
}

MN_EXPORT int mn_state_now(void) {
    const struct mn_statem_head *h = mn_get(KEY);
    return h ? (int)h->state : -EPERM;
}
