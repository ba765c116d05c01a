/*
 * The protocol of lib/libmn/chan/chan.c and select.c, every order of steps: each element that was sent is
 * received once, in order; nobody waits for ever for what is there; an element is copied only to or from a
 * thread that sleeps.
 *
 * A step is what happens under a channel's lock between two things that others can see: taking the lock,
 * claiming a waiter, waking one.  Deadlines are alternatives that may come at any moment of a wait.  One thread
 * at most may be on its way (enough() of the code is 1), so that duties are as rare as they can be.
 */
#include "explore.h"

enum { MOST = 5, CHANS = 2, ROOM = 2 };
enum { IDLE, WAITING, CLAIMED };
enum { DONE, COMING, CLOSED, TIMEOUT }; /* what a waiter is woken with */

enum pc { NEXT, LOCK, LOCK_OTHER, DO, CLAIM, WAKE, SELECT_WAIT, WAIT, UNQUEUE, ARRIVE, ARRIVE_DO, END };
enum mode { GIVE, FETCH, TAKE, FIRST, CLOSE }; /* why a waiter is claimed */

struct chan {
    uint8_t locked, closed, count, coming[2]; /* of receivers, of senders */
    uint8_t buffer[ROOM];
    uint8_t waiting[2], queue[2][MOST];
};
struct thread {
    uint8_t pc, op, chan, phase;
    uint8_t claim, result, from; /* from: the channel that woke it */
    uint8_t ready, select_lock, in; /* in: bits, queues that it is in */
    uint8_t value, target, mode, code, wake; /* wake: bits, claimed and not yet woken */
    uint8_t unqueue, duty;
};
struct state {
    struct chan c[CHANS];
    struct thread t[MOST];
    uint64_t sent, received; /* bits */
    uint8_t last[MOST][MOST]; /* by each receiver, of each sender */
    uint8_t wrong;
};

static int threads, capacity, broken;
/*
 * s, S: send to channel 0, 1; r, R: receive; t: receive with a deadline; d: send with one; e: receive by a
 * select over both, f: with a deadline; c, C: close
 */
static const char *programs[MOST];

static int sends(char op) {
    return op == 's' || op == 'S' || op == 'd';
}
static int selects(char op) {
    return op == 'e' || op == 'f';
}
static int timed(char op) {
    return op == 't' || op == 'd' || op == 'f';
}

static char op_of(const struct state *s, int i) {
    return s->t[i].op ? programs[i][s->t[i].op - 1] : 0;
}

static void put_in_queue(struct chan *c, int sending, int i) {
    c->queue[sending][c->waiting[sending]++] = (uint8_t)i;
}

static void take_out(struct chan *c, int sending, int i) {
    for (int k = 0; k < c->waiting[sending]; k++) {
        if (c->queue[sending][k] == i) {
            c->waiting[sending]--;
            for (; k < c->waiting[sending]; k++)
                c->queue[sending][k] = c->queue[sending][k + 1];
            c->queue[sending][k] = 0;
            return;
        }
    }
}

static void put(struct chan *c, uint8_t v) {
    c->buffer[c->count++] = v;
}

static uint8_t take(struct chan *c) {
    uint8_t v = c->buffer[0];
    c->buffer[0] = c->buffer[1];
    c->buffer[1] = 0;
    c->count--;
    return v;
}

/* Values: sender * 8 + number. */
static void receive(struct state *s, int i, uint8_t v) {
    if (s->received >> v & 1 || s->last[i][v / 8] >= v % 8 + 1)
        s->wrong = 1;
    s->received |= (uint64_t)1 << v;
    s->last[i][v / 8] = (uint8_t)(v % 8 + 1);
}

static enum pc pop(struct chan *c, struct thread *t, int sending, enum mode mode) {
    t->target = c->queue[sending][0];
    take_out(c, sending, t->target);
    t->mode = mode;
    t->code = mode == CLOSE                      ? CLOSED
              : c->waiting[sending] && capacity ? COMING
                                                 : DONE;
    return CLAIM;
}

static int serve(const struct chan *c, int sending) {
    return c->waiting[sending] && !c->coming[sending];
}

static enum pc unlock(struct chan *c, struct thread *t) {
    c->locked = 0;
    t->phase = 0;
    return t->wake ? WAKE : NEXT;
}

static enum pc wait_on(struct state *s, int i, int sending) {
    struct thread *t = &s->t[i];
    struct chan *c = &s->c[t->chan];
    put_in_queue(c, sending, i);
    t->in |= (uint8_t)(1u << t->chan);
    t->claim = WAITING;
    c->locked = 0;
    t->phase = 0;
    return WAIT;
}

