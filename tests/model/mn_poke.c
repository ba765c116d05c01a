/*
 * How an exit signal reaches a handler whose callback waits (lib/libmn/proc/poke.c), every order of steps: a
 * callback that waits for ever is cancelled, and no wait of another process is, though it has the same executor,
 * or the same record.
 */
#include "explore.h"

#include <stdbool.h>

enum { EXECUTOR, SENDER, EVENT, THREADS };
enum { NOTHING = 0, POKED = 255 }; /* the word; otherwise the number of a wait, from 1 */
enum { IDLE, WAITING, CLAIMED };

/* What the executor does: the process that is signalled waits so often, the last time for ever or not; then it
 * may end, and another waits, in the same record or not. */
enum { STAYS, LEAVES, IS_REPLACED };

enum {
    E_SWAP, E_STORE, E_LOOK, E_BEGIN, E_WAIT, E_CLEAR, E_TAKE, E_CLOSE, E_REUSE, E_END,
    S_PUSH, S_LOAD, S_GENERATION, S_CAS, S_CLAIM_LOAD, S_CLAIM_CAS, S_WAKE, S_END,
    V_CLAIM, V_WAKE, V_END,
};

struct state {
    uint8_t pc[THREADS];
    uint8_t word[2]; /* of two records */
    uint8_t generation, closed, signal; /* of the first: a signal that was pushed and not taken */
    uint8_t record;                     /* whose callback runs */
    uint8_t second;                     /* the process that was not signalled runs */
    uint8_t waits;                      /* how many of this process have begun */
    uint8_t claim, seq, cancel, cancelled, woken;
    uint8_t old;              /* executor: the word that was there */
    uint8_t seen, seen_claim; /* sender: the word, the claim with its bit of cancellation */
    uint8_t aim;              /* the wait that it cancels */
    uint8_t disturbed, ended;
};

static int script, broken;

static bool waits_for_ever(const struct state *s) {
    return script == STAYS && s->waits == 2;
}

/* After a wait, or when it does not come to one. */
static void next_wait(struct state *s) {
    int most = script == STAYS ? 2 : 1;
    s->pc[EXECUTOR] = s->waits < most ? E_SWAP : s->second ? E_END : E_CLEAR;
}

static enum outcome executor(struct state *s) {
    switch (s->pc[EXECUTOR]) {
    case E_SWAP:
        s->waits++;
        s->old = s->word[s->record];
        if (broken != 3)
            s->word[s->record] = s->seq;
        s->pc[EXECUTOR] = broken == 3 ? E_STORE : s->old == POKED && broken != 2 ? E_LOOK : E_BEGIN;
        break;
    case E_STORE:
        s->word[s->record] = s->seq;
        s->pc[EXECUTOR] = s->old == POKED ? E_LOOK : E_BEGIN;
        break;
    case E_LOOK:
        if ((s->record == 0 && s->generation == 1 && s->signal) || broken == 4)
            s->cancel = 1;
        s->pc[EXECUTOR] = E_BEGIN;
        break;
    case E_BEGIN:
        s->cancelled = s->cancel;
        s->woken = s->cancel;
        s->claim = s->cancel ? CLAIMED : WAITING;
        s->pc[EXECUTOR] = E_WAIT;
        break;
    case E_WAIT:
        if (!s->woken)
            return STEP_BLOCKED;
        s->claim = IDLE;
        s->woken = 0;
        s->seq++;
        if (s->cancelled && s->second)
            s->disturbed = 1;
        if (s->cancelled && !s->second) { /* it takes its signals, and unwinds: the executor ends */
            s->disturbed |= !s->signal;
            s->ended = 1;
            s->pc[EXECUTOR] = E_END;
            break;
        }
        next_wait(s);
        break;
    case E_CLEAR:
        if (broken != 5)
            s->cancel = 0;
        s->pc[EXECUTOR] = script == IS_REPLACED ? E_CLOSE : E_TAKE;
        break;
    case E_TAKE: /* between callbacks; then it is another's turn */
        s->ended = s->signal;
        s->second = 1;
        s->record = 1;
        s->waits = 0;
        s->pc[EXECUTOR] = E_SWAP;
        break;
    case E_CLOSE: /* it has ended by itself, and what came is dropped */
        s->closed = 1;
        s->signal = 0;
        s->generation = 2;
        s->pc[EXECUTOR] = E_REUSE;
        break;
    case E_REUSE:
        s->word[0] = NOTHING;
        s->closed = 0; /* a signal that comes now is for the one before, and nobody acts on it */
        s->second = 1;
        s->waits = 0;
        s->pc[EXECUTOR] = E_SWAP;
        break;
    default:
        return STEP_FINISHED;
    }
    return STEP_DONE;
}

