/*
 * The protocol of lib/libthread_1to1/sem.c, every order of steps: each post is taken once, and
 * none is lost; counted waiters are waiters.
 */
#include "explore.h"

enum { MOST = 4 };
enum { POSTER, WAITER, GIVER_UP };                    /* GIVER_UP: a waiter that may time out */
enum { P_LOAD, P_CAS, P_WAKE, W_LOAD, W_CAS, W_COUNT, S_LOAD, S_CAS, S_SLEEP, S_ASLEEP, S_GIVE_UP, END };

struct thread {
    uint8_t kind, pc;
    int8_t value, waiters; /* what it loaded */
    uint8_t took, done;
};
struct state {
    int8_t value, waiters;
    uint8_t asleep; /* bits: in the kernel's queue */
    uint8_t posts;  /* made so far */
    struct thread t[MOST];
};

static int threads, broken;

static enum outcome step(void *p, int i, int choice) {
    struct state *s = p;
    struct thread *t = &s->t[i];
    if (t->pc == END)
        return STEP_FINISHED;
    if (choice == 1 && !(t->pc == S_ASLEEP && t->kind == GIVER_UP) && t->pc != P_WAKE)
        return STEP_BLOCKED;
    switch (t->pc) {
    case P_LOAD:
    case W_LOAD:
    case S_LOAD:
        t->value = s->value;
        t->waiters = s->waiters;
        t->pc = t->pc == P_LOAD   ? P_CAS
                : t->pc == W_LOAD ? (t->value ? W_CAS : W_COUNT)
                : t->value        ? S_CAS
                                  : S_SLEEP;
        break;
    case P_CAS:
    case W_CAS:
    case S_CAS:
        if (t->value != s->value || t->waiters != s->waiters) {
            t->pc--; /* load again */
            break;
        }
        if (t->pc == P_CAS) {
            s->value++;
            s->posts++;
            t->pc = t->waiters > 0 ? P_WAKE : END;
        } else {
            s->value--;
            s->waiters -= t->pc == S_CAS;
            t->took = 1;
            t->pc = END;
        }
        break;
    case P_WAKE: /* wakes one: the first or the last */
        for (int n = 0; n < threads; n++) {
            int w = choice ? threads - 1 - n : n;
            if (s->asleep >> w & 1) {
                s->asleep &= (uint8_t) ~(1u << w);
                s->t[w].pc = S_LOAD;
                break;
            }
        }
        t->pc = END;
        break;
    case W_COUNT:
        if (broken != 1)
            s->waiters++;
        t->pc = S_LOAD;
        break;
    case S_SLEEP: /* the kernel compares and queues in one step */
        if (s->value == 0 || broken == 2) {
            s->asleep |= (uint8_t)(1u << i);
            t->pc = S_ASLEEP;
        } else {
            t->pc = S_LOAD;
        }
        break;
    case S_ASLEEP:
        if (choice == 0)
            return STEP_BLOCKED;
        s->asleep &= (uint8_t) ~(1u << i);
        t->pc = S_GIVE_UP;
        break;
    case S_GIVE_UP:
        s->waiters--;
        t->pc = END;
        break;
    }
    t->value = t->pc == P_CAS || t->pc == W_CAS || t->pc == S_CAS ? t->value : 0; /* fewer states */
    t->waiters = t->pc == P_CAS || t->pc == W_CAS || t->pc == S_CAS ? t->waiters : 0;
    return STEP_DONE;
}

static const char *check(const void *p) {
    const struct state *s = p;
    int took = 0;
    for (int i = 0; i < threads; i++)
        took += s->t[i].took;
    if (s->value < 0 || s->waiters < 0)
        return "below zero";
    return took + s->value != s->posts ? "a post was lost or taken twice" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    return s->waiters != 0 ? "waiters are counted that are gone" : NULL;
}

static const struct model model = {sizeof(struct state), 0, step, 2, check, check_end};

static struct state start(const char *kinds) {
    struct state s;
    memset(&s, 0, sizeof s);
    for (threads = 0; kinds[threads]; threads++) {
        char k = kinds[threads];
        s.t[threads].kind = k == 'p' ? POSTER : k == 'w' ? WAITER : GIVER_UP;
        s.t[threads].pc = k == 'p' ? P_LOAD : W_LOAD;
    }
    return s;
}

static void run(const char *kinds, int how) {
    struct state s = start(kinds);
    struct model m = model;
    m.threads = threads;
    broken = how;
    char name[100];
    snprintf(name, sizeof name, "semaphore, threads %s", kinds);
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

/*
 * p posts, w waits, g waits and may give up.  As many posts as plain waiters plus givers-up, so that all can
 * end.
 */
int main(void) {
    run("pw", 0);
    run("ppww", 0);
    run("ppwg", 0);
    run("ppgw", 0);
    run("ppgg", 0);
    run("pw", 1);
    run("pw", 2);
    return done();
}
