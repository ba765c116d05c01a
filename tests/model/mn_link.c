/*
 * The protocols of lib/libmn/proc/signal.c and poke.c, every order of steps: links between two processes that
 * link, unlink and end at any time; and the flag trap_exit against an exit signal.
 *
 * Each process has a script (l links, u unlinks, x ends) and a queue, which it may look at between any two
 * steps of its script.  A push is one step, and so is acting on one signal: what is in it is the process's
 * own.  A process that gets an exit of its link ends, too.  Its own ending is: close the queue and act on
 * what is in it, tell the peer, poke it, be gone.
 *
 * Found out are: halves that do not agree in the end, a half that stays when the peer is gone, an exit after
 * an unlink, a poke of a process that is not to end (a call of it would return -ECANCELED for nothing).
 */
#include <stdbool.h>

#include "explore.h"

enum { NONE, LINKED, UNLINKING };
enum { LINK = 1, UNLINK, ACK, GONE, LINK_EXIT };
enum phase { RUNS, AWAITS, ENDS, TELLS, POKES, DEAD };
enum {
    GOOD,
    NO_ACK,  /* who unlinks forgets its half at once */
    ANY_ACK, /* an acknowledgement of an earlier unlinking counts */
    NO_WAIT, /* mn_proc_unlink does not wait for a peer that ends */
    LOUD,    /* who ends while it unlinks sends an exit */
};
enum { ROOM = 10 };

struct state {
    uint8_t half[2], id[2], next[2], phase[2], pc[2], exited[2], poked[2], loud[2], unlinked[2];
    uint8_t n[2];
    uint8_t q[2][ROOM]; /* to this process; kind, id << 4 */
};

static const char *script[2];
static int broken;
static const char *mistake;

static bool push(struct state *s, int to, int kind, int id) {
    if (s->phase[to] >= TELLS) /* closed */
        return false;
    if (s->n[to] == ROOM) {
        mistake = "more signals than the model has room for";
        return true;
    }
    s->q[to][s->n[to]++] = (uint8_t)(kind | id << 4);
    return true;
}

/* Process i acts on the first signal in its queue. */
static void act(struct state *s, int i) {
    int peer = !i, kind = s->q[i][0] & 15, id = s->q[i][0] >> 4;
    memmove(s->q[i], s->q[i] + 1, ROOM - 1);
    s->q[i][ROOM - 1] = 0;
    s->n[i]--;
    switch (kind) {
    case LINK:
        if (s->half[i] == NONE)
            s->half[i] = LINKED;
        break;
    case UNLINK:
        if (s->half[i] == LINKED)
            s->half[i] = NONE;
        if (broken != NO_ACK)
            push(s, peer, ACK, id);
        break;
    case ACK:
        if (s->half[i] == UNLINKING && (s->id[i] == id || broken == ANY_ACK))
            s->half[i] = NONE;
        break;
    case GONE:
        if (s->half[i] == UNLINKING)
            s->half[i] = NONE;
        break;
    case LINK_EXIT: {
        bool linked = s->half[i] == LINKED;
        s->half[i] = NONE;
        if (linked && s->phase[i] < ENDS) {
            if (s->unlinked[i])
                mistake = "an exit after an unlink";
            s->exited[i] = 1;
            s->phase[i] = ENDS;
        }
        break;
    }
    }
}

static enum outcome run_script(struct state *s, int i) {
    int peer = !i;
    switch ((enum phase)s->phase[i]) {
    case AWAITS: /* the peer has closed its queue; when it is gone, everything it said is here */
        if (s->phase[peer] != DEAD)
            return STEP_BLOCKED;
        while (s->n[i] && s->phase[i] == AWAITS)
            act(s, i);
        if (s->phase[i] == AWAITS) {
            s->poked[i] = 0;
            s->phase[i] = RUNS;
        }
        return STEP_DONE;
    case ENDS:
        while (s->n[i])
            act(s, i);
        s->phase[i] = TELLS;
        return STEP_DONE;
    case TELLS:
        s->loud[i] = s->half[i] == LINKED || (s->half[i] == UNLINKING && broken == LOUD);
        if (s->half[i] != NONE)
            s->loud[i] = push(s, peer, s->loud[i] ? LINK_EXIT : GONE, 0) && s->loud[i];
        s->half[i] = NONE;
        s->phase[i] = POKES;
        return STEP_DONE;
    case POKES:
        if (s->loud[i] && s->phase[peer] != DEAD)
            s->poked[peer] = 1;
        s->phase[i] = DEAD;
        return STEP_DONE;
    case DEAD:
        return STEP_FINISHED;
    case RUNS:
        break;
    }
    switch (script[i][s->pc[i]]) {
    case 0:
        return STEP_FINISHED;
    case 'l':
        s->unlinked[i] = 0;
        if (s->half[i] != LINKED) {
            s->half[i] = LINKED;
            if (!push(s, peer, LINK, 0))
                push(s, i, LINK_EXIT, 0); /* noproc */
        }
        break;
    case 'u':
        if (s->half[i] == LINKED) {
            s->id[i] = ++s->next[i];
            s->half[i] = broken == NO_ACK ? NONE : UNLINKING;
            if (!push(s, peer, UNLINK, s->id[i]) && s->phase[peer] != DEAD && broken != NO_WAIT)
                s->phase[i] = AWAITS;
            else if (s->phase[peer] == DEAD) /* all is here: mn_proc_unlink looks */
                while (s->n[i] && s->phase[i] == RUNS)
                    act(s, i);
            if (s->phase[i] == RUNS && s->phase[peer] == DEAD)
                s->poked[i] = 0;
        }
        /* The peer may link the two again. */
        s->unlinked[i] = strchr(script[peer], 'l') == NULL;
        break;
    case 'x':
        s->phase[i] = ENDS;
        break;
    }
    s->pc[i]++;
    return STEP_DONE;
}

