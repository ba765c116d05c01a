/*
 * How lib/libmn/progress/sysmon.c falls asleep, against workers that wake (idle.c), every order of steps.
 *
 * Two workers sleep; each is woken by its timer, or by somebody who swaps its idle for 0, looks whether sysmon
 * sleeps, and then sleeps again or computes for ever.  sysmon has found both asleep.  It must not sleep while
 * one computes.
 */
#include <stdbool.h>

#include "explore.h"

enum { WORKERS = 2, SYSMON = WORKERS, ROUSER, ALL };
enum pc { W_ASLEEP, W_SWAP, W_LOOK, W_CLEAR, W_RING, W_LATE, W_NEXT, W_ENDS_ASLEEP, W_COMPUTES,
          M_TOP, M_WORD, M_STORE, M_IDLE, M_WAIT, M_ASLEEP, M_AWAKE, R_ROUSE, END };
enum {
    GOOD,
    NO_LOOK,    /* sysmon does not look at the workers after it has stored asleep */
    LOOK_FIRST, /* but before */
    WORD_LATE,  /* it reads the futex's value after that look */
    NO_FULL,    /* a worker reads asleep before its idle = 0 is seen */
    NO_RING,    /* who clears asleep does not change the word, and only wakes */
};

struct state {
    uint8_t idle[WORKERS], rounds[WORKERS], asleep, word, seen, futex, at;
    uint8_t pc[ALL];
};

static int broken;

static enum outcome worker(struct state *s, int i, int choice) {
    switch (s->pc[i]) {
    case W_ASLEEP: /* its timer; or the rouser sets its pc */
        if (choice)
            return STEP_BLOCKED;
        s->pc[i] = W_SWAP;
        return STEP_DONE;
    case W_NEXT: /* the choice: how it goes on */
        if (s->rounds[i] && --s->rounds[i]) {
            s->idle[i] = !choice;
            s->pc[i] = choice ? W_COMPUTES : W_ASLEEP;
        } else {
            s->idle[i] = !choice;
            s->pc[i] = choice ? W_COMPUTES : W_ENDS_ASLEEP;
        }
        return STEP_DONE;
    case W_ENDS_ASLEEP:
    case W_COMPUTES:
        return STEP_FINISHED;
    }
    if (choice)
        return STEP_BLOCKED;
    switch (s->pc[i]) {
    case W_SWAP:
        if (broken != NO_FULL)
            s->idle[i] = 0;
        s->pc[i] = W_LOOK;
        break;
    case W_LOOK: /* mni_busy_again */
        s->pc[i] = s->asleep ? W_CLEAR : W_LATE;
        break;
    case W_CLEAR:
        s->pc[i] = s->asleep ? W_RING : W_LATE;
        s->asleep = 0;
        break;
    case W_RING:
        if (broken != NO_RING)
            s->word++;
        s->futex = 0;
        s->pc[i] = W_LATE;
        break;
    case W_LATE:
        s->idle[i] = 0;
        s->pc[i] = W_NEXT;
        break;
    }
    return STEP_DONE;
}

static bool computes(const struct state *s) {
    return s->pc[0] == W_COMPUTES || s->pc[1] == W_COMPUTES;
}
static bool all_end_asleep(const struct state *s) {
    return s->pc[0] == W_ENDS_ASLEEP && s->pc[1] == W_ENDS_ASLEEP;
}

static enum outcome sysmon(struct state *s) {
    switch (s->pc[SYSMON]) {
    case M_TOP: /* awake: it looks after a worker that computes */
        if (computes(s))
            return STEP_FINISHED;
        if (!s->idle[0] || !s->idle[1])
            return STEP_BLOCKED;
        s->pc[SYSMON] = broken == LOOK_FIRST ? M_IDLE : broken == WORD_LATE ? M_STORE : M_WORD;
        break;
    case M_WORD:
        s->seen = s->word;
        s->pc[SYSMON] = broken == WORD_LATE ? M_WAIT : M_STORE;
        break;
    case M_STORE:
        s->asleep = 1;
        s->pc[SYSMON] = broken == NO_LOOK || broken == LOOK_FIRST ? M_WAIT : M_IDLE;
        break;
    case M_IDLE: /* one after the other */
        if (!s->idle[s->at]) {
            s->at = 0;
            s->pc[SYSMON] = M_AWAKE;
        } else if (++s->at == WORKERS) {
            s->at = 0;
            s->pc[SYSMON] = broken == LOOK_FIRST || broken == WORD_LATE ? M_WORD : M_WAIT;
        }
        break;
    case M_WAIT:
        s->futex = s->word == s->seen;
        s->pc[SYSMON] = s->futex ? M_ASLEEP : M_AWAKE;
        break;
    case M_ASLEEP:
        if (s->futex)
            return all_end_asleep(s) ? STEP_FINISHED : STEP_BLOCKED;
        s->pc[SYSMON] = M_AWAKE;
        break;
    case M_AWAKE:
        s->asleep = 0;
        s->pc[SYSMON] = M_TOP;
        break;
    }
    return STEP_DONE;
}

/* Wakes the first that sleeps, a few times. */
static enum outcome rouser(struct state *s) {
    if (s->pc[ROUSER] == END)
        return STEP_FINISHED;
    for (int i = 0; i < WORKERS; i++)
        if (s->pc[i] == W_ASLEEP && s->idle[i]) {
            s->idle[i] = 0;
            s->pc[i] = W_SWAP;
            s->pc[ROUSER] = END;
            return STEP_DONE;
        }
    if (s->pc[0] >= W_ENDS_ASLEEP && s->pc[1] >= W_ENDS_ASLEEP) {
        s->pc[ROUSER] = END;
        return STEP_DONE;
    }
    return STEP_BLOCKED;
}

static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    if (i < WORKERS)
        return worker(s, i, choice);
    if (choice)
        return STEP_BLOCKED;
    return i == SYSMON ? sysmon(s) : rouser(s);
}

static const char *check(const void *state) {
    const struct state *s = state;
    return s->asleep > 1 || s->word > 16 ? "nonsense" : NULL;
}

static const char *check_end(const void *state) {
    const struct state *s = state;
    return computes(s) && s->pc[SYSMON] != M_TOP ? "a worker computes, and sysmon sleeps" : NULL;
}

static void run(int rounds, int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, ALL, step, 2, check, check_end};
    broken = how;
    for (int i = 0; i < WORKERS; i++) {
        s.idle[i] = 1;
        s.rounds[i] = (uint8_t)rounds;
        s.pc[i] = W_ASLEEP;
    }
    s.pc[SYSMON] = M_TOP;
    s.pc[ROUSER] = R_ROUSE;
    char text[160];
    snprintf(text, sizeof text, "sysmon falls asleep, workers wake %d times%s%s", rounds, name ? ": " : "",
             name ? name : "");
    if (how)
        explore_not_ok(&m, &s, text);
    else
        explore_ok(&m, &s, text);
}

int main(void) {
    run(1, GOOD, NULL);
    run(2, GOOD, NULL);
    run(3, GOOD, NULL);
    run(2, NO_LOOK, "no look after asleep was stored");
    run(2, LOOK_FIRST, "a look before");
    run(2, WORD_LATE, "the futex's value is read late");
    run(2, NO_FULL, "a worker looks before its idle is seen");
    run(2, NO_RING, "the word stays");
    return done();
}