/* With the lock of t->chan held. */
static enum pc operate(struct state *s, int i) {
    struct thread *t = &s->t[i];
    struct chan *c = &s->c[t->chan];
    char op = op_of(s, i);
    if (t->phase == 1) { /* handed over: complete */
        if (!sends(op) && op != 'c' && op != 'C')
            receive(s, i, t->value);
        return unlock(c, t);
    }
    if (op == 'c' || op == 'C') {
        c->closed = 1;
        if (c->waiting[0])
            return pop(c, t, 0, c->count ? FIRST : CLOSE);
        if (c->waiting[1])
            return pop(c, t, 1, CLOSE);
        return unlock(c, t);
    }
    if (sends(op)) {
        if (c->closed)
            return unlock(c, t);
        t->value = (uint8_t)(i * 8 + t->op - 1);
        if (serve(c, 0))
            return pop(c, t, 0, GIVE);
        if (c->count >= capacity)
            return wait_on(s, i, 1);
        put(c, t->value);
        s->sent |= (uint64_t)1 << t->value;
        return unlock(c, t);
    }
    if (t->phase == 0 && c->count) {
        receive(s, i, take(c));
        t->phase = 2;
    }
    if (t->phase == 2)
        return serve(c, 1) && c->count < capacity ? pop(c, t, 1, FETCH) : unlock(c, t);
    if (c->waiting[1] && (selects(op) || timed(op) || serve(c, 1)))
        return pop(c, t, 1, TAKE);
    return c->closed ? unlock(c, t) : wait_on(s, i, 0);
}

static enum pc claim(struct state *s, int i) {
    struct thread *t = &s->t[i], *w = &s->t[t->target];
    struct chan *c = &s->c[t->chan];
    int sending = t->mode == FETCH || t->mode == TAKE;
    enum pc back = t->duty ? ARRIVE_DO : DO;
    w->in &= (uint8_t) ~(1u << t->chan);
    if (w->claim != WAITING && broken != 3)
        return back;
    /* Asleep: until it is woken, its stack is still. */
    if (w->pc != WAIT || w->ready)
        s->wrong = 2;
    w->claim = CLAIMED;
    w->result = t->code;
    w->from = t->chan;
    if (t->code == COMING)
        c->coming[sending]++;
    if (t->mode == GIVE) {
        w->value = t->value;
        s->sent |= (uint64_t)1 << t->value;
        t->phase = 1;
    } else if (t->mode == FIRST) {
        w->value = take(c);
    } else if (t->mode == FETCH) {
        put(c, w->value);
        s->sent |= (uint64_t)1 << w->value;
    } else if (t->mode == TAKE) {
        t->value = w->value;
        s->sent |= (uint64_t)1 << w->value;
        t->phase = 1;
    }
    t->wake |= (uint8_t)(1u << t->target);
    return back;
}

static enum outcome step(void *p, int i, int choice) {
    struct state *s = p;
    struct thread *t = &s->t[i];
    struct chan *c = &s->c[t->chan];
    char op = op_of(s, i);
    enum pc to = t->pc;
    if (t->pc == END)
        return STEP_FINISHED;
    if (choice == 1) {
        if (t->pc != WAIT || !timed(op) || t->claim != WAITING)
            return STEP_BLOCKED;
        t->claim = CLAIMED;
        t->result = TIMEOUT;
        t->ready = 1;
        return STEP_DONE;
    }
    switch ((enum pc)t->pc) {
    case NEXT:
        t->value = t->target = t->mode = t->code = 0;
        op = programs[i][t->op];
        if (!op) {
            to = END;
            break;
        }
        t->op++;
        t->chan = op == 'S' || op == 'R' || op == 'C';
        to = LOCK;
        break;
    case LOCK:
        if (c->locked)
            return STEP_BLOCKED;
        c->locked = 1;
        to = selects(op) ? LOCK_OTHER : DO;
        break;
    case LOCK_OTHER:
        if (s->c[1].locked)
            return STEP_BLOCKED;
        s->c[1].locked = 1;
        for (uint8_t k = 0; k < CHANS; k++) {
            if (s->c[k].count || s->c[k].waiting[1] || s->c[k].closed) {
                s->c[!k].locked = 0;
                t->chan = k;
                to = DO;
                break;
            }
        }
        if (to == DO)
            break;
        for (int k = 0; k < CHANS; k++) {
            put_in_queue(&s->c[k], 0, i);
            s->c[k].locked = 0;
        }
        t->in = 3;
        t->select_lock = broken != 1;
        to = SELECT_WAIT;
        break;
    case SELECT_WAIT:
        t->claim = WAITING;
        t->select_lock = 0;
        to = WAIT;
        break;
    case DO:
        to = operate(s, i);
        break;
    case CLAIM:
        if (s->t[t->target].select_lock)
            return STEP_BLOCKED;
        to = claim(s, i);
        break;
    case WAKE:
        for (int k = 0; k < threads; k++) {
            if (t->wake >> k & 1) {
                t->wake &= (uint8_t) ~(1u << k);
                s->t[k].ready = 1;
                break;
            }
        }
        to = t->wake ? WAKE : NEXT;
        break;
    case WAIT:
        if (!t->ready)
            return STEP_BLOCKED;
        t->ready = 0;
        t->claim = IDLE;
        t->unqueue = 0;
        if (!sends(op) && t->result <= COMING)
            receive(s, i, t->value);
        to = UNQUEUE;
        break;
    case UNQUEUE: /* a select has to look at each, under its lock; others where nobody took them out */
        if (t->unqueue < CHANS && (t->in >> t->unqueue & 1 || selects(op))) {
            if (s->c[t->unqueue].locked)
                return STEP_BLOCKED;
            if (t->in >> t->unqueue & 1 && broken != 4)
                take_out(&s->c[t->unqueue], sends(op), i);
            t->in &= (uint8_t) ~(1u << t->unqueue);
        }
        if (++t->unqueue > CHANS) {
            t->unqueue = 0;
            t->chan = t->from;
            to = t->result == COMING ? ARRIVE : NEXT;
        }
        break;
    case ARRIVE:
        if (c->locked)
            return STEP_BLOCKED;
        c->locked = 1;
        c->coming[sends(op)]--;
        t->duty = 1;
        to = ARRIVE_DO;
        break;
    case ARRIVE_DO:
        if (broken != 2 && serve(c, 0) && c->count) {
            to = pop(c, t, 0, FIRST);
        } else if (broken != 2 && serve(c, 1) && c->count < capacity) {
            to = pop(c, t, 1, FETCH);
        } else {
            t->duty = 0;
            to = unlock(c, t);
        }
        break;
    case END:
        break;
    }
    t->pc = (uint8_t)to;
    return STEP_DONE;
}

