/*
 * The protocol of lib/libmn/sched/idle.c and of asking for threads (take.c), every order of steps.
 *
 * A worker looks for work, and sleeps.  A busy one makes a thread ready, which others see late (TSO: its stores
 * have a buffer), calls for help if it sees a sleeper, answers once who asks, and then computes for ever,
 * outside.  Somebody else pushes a thread into the sleeper's inbox.  The worker has to get both.  A sleep may
 * be a short one, after which it looks again: without the barrier, and nobody calls for help a worker that says
 * that its sleep is short.  Other calls for help are not left out here: when that is done, and how it is made
 * up for, is a matter of time.
 */
#include <stdbool.h>

#include "explore.h"

enum { WORKER, BUSY, PUSHER, BUFFER, ALL };
enum pc {
    S_TURN,
    S_IDLE,
    S_COUNT,
    S_BARRIER,
    S_INBOX,
    S_RING,
    S_SOON,
    S_WAIT,
    S_ASLEEP,
    S_AWAKE,
    S_ROUSED,
    S_UNCOUNT,
    S_FIND,
    S_ASK,
    S_ANSWER,
    S_WITHDRAW,
    S_SEIZE,
    B_PUSH,
    B_HELP,
    B_SWITCH,
    B_GIVE,
    B_INBOX,
    P_PUSH,
    R_IDLE,
    R_SOON,
    R_SWAP,
    R_COUNT,
    R_TURN,
    R_WAKE,
    END
};
enum {
    GOOD,
    IDLE_FIRST,   /* and may be woken, and counted down, before it is counted up */
    NO_BARRIER,   /* before the last look */
    LOOK_FIRST,   /* idle is stored after the looks */
    TURN_LATE,    /* the futex's value is read after them */
    NO_RING_UP,   /* an answer that comes late wakes nobody */
    BLIND,        /* a wish is taken back without looking whether it was answered */
    STAYS_SOON,   /* that a sleep is short is still there in the next one */
    SHORT_FOR_GOOD, /* who slept without the barrier sleeps on */
};

struct process {
    uint8_t pc, turn;
};
struct state {
    uint8_t idle, idlers, turn, asleep, inbox, ring, seen_ring, want, got;
    uint8_t is_short, soon; /* this sleep; what the others see of that */
    struct process p[ALL];
};

static int broken;

static uint8_t last_look(const struct state *s) {
    return broken == LOOK_FIRST ? S_SOON : broken == NO_BARRIER || s->is_short ? S_INBOX : S_BARRIER;
}

static enum outcome worker(struct state *s, int choice) {
    struct process *p = &s->p[WORKER];
    if (choice && p->pc != S_TURN)
        return STEP_BLOCKED;
    switch (p->pc) {
    case S_TURN:
        s->is_short = (uint8_t)choice;
        p->turn = s->turn;
        p->pc = broken == LOOK_FIRST ? S_INBOX : broken == IDLE_FIRST ? S_IDLE : S_COUNT;
        break;
    case S_IDLE:
        s->idle = 1;
        p->pc = broken == IDLE_FIRST ? S_COUNT : last_look(s);
        break;
    case S_COUNT:
        s->idlers++;
        p->pc = broken == IDLE_FIRST ? last_look(s) : S_IDLE;
        break;
    case S_BARRIER:
        s->seen_ring = s->ring;
        p->pc = S_INBOX;
        break;
    case S_INBOX:
        p->pc = s->inbox ? S_AWAKE : S_RING;
        break;
    case S_RING:
        p->pc = s->seen_ring ? S_AWAKE : broken == LOOK_FIRST ? S_COUNT : S_SOON;
        if (broken == TURN_LATE)
            p->turn = s->turn;
        break;
    case S_SOON:
        s->soon = s->is_short;
        p->pc = S_WAIT;
        break;
    case S_WAIT:
        s->asleep = s->turn == p->turn;
        p->pc = S_ASLEEP;
        break;
    case S_ASLEEP:
        if (s->asleep && (!s->is_short || broken == SHORT_FOR_GOOD))
            return STEP_BLOCKED;
        s->asleep = 0;
        p->pc = S_ROUSED;
        break;
    case S_ROUSED:
        s->soon = broken == STAYS_SOON && s->soon;
        p->pc = S_AWAKE;
        break;
    case S_AWAKE:
        p->pc = s->idle ? S_UNCOUNT : S_FIND;
        s->idle = 0;
        break;
    case S_UNCOUNT:
        s->idlers--;
        p->pc = S_FIND;
        break;
    case S_FIND:
        s->got += s->inbox;
        s->inbox = 0;
        p->pc = s->got == 2 ? END : s->seen_ring ? S_ASK : S_TURN;
        break;
    case S_ASK:
        s->want = 1;
        p->pc = S_ANSWER;
        break;
    case S_ANSWER: /* it waits for so long, or not */
        s->got += s->inbox;
        s->inbox = 0;
        p->pc = s->got == 2 ? END : S_WITHDRAW;
        break;
    case S_WITHDRAW:
        p->pc = s->want || broken == BLIND ? S_SEIZE : S_TURN;
        s->want = 0;
        break;
    case S_SEIZE: /* possible while the other is outside: mn_take.c */
        p->pc = S_TURN;
        if (s->p[BUSY].pc == END || broken == BLIND) {
            s->got += s->ring;
            s->ring = s->seen_ring = 0;
        }
        if (s->got == 2)
            p->pc = END;
        break;
    }
    return STEP_DONE;
}

