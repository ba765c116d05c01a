/*
 * How a thief asks for threads (lib/libmn/sched/take.c, ask() and mni_give()), every order of steps: the
 * question, its withdrawal, the answer that comes all the same.
 *
 * Two thieves, each of which asks both victims in turn, and then sleeps as soon as its inbox is empty: a push
 * into that wakes it.  Found out are: two who write to one thief's gift, a gift that is emptied while it is
 * written, and threads that lie in a gift whose owner sleeps.
 */
#include "explore.h"

#include <stdbool.h>

enum { THIEVES = 2, VICTIMS = 2, ALL = THIEVES + VICTIMS, THREADS_EACH = 3, ROUNDS = 3 };
enum { GOOD, ASKS_TWICE, FORGETS, INBOX_FIRST, GIVEN_FIRST, EMPTY_SAYS_NOTHING };
enum { OPEN, ASK, POLL, WITHDRAW, DRAIN, DRAIN_OPEN, NEXT, SLEEP };   /* thieves */
enum { LOOK, SWAP, WRITE, ANSWER, PUSH };                             /* victims */

struct thief {
    uint8_t pc, round, asked, came, given, inbox, gift, writers, got;
};
struct victim {
    uint8_t pc, want, ring, asker, n;
};
struct state {
    struct thief t[THIEVES];
    struct victim v[VICTIMS];
    uint8_t mixed; /* a gift was emptied while it was written */
};

static int broken;

static void open_gift(struct state *s, struct thief *t) {
    if (!t->given)
        return;
    if (t->writers)
        s->mixed = 1;
    t->got += t->gift;
    t->gift = 0;
    t->asked = 0;
    t->given = 0;
}

static enum outcome thief(struct state *s, int i, int choice) {
    struct thief *t = &s->t[i];
    struct victim *v = &s->v[(t->round + i) % VICTIMS];
    bool timeout = choice == 1;
    if (timeout && t->pc != POLL)
        return STEP_BLOCKED;
    switch (t->pc) {
    case OPEN:
        if (t->asked)
            open_gift(s, t);
        t->pc = t->asked && broken != ASKS_TWICE ? NEXT : ASK;
        break;
    case ASK:
        if (v->want) {
            t->pc = NEXT;
            break;
        }
        v->want = (uint8_t)(i + 1);
        t->asked = 1;
        t->pc = POLL;
        break;
    case POLL:
        t->came = t->given || t->inbox;
        if (!t->came && !timeout)
            return STEP_BLOCKED;
        t->pc = WITHDRAW;
        break;
    case WITHDRAW:
        if (v->want == i + 1) {
            v->want = 0;
            t->asked = 0;
        } else if (broken == FORGETS) {
            t->asked = 0;
        }
        t->pc = t->came ? DRAIN : NEXT;
        t->came = 0;
        break;
    case DRAIN: /* the swap of the inbox */
        t->got += t->inbox;
        t->inbox = 0;
        t->pc = DRAIN_OPEN;
        break;
    case DRAIN_OPEN:
        open_gift(s, t);
        t->pc = NEXT;
        break;
    case NEXT:
        if (t->round < ROUNDS)
            t->round++;
        t->pc = t->inbox ? DRAIN : t->round < ROUNDS ? OPEN : SLEEP;
        break;
    case SLEEP:
        if (!t->inbox)
            return STEP_FINISHED;
        t->pc = DRAIN;
        break;
    }
    return STEP_DONE;
}

static enum outcome victim(struct state *s, int i, int choice) {
    struct victim *v = &s->v[i];
    struct thief *t = v->asker ? &s->t[v->asker - 1] : NULL;
    if (choice)
        return STEP_BLOCKED;
    switch (v->pc) {
    case LOOK:
        if (!v->want)
            return STEP_FINISHED; /* until it is asked */
        v->pc = SWAP;
        break;
    case SWAP:
        v->asker = v->want;
        v->want = 0;
        v->pc = v->asker ? WRITE : LOOK;
        if (v->asker)
            s->t[v->asker - 1].writers++;
        break;
    case WRITE:
        v->n = (uint8_t)((v->ring + 1) / 2);
        v->ring -= v->n;
        if (broken == GIVEN_FIRST)
            t->given = v->n ? v->n : 1;
        v->pc = broken == INBOX_FIRST ? PUSH : ANSWER;
        break;
    case ANSWER:
        if (v->n > 1)
            t->gift += (uint8_t)(v->n - 1);
        if (broken != GIVEN_FIRST && !(broken == EMPTY_SAYS_NOTHING && v->n == 0))
            t->given = v->n ? v->n : 1;
        t->writers--;
        v->pc = broken == INBOX_FIRST ? LOOK : PUSH;
        v->asker = broken == INBOX_FIRST ? 0 : v->asker;
        break;
    case PUSH:
        t->inbox += v->n > 0;
        v->pc = broken == INBOX_FIRST ? ANSWER : LOOK;
        v->asker = broken == INBOX_FIRST ? v->asker : 0;
        break;
    }
    return STEP_DONE;
}

static enum outcome step(void *p, int i, int choice) {
    return i < THIEVES ? thief(p, i, choice) : victim(p, i - THIEVES, choice);
}

static const char *check(const void *p) {
    const struct state *s = p;
    for (int i = 0; i < THIEVES; i++)
        if (s->t[i].writers > 1)
            return "two write to one gift";
    return s->mixed ? "a gift was emptied while it was written" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    int found = s->v[0].ring + s->v[1].ring + s->t[0].got + s->t[1].got;
    if (found != VICTIMS * THREADS_EACH)
        return "threads lie in the gift of one who sleeps";
    for (int i = 0; i < THIEVES; i++)
        if (s->t[i].asked && !s->t[i].given)
            return "a thief waits for an answer that does not come, and never asks again";
    return NULL;
}

static void run(int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    s.v[0].ring = THREADS_EACH;
    s.v[1].ring = THREADS_EACH;
    broken = how;
    struct model m = {sizeof s, ALL, step, 2, check, check_end};
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    run(GOOD, "asking for threads");
    run(ASKS_TWICE, "asks while an answer may still come");
    run(FORGETS, "takes a question for withdrawn that was taken");
    run(INBOX_FIRST, "the inbox before the rest");
    run(GIVEN_FIRST, "says that the gift is there before it is");
    run(EMPTY_SAYS_NOTHING, "does not answer when there is nothing");
    return done();
}