static enum outcome sender(struct state *s) {
    switch (s->pc[SENDER]) {
    case S_PUSH:
        s->signal = !s->closed;
        s->pc[SENDER] = s->closed ? S_END : S_LOAD;
        break;
    case S_LOAD:
        s->seen = s->word[0];
        s->pc[SENDER] = S_GENERATION;
        break;
    case S_GENERATION:
        s->pc[SENDER] = s->generation != 1 || s->seen == POKED ? S_END : S_CAS;
        break;
    case S_CAS:
        if (s->word[0] != s->seen) {
            s->pc[SENDER] = S_LOAD;
            break;
        }
        s->word[0] = POKED;
        s->aim = s->seen;
        s->pc[SENDER] = s->seen == NOTHING ? S_END : S_CLAIM_LOAD;
        break;
    case S_CLAIM_LOAD:
        s->seen = s->seq;
        s->seen_claim = (uint8_t)(s->claim | s->cancel << 2);
        s->pc[SENDER] = (s->seq != s->aim && broken != 1) || s->cancel ? S_END : S_CLAIM_CAS;
        break;
    case S_CLAIM_CAS:
        if (s->seq != s->seen || (s->claim | s->cancel << 2) != s->seen_claim) {
            s->pc[SENDER] = S_CLAIM_LOAD;
            break;
        }
        s->cancel = 1;
        s->pc[SENDER] = s->claim == WAITING ? S_WAKE : S_END;
        if (s->claim == WAITING) {
            s->claim = CLAIMED;
            s->cancelled = 1;
        }
        break;
    case S_WAKE:
        s->woken = 1;
        s->pc[SENDER] = S_END;
        break;
    default:
        return STEP_FINISHED;
    }
    return STEP_DONE;
}

/* What is waited for happens, again and again; but not what is waited for for ever. */
static enum outcome event(struct state *s) {
    if (s->pc[EXECUTOR] == E_END && s->pc[EVENT] == V_CLAIM)
        return STEP_FINISHED;
    if (s->pc[EVENT] == V_CLAIM) {
        if (s->claim != WAITING || waits_for_ever(s))
            return STEP_BLOCKED;
        s->claim = CLAIMED;
        s->cancelled = 0;
        s->pc[EVENT] = V_WAKE;
    } else {
        s->woken = 1;
        s->pc[EVENT] = V_CLAIM;
    }
    return STEP_DONE;
}

static enum outcome step(void *p, int i, int choice) {
    (void)choice;
    return i == EXECUTOR ? executor(p) : i == SENDER ? sender(p) : event(p);
}

static const char *check(const void *p) {
    const struct state *s = p;
    return s->disturbed ? "a wait was cancelled for another's signal" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    return script == STAYS && !s->ended ? "it lives" : NULL;
}

static const struct model model = {sizeof(struct state), THREADS, step, 1, check, check_end};

static void run(int what, int how) {
    static const char *const names[] = {"waits for ever", "returns, and another waits",
                                        "ends, and another has its record"};
    struct state s;
    memset(&s, 0, sizeof s);
    s.pc[EXECUTOR] = E_SWAP;
    s.pc[SENDER] = S_PUSH;
    s.pc[EVENT] = V_CLAIM;
    s.generation = 1;
    s.seq = 1;
    script = what;
    broken = how;
    if (how)
        explore_not_ok(&model, &s, names[what]);
    else
        explore_ok(&model, &s, names[what]);
}

int main(void) {
    for (int what = STAYS; what <= IS_REPLACED; what++)
        run(what, 0);
    run(LEAVES, 1);      /* the number of the wait is not looked at */
    run(STAYS, 2);       /* POKED is */
    run(STAYS, 3);       /* the wait is written down in two steps */
    run(IS_REPLACED, 4); /* POKED is believed without a look */
    run(LEAVES, 5);      /* the executor stays cancelled */
    return done();
}
