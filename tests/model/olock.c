/*
 * The protocol of lib/libmn/sync/olock.c, every order of steps, with the store buffer that makes it need a
 * barrier: a drop's store of 0 is seen by others only after a step of its own (or a barrier, its own or the
 * heavy one of another). One holder at a time; nobody sleeps for ever.
 */
#include "explore.h"

enum { MOST = 4, ROUNDS = 2 };
enum pc { TAKE, LOOK, TURN, CALL, BARRIER, TRY, SLEEP, ASLEEP, HOLD, DROP, READ, ANSWER, WAKE, FLUSH, END };

struct thread {
    uint8_t pc, round, buffered; /* its 0 is not yet seen by others */
    uint8_t turn; /* as it read it */
};
struct state {
    uint8_t word, call, turn, asleep, holders;
    struct thread t[MOST];
};

static int threads, broken;

static void flush(struct state *s, int i) {
    if (s->t[i].buffered) {
        s->t[i].buffered = 0;
        s->word = 0;
    }
}

/* A locked instruction: the caller's own buffer is empty after it. */
static int try(struct state *s, int i) {
    flush(s, i);
    if (s->word)
        return 0;
    s->word = 1;
    s->holders++;
    return 1;
}

static enum outcome step(void *p, int i, int choice) {
    struct state *s = p;
    struct thread *t = &s->t[i];
    if (choice == 1) { /* the buffer empties by itself, at any time */
        if (!t->buffered)
            return t->pc == END ? STEP_FINISHED : STEP_BLOCKED;
        flush(s, i);
        return STEP_DONE;
    }
    switch (t->pc) {
    case END:
        return STEP_FINISHED;
    case TAKE:
        t->pc = try(s, i) ? HOLD : LOOK;
        break;
    case LOOK:
        t->pc = try(s, i) ? HOLD : broken == 4 ? CALL : TURN;
        break;
    case TURN:
        t->turn = s->turn;
        t->pc = broken == 4 ? TRY : broken == 2 ? BARRIER : CALL;
        break;
    case CALL:
        flush(s, i);
        s->call = 1;
        t->pc = broken == 2 ? TRY : BARRIER;
        break;
    case BARRIER:
        flush(s, i);
        if (broken != 1)
            for (int k = 0; k < threads; k++)
                flush(s, k);
        t->pc = broken == 2 ? CALL : broken == 4 ? TURN : TRY;
        break;
    case TRY:
        t->pc = try(s, i) ? HOLD : SLEEP;
        break;
    case SLEEP: /* the kernel compares and queues in one step, behind a lock of its own */
        flush(s, i);
        if (s->turn == t->turn) {
            s->asleep |= (uint8_t)(1u << i);
            t->pc = ASLEEP;
        } else {
            t->pc = LOOK;
        }
        t->turn = 0;
        break;
    case ASLEEP:
        return STEP_BLOCKED;
    case HOLD:
        s->holders--;
        t->pc = broken == 3 ? READ : DROP;
        break;
    case DROP:
        t->buffered = 1;
        t->pc = broken == 3 ? FLUSH : READ;
        break;
    case READ:
        t->pc = broken == 3 ? (s->call ? ANSWER : DROP) : s->call ? ANSWER : FLUSH;
        break;
    case ANSWER:
        flush(s, i);
        t->pc = s->call ? WAKE : broken == 3 ? DROP : FLUSH;
        s->call = 0;
        break;
    case WAKE: /* the change of turn, and the system call after it: a sleeper in between sees the change */
        s->turn++;
        for (int k = 0; k < threads; k++)
            if (s->asleep >> k & 1)
                s->t[k].pc = LOOK;
        s->asleep = 0;
        t->pc = broken == 3 ? DROP : FLUSH;
        break;
    case FLUSH: /* so that the buffer empties in the end */
        flush(s, i);
        t->pc = ++t->round == ROUNDS ? END : TAKE;
        break;
    }
    return STEP_DONE;
}

static const char *check(const void *p) {
    const struct state *s = p;
    return s->holders > 1 ? "two holders" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    return s->word ? "the lock is not as it was" : NULL;
}

static void run(int n, int how) {
    struct state s;
    memset(&s, 0, sizeof s);
    threads = n;
    broken = how;
    struct model m = {sizeof s, n, step, 2, check, check_end};
    char name[100];
    snprintf(name, sizeof name, how ? "lock, %d threads, way %d" : "lock, %d threads", n, how);
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    run(2, 0);
    run(3, 0);
    run(2, 1); /* no heavy barrier */
    run(2, 2); /* the barrier before the call */
    run(2, 3); /* the call is read before the word is stored */
    run(3, 4); /* turn is read after the call */
    return done();
}