static enum outcome step(void *state, int thread, int choice) {
    struct state *s = state;
    (void)choice;
    if (thread < 2)
        return run_script(s, thread);
    int i = thread - 2;
    if (s->n[i] && s->phase[i] == RUNS) {
        act(s, i);
        return STEP_DONE;
    }
    bool over = true;
    for (int k = 0; k < 2; k++)
        over =
            over && (s->phase[k] == DEAD || (s->phase[k] == RUNS && script[k][s->pc[k]] == 0 && s->n[k] == 0));
    return over ? STEP_FINISHED : STEP_BLOCKED;
}

static const char *check(const void *state) {
    (void)state;
    return mistake;
}

static const char *check_end(const void *state) {
    const struct state *s = state;
    for (int i = 0; i < 2; i++) {
        if (s->phase[i] == DEAD)
            continue;
        if (s->poked[i])
            return "a process is poked that is not to end";
        if (s->half[i] == UNLINKING)
            return "an unlinking is never acknowledged";
        if (s->half[i] == LINKED && (s->phase[!i] == DEAD || s->half[!i] != LINKED))
            return "one side is linked, the other is not";
    }
    return NULL;
}

static void links(const char *a, const char *b, bool linked, int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, 4, step, 1, check, check_end};
    broken = how;
    mistake = NULL;
    script[0] = a;
    script[1] = b;
    s.half[0] = s.half[1] = linked ? LINKED : NONE;
    char text[128];
    snprintf(text, sizeof text, "links: %s, scripts \"%s\" and \"%s\"%s%s", linked ? "linked" : "not linked", a,
             b, name ? ": " : "", name ? name : "");
    if (how)
        explore_not_ok(&m, &s, text);
    else
        explore_ok(&m, &s, text);
}

/* ---- trap_exit */

/* A sender pushes an exit signal, reads the flag, pokes.  The receiver sets or clears the flag, then waits
 * for something else. */
enum { S_PUSH, S_READ, S_POKE, S_END, R_TAKE1, R_STORE, R_TAKE2, R_WAIT, R_END };
enum { BY_NEW = 10, NO_TAKE, TAKE_FIRST };

struct trap {
    uint8_t sender, receiver, trap, sees, queued, poked, died, message;
};
static bool turns_on;

static void take_signal(struct trap *s, bool trapping) {
    if (!s->queued)
        return;
    s->queued = 0;
    if (trapping)
        s->message = 1;
    else
        s->died = 1;
}

static enum outcome trap_step(void *state, int thread, int choice) {
    struct trap *s = state;
    (void)choice;
    if (thread == 0) {
        switch (s->sender) {
        case S_PUSH:
            s->queued = 1;
            s->sender = S_READ;
            return STEP_DONE;
        case S_READ:
            s->sees = s->trap;
            s->sender = S_POKE;
            return STEP_DONE;
        case S_POKE:
            if (!s->sees)
                s->poked = 1;
            s->sender = S_END;
            return STEP_DONE;
        }
        return STEP_FINISHED;
    }
    switch (s->receiver) {
    case R_TAKE1:
        if (broken == TAKE_FIRST)
            take_signal(s, true);
        s->receiver = R_STORE;
        return STEP_DONE;
    case R_STORE:
        s->trap = turns_on;
        s->receiver = R_TAKE2;
        return STEP_DONE;
    case R_TAKE2: /* by the rule that ends it: what its senders may have read */
        if (broken != NO_TAKE)
            take_signal(s, broken == BY_NEW && turns_on);
        s->receiver = R_WAIT;
        return STEP_DONE;
    case R_WAIT: /* elsewhere: it looks again when it is poked */
        if (s->sender != S_END)
            return STEP_BLOCKED;
        if (s->poked && !s->died) {
            take_signal(s, s->trap);
            if (!s->died)
                mistake = "a poke that does not end the process";
        }
        s->receiver = R_END;
        return STEP_DONE;
    }
    return STEP_FINISHED;
}

static const char *trap_end(const void *state) {
    const struct trap *s = state;
    return s->queued && !s->trap ? "a signal that is to end the process, and nobody tells it" : NULL;
}

static void trap(bool on, int how, const char *name) {
    struct trap s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, 2, trap_step, 1, check, trap_end};
    broken = how;
    mistake = NULL;
    turns_on = on;
    s.sender = S_PUSH;
    s.receiver = R_TAKE1;
    s.trap = !on;
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    static const char *const scripts[] = {"",   "l",   "u",   "x",   "lu",  "ul",   "ux",
                                          "lx", "lul", "ulu", "lux", "ulx", "ulul", "lulx"};
    enum { N = sizeof scripts / sizeof scripts[0] };
    for (int linked = 0; linked < 2; linked++)
        for (int a = 0; a < N; a++)
            for (int b = a; b < N; b++)
                links(scripts[a], scripts[b], linked, GOOD, NULL);
    links("u", "lul", true, NO_ACK, "no acknowledgement");
    links("ulu", "ul", true, ANY_ACK, "any acknowledgement counts");
    links("u", "x", true, NO_WAIT, "mn_proc_unlink does not wait for a peer that ends");
    links("ux", "", true, LOUD, "who ends while it unlinks sends an exit");
    trap(true, GOOD, "trap_exit: set");
    trap(false, GOOD, "trap_exit: cleared");
    trap(true, BY_NEW, "what came before is acted on by the new flag");
    trap(false, NO_TAKE, "it does not look after it has cleared the flag");
    trap(false, TAKE_FIRST, "before it clears the flag it takes what has come as messages");
    return done();
}