static enum outcome other(struct state *s, int i) {
    struct process *p = &s->p[i];
    int next = i == BUSY && p->turn == 0 ? B_SWITCH : END; /* after it has woken somebody */
    switch (p->pc) {
    case B_PUSH:
        s->ring = 1;
        p->pc = B_HELP;
        break;
    case B_HELP:
        p->pc = s->idlers ? R_IDLE : B_SWITCH;
        break;
    case B_SWITCH:
        p->turn = 1;
        p->pc = s->want ? B_GIVE : END;
        s->want = 0;
        break;
    case B_GIVE:
        p->pc = s->ring ? B_INBOX : END;
        break;
    case B_INBOX: /* a full operation: the buffer is empty then */
        s->ring = s->seen_ring = 0;
        s->inbox++;
        p->pc = broken == NO_RING_UP ? END : R_IDLE;
        break;
    case P_PUSH:
        s->inbox++;
        p->pc = R_IDLE;
        break;
    case R_IDLE:
        p->pc = !s->idle ? (uint8_t)next : next == B_SWITCH ? R_SOON : R_SWAP;
        break;
    case R_SOON:
        p->pc = s->soon ? (uint8_t)next : R_SWAP;
        break;
    case R_SWAP:
        p->pc = s->idle ? R_COUNT : (uint8_t)next;
        s->idle = 0;
        s->seen_ring = i == BUSY ? s->ring : s->seen_ring;
        break;
    case R_COUNT:
        s->idlers--;
        p->pc = R_TURN;
        break;
    case R_TURN:
        s->turn++;
        p->pc = R_WAKE;
        break;
    case R_WAKE:
        s->asleep = 0;
        p->pc = (uint8_t)next;
        break;
    }
    return STEP_DONE;
}

static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    (void)choice;
    if (i == BUFFER) { /* need not ever empty by itself: the busy one may be the only one to know */
        if (s->p[WORKER].pc == END)
            return STEP_FINISHED;
        if (!choice || s->seen_ring == s->ring)
            return STEP_BLOCKED;
        s->seen_ring = s->ring;
        return STEP_DONE;
    }
    if (s->p[i].pc == END)
        return STEP_FINISHED;
    if (i == WORKER)
        return worker(s, choice);
    return choice ? STEP_BLOCKED : other(s, i);
}

static const char *check(const void *state) {
    const struct state *s = state;
    return s->got > 2 || s->got + s->inbox + s->ring > 2 ? "a thread is there twice"
           : s->idlers > ALL                             ? "idlers is below 0"
                                                         : NULL;
}

static const char *check_end(const void *state) {
    const struct state *s = state;
    return s->idlers || s->idle ? "somebody is idle still" : NULL;
}

static void run(int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, ALL, step, 2, check, check_end};
    broken = how;
    s.p[WORKER].pc = S_TURN;
    s.p[BUSY].pc = B_PUSH;
    s.p[PUSHER].pc = P_PUSH;
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    run(GOOD, "falling asleep, being called, and asking");
    run(IDLE_FIRST, "it is counted after it can be woken");
    run(NO_BARRIER, "no barrier before the last look");
    run(LOOK_FIRST, "idle after the last look");
    run(TURN_LATE, "the futex's value is read late");
    run(NO_RING_UP, "a late answer wakes nobody");
    run(BLIND, "a wish is taken back that was answered");
    run(STAYS_SOON, "a short sleep is still announced in a long one");
    run(SHORT_FOR_GOOD, "who slept without the barrier sleeps on");
    return done();
}
