/*
 * Readiness of a descriptor of ours (lib/libmn/io/fd.c), every order of steps.
 *
 * A sender puts three bytes into the kernel's buffer, one at a time.  Each makes an event, unless one is
 * pending already (edge-triggered: the kernel merges them).  The poller fetches it.  Two readers of one entry
 * read up to two bytes a call; a short read clears READY.  One of them leaves after its first bytes.  All bytes
 * have to be read, and nobody may stay waiting when a byte is there.
 */
#include <stdbool.h>

#include "explore.h"

enum { SENDER, POLLER, READER, READER2, ALL };
enum { BYTES = 3, MOST = 2 };
enum pc {
    S_SEND,
    S_EVENT,
    P_FETCH,
    P_WORD,
    P_WAKE,
    R_SEEN,
    R_CALL,
    R_LATE,
    R_CLEAR,
    R_PASS,
    R_LOCK,
    R_WAIT,
    END
};
enum {
    GOOD,
    NO_COMPARE,  /* READY is cleared whatever has happened since */
    SEEN_LATE,   /* the word is read after the call */
    NO_LOOK,     /* READY is not looked at again before a reader waits */
    NO_PASS,     /* who leaves READY set wakes nobody */
    WAKE_FIRST,  /* the event wakes, then sets READY */
};

struct process {
    uint8_t pc, seen, got, full;
};
struct state {
    uint8_t buffer, pending, ready, count, waiting[2], total, to_send;
    struct process p[ALL];
};

static int broken;

/* A reader that waits goes on; false: none does. */
static bool wake_one(struct state *s) {
    for (int i = 0; i < 2; i++)
        if (s->waiting[i]) {
            s->waiting[i] = 0;
            return true;
        }
    return false;
}

static enum outcome sender(struct state *s) {
    struct process *p = &s->p[SENDER];
    if (p->pc == S_SEND) {
        s->buffer++;
        s->to_send--;
        p->pc = S_EVENT;
    } else {
        s->pending = 1;
        p->pc = s->to_send ? S_SEND : END;
    }
    return STEP_DONE;
}

static enum outcome poller(struct state *s) {
    struct process *p = &s->p[POLLER];
    switch (p->pc) {
    case P_FETCH:
        if (!s->pending)
            return s->total == BYTES ? (p->pc = END, STEP_DONE) : STEP_BLOCKED;
        s->pending = 0;
        p->pc = broken == WAKE_FIRST ? P_WAKE : P_WORD;
        break;
    case P_WORD: /* both under the lock: to who takes it, one step; the word is changed by others without */
        s->ready = 1;
        s->count++;
        p->pc = broken == WAKE_FIRST ? P_FETCH : P_WAKE;
        if (broken != WAKE_FIRST) {
            wake_one(s);
            p->pc = P_FETCH;
        }
        break;
    case P_WAKE:
        wake_one(s);
        p->pc = P_WORD;
        break;
    }
    return STEP_DONE;
}

static enum outcome reader(struct state *s, int i) {
    struct process *p = &s->p[i];
    switch (p->pc) {
    case R_SEEN:
        if (s->total == BYTES) { /* as if the end had come */
            p->pc = END;
            break;
        }
        p->seen = s->count;
        p->pc = s->ready ? R_CALL : R_LOCK;
        break;
    case R_CALL:
        p->got = s->buffer < MOST ? s->buffer : MOST;
        s->buffer = (uint8_t)(s->buffer - p->got);
        s->total = (uint8_t)(s->total + p->got);
        p->full = p->got == MOST;
        p->pc = p->full ? R_PASS : broken == SEEN_LATE ? R_LATE : R_CLEAR;
        break;
    case R_LATE:
        p->seen = s->count;
        p->pc = R_CLEAR;
        break;
    case R_CLEAR:
        if (s->count == p->seen || broken == NO_COMPARE)
            s->ready = 0;
        p->pc = p->got ? R_PASS : R_LOCK;
        p->got = 0;
        break;
    case R_PASS:
        p->got = 0;
        if (s->ready && broken != NO_PASS)
            wake_one(s);
        p->pc = i == READER ? END : R_SEEN; /* the first has what it wanted */
        break;
    case R_LOCK: /* under the lock: looks, and queues */
        p->pc = s->ready && broken != NO_LOOK ? R_SEEN : R_WAIT;
        s->waiting[i - READER] = p->pc == R_WAIT;
        break;
    case R_WAIT:
        if (s->total == BYTES) {
            s->waiting[i - READER] = 0;
            p->pc = END;
            break;
        }
        if (s->waiting[i - READER])
            return STEP_BLOCKED;
        p->seen = s->count;
        p->pc = R_CALL; /* it was woken: it tries */
        break;
    }
    return STEP_DONE;
}

static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    (void)choice;
    if (s->p[i].pc == END)
        return STEP_FINISHED;
    return i == SENDER ? sender(s) : i == POLLER ? poller(s) : reader(s, i);
}

static const char *check(const void *state) {
    const struct state *s = state;
    return s->total + s->buffer + s->to_send != BYTES ? "a byte is lost" : NULL;
}

static void run(int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, ALL, step, 1, check, check};
    broken = how;
    s.to_send = BYTES;
    s.ready = 1; /* unknown: the first call is made */
    s.p[SENDER].pc = S_SEND;
    s.p[POLLER].pc = P_FETCH;
    s.p[READER].pc = s.p[READER2].pc = R_SEEN;
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    run(GOOD, "two readers of a descriptor");
    run(NO_COMPARE, "READY is cleared without comparing");
    run(SEEN_LATE, "the word is read after the call");
    run(NO_LOOK, "no look before the wait");
    run(NO_PASS, "nothing is passed on");
    run(WAKE_FIRST, "the event wakes before it sets READY");
    return done();
}