static const char *check(const void *p) {
    const struct state *s = p;
    if (s->wrong == 2)
        return "an element was copied to or from a thread that runs";
    if (s->wrong || s->received & ~s->sent)
        return "an element was received twice, out of order, or never sent";
    for (int k = 0; k < CHANS; k++) {
        const struct chan *c = &s->c[k];
        if (c->locked || c->closed)
            continue;
        if (c->waiting[0] && c->count && !c->coming[0] && !broken)
            return "a receiver waits, and an element is there";
        if (c->waiting[1] && c->count < capacity && !c->coming[1] && !broken)
            return "a sender waits, and a slot is free";
    }
    return NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    int left = 0;
    for (int k = 0; k < CHANS; k++) {
        left += s->c[k].count;
        if (s->c[k].waiting[0] || s->c[k].waiting[1] || s->c[k].coming[0] || s->c[k].coming[1] ||
            s->c[k].locked)
            return "a channel is not at rest";
    }
    return __builtin_popcountll(s->sent) - __builtin_popcountll(s->received) != left ? "an element was lost"
                                                                                     : NULL;
}

static void run(int room, int how, int n, const char *const *program) {
    struct state s;
    memset(&s, 0, sizeof s);
    capacity = room;
    broken = how;
    threads = n;
    struct model m = {sizeof s, n, step, 2, check, check_end};
    char name[100];
    int used = snprintf(name, sizeof name, "capacity %d, threads", room);
    for (int i = 0; i < n; i++) {
        programs[i] = program[i];
        used += snprintf(name + used, sizeof name - (size_t)used, " %s", program[i]);
    }
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

#define RUN(room, how, ...)                                                                                  \
    do {                                                                                                     \
        static const char *const p[] = {__VA_ARGS__};                                                        \
        run(room, how, sizeof p / sizeof *p, p);                                                             \
    } while (0)

int main(void) {
    for (int room = 0; room <= 2; room++) {
        RUN(room, 0, "ss", "rr");
        RUN(room, 0, "ss", "s", "rr", "r");
        RUN(room, 0, "sss", "r", "r", "r");
        RUN(room, 0, "s", "s", "s", "rrr");
        RUN(room, 0, "ss", "t", "t", "c");
        RUN(room, 0, "d", "d", "t", "t", "c");
        RUN(room, 0, "s", "r", "r", "c");
        RUN(room, 0, "s", "S", "e", "e");
        RUN(room, 0, "sS", "e", "e");
        RUN(room, 0, "dss", "f", "r", "c");
        RUN(room, 0, "s", "e", "r", "cC");
        RUN(room, 0, "s", "S", "f", "e", "cC");
    }
    RUN(2, 0, "ssss", "r", "r", "r", "r");
    RUN(2, 0, "rrrr", "ss", "s", "s");
    RUN(0, 1, "s", "e"); /* a select that can be claimed before it waits: the claim misses it */
    RUN(1, 1, "s", "e");
    RUN(2, 2, "sss", "r", "r", "r"); /* who comes by does not settle */
    RUN(1, 2, "s", "s", "s", "rrr");
    RUN(1, 3, "s", "t", "r"); /* copied without a claim */
    RUN(1, 4, "S", "s", "e", "e", "c"); /* a select leaves its waiters in queues */
    return done();
}
