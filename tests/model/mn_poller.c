/*
 * The role of the poller (lib/libmn/io/poller.c), every order of steps.
 *
 * Two workers fall asleep, one of them in the set of descriptors.  A thread waits for a descriptor all the
 * time, and an LWP that is no worker looks for events, too.
 *   pushes   somebody pushes a thread into the inbox of each worker, and rouses it; no event comes.  Both have to get theirs.
 *   events   nobody pushes anything; a descriptor is ready some time.  The event has to be fetched.
 *   both     a worker that has got its thread is busy, and looks now and then.
 */
#include <stdbool.h>

#include "explore.h"

enum { FIRST, SECOND, PUSHER, PUSHER2, LOOKER, EVENT, ALL };
enum pc { W_TAKE, W_IDLE, W_LOOK, W_MISSING, W_SLEEP, W_AWAKE, W_READ, W_RELEASE, W_INBOX, W_BUSY,
          P_PUSH, P_SWAP, P_RING, P_WAKE, L_TAKE, L_LOOK, L_RELEASE, L_IDLERS, E_COME, END };
enum {
    GOOD,
    FUTEX_ONLY,   /* who rouses does not ring */
    READ_LATE,    /* the ring is read after the role was given back */
    ANYBODY_READS, /* the other LWP looks without the role, and reads the ring */
    NO_MISSING,   /* a worker goes to sleep without looking whether anybody has the role */
    NO_ROUSE,     /* the other LWP wakes nobody after it had the role */
};

struct process {
    uint8_t pc, polls, target, how;
};
struct state {
    uint8_t role, ring, event, fetched, idle[2], woken[2], inbox[2], got[2];
    struct process p[ALL];
};

static int broken;
static bool pushes, events;

static void leave(struct state *s, int i) {
    s->idle[i] = 0;
    if (s->p[i].polls)
        s->role = 0;
    s->p[i].polls = 0;
}

static void fetch(struct state *s) {
    s->fetched |= s->event;
    s->event = 0;
}

static enum outcome worker(struct state *s, int i) {
    struct process *p = &s->p[i];
    switch (p->pc) {
    case W_TAKE:
        s->woken[i] = 0; /* the futex's value is read: a wake-up from here on counts */
        p->polls = !s->role && !s->fetched; /* nobody waits for a descriptor after that */
        s->role |= p->polls;
        p->pc = W_IDLE;
        break;
    case W_IDLE:
        s->idle[i] = p->polls ? 2 : 1;
        p->pc = W_LOOK;
        break;
    case W_LOOK:
        p->pc = W_MISSING;
        if (s->inbox[i]) {
            leave(s, i);
            p->pc = W_INBOX;
        }
        break;
    case W_MISSING:
        p->pc = W_SLEEP;
        if (!p->polls && !s->role && !s->fetched && broken != NO_MISSING) {
            leave(s, i);
            p->pc = W_TAKE;
        }
        break;
    case W_SLEEP:
        if (p->polls ? !s->ring && !s->event : !s->woken[i])
            return s->fetched && !pushes ? STEP_FINISHED : STEP_BLOCKED;
        p->pc = W_AWAKE;
        break;
    case W_AWAKE:
        s->idle[i] = 0;
        p->pc = p->polls ? broken == READ_LATE ? W_RELEASE : W_READ : W_INBOX;
        break;
    case W_READ:
        s->ring = 0;
        if (broken != READ_LATE)
            fetch(s);
        p->pc = broken == READ_LATE ? W_INBOX : W_RELEASE;
        break;
    case W_RELEASE:
        if (broken == READ_LATE)
            fetch(s);
        s->role = p->polls = 0;
        p->pc = broken == READ_LATE ? W_READ : W_INBOX;
        break;
    case W_INBOX:
        s->got[i] |= s->inbox[i];
        s->inbox[i] = 0;
        p->pc = s->got[i] ? W_BUSY : W_TAKE;
        break;
    case W_BUSY: /* it runs its thread, and looks at times: a step, since it has the role for its length */
        if (s->fetched || !events) {
            p->pc = END;
            break;
        }
        if (s->role || !s->event)
            return STEP_BLOCKED;
        fetch(s);
        break;
    }
    return STEP_DONE;
}

static enum outcome other(struct state *s, int i) {
    struct process *p = &s->p[i];
    switch (p->pc) {
    case P_PUSH:
        s->inbox[p->target] = 1;
        p->pc = P_SWAP;
        break;
    case P_SWAP:
        p->how = s->idle[p->target];
        s->idle[p->target] = 0;
        p->pc = !p->how ? END : p->how == 2 && broken != FUTEX_ONLY ? P_RING : P_WAKE;
        break;
    case P_RING:
        s->ring = 1;
        p->pc = END;
        break;
    case P_WAKE:
        s->woken[p->target] = 1;
        p->pc = END;
        break;
    case L_TAKE:
        p->pc = s->role && broken != ANYBODY_READS ? END : L_LOOK;
        s->role |= broken != ANYBODY_READS;
        break;
    case L_LOOK:
        fetch(s);
        if (broken == ANYBODY_READS)
            s->ring = 0;
        p->pc = L_RELEASE;
        break;
    case L_RELEASE:
        s->role &= broken == ANYBODY_READS;
        p->pc = broken == NO_ROUSE ? END : L_IDLERS;
        break;
    case L_IDLERS: /* one that sleeps */
        p->target = s->idle[FIRST] ? FIRST : SECOND;
        p->pc = P_SWAP;
        break;
    case E_COME:
        s->event = 1;
        p->pc = END;
        break;
    }
    return STEP_DONE;
}

static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    (void)choice;
    if (s->p[i].pc == END)
        return STEP_FINISHED;
    return i <= SECOND ? worker(s, i) : other(s, i);
}

static const char *check(const void *state) {
    const struct state *s = state;
    int holders = s->p[FIRST].polls + s->p[SECOND].polls;
    return holders > 1 || holders > s->role ? "two have the role" : NULL;
}

static const char *check_end(const void *state) {
    const struct state *s = state;
    return pushes && (!s->got[0] || !s->got[1]) ? "a thread is left"
           : events && !s->fetched              ? "an event is left"
                                                : NULL;
}

static void run(int how, bool with_pushes, bool with_events, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, ALL, step, 1, check, check_end};
    broken = how;
    pushes = with_pushes;
    events = with_events;
    s.p[FIRST].pc = s.p[SECOND].pc = W_TAKE;
    s.p[PUSHER].pc = s.p[PUSHER2].pc = pushes ? P_PUSH : END;
    s.p[PUSHER2].target = SECOND;
    s.p[LOOKER].pc = L_TAKE;
    s.p[EVENT].pc = events ? E_COME : END;
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    run(GOOD, true, false, "pushes");
    run(GOOD, false, true, "events");
    run(GOOD, true, true, "both");
    run(FUTEX_ONLY, true, false, "nobody rings");
    run(READ_LATE, true, false, "the ring is read late");
    run(ANYBODY_READS, true, false, "whoever looks reads the ring");
    run(NO_MISSING, false, true, "nobody looks whether the role is free");
    run(NO_ROUSE, false, true, "nobody is roused after a look");
    return done();
}
