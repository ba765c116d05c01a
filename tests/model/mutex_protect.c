/*
 * The protocol of lib/libthread_1to1/mutex_protect.c, every order of steps: one owner at a time, with the
 * ceiling that the mutex has; whoever waits gets it, is refused by a new ceiling, or gives up; nobody sleeps
 * for ever.
 */
#include "explore.h"

enum { MOST = 4 };
enum { LOW, HIGH };              /* the two ceilings */
enum { FREE, LOCKED, SLEEPERS }; /* as in mutex_protect.c */
enum { END, ASK, LOOK, CAS, SLEEP, ASLEEP, OWN, CHANGE, CHANGE_WAKE, UNLOCK, WAKE, STORE, WAKE_ALL };

struct word {
    uint8_t ceiling, state;
};
struct thread {
    char kind; /* l: locks; h: is above LOW; t: has a deadline; d, u: sets the ceiling LOW, HIGH; r: as d, as
                  owner */
    uint8_t pc, ceiling, state;
    struct word seen;
};
struct state {
    struct word w;
    struct thread t[MOST];
};

static int threads, broken;

static int equal(struct word a, struct word b) {
    return a.ceiling == b.ceiling && a.state == b.state;
}

static int sets(const struct thread *t) {
    return t->kind == 'd' || t->kind == 'u';
}

static struct word want(const struct thread *t) {
    return (struct word){t->ceiling, t->seen.state == FREE ? t->state : SLEEPERS};
}

/* It has just seen the word: where the loop of take() goes. */
static void judge(struct thread *t) {
    if (t->seen.ceiling != t->ceiling && broken != 4)
        t->pc = ASK;
    else
        t->pc = equal(want(t), t->seen) ? SLEEP : CAS;
}

static void wake(struct thread *t) {
    t->state = SLEEPERS;
    if (broken == 1)
        t->state = LOCKED;
    t->pc = LOOK;
}

static enum outcome step(void *p, int i, int choice) {
    struct state *s = p;
    struct thread *t = &s->t[i];
    if (t->pc == END)
        return STEP_FINISHED;
    int sleepers = s->w.state == SLEEPERS;
    if (choice != 0 && t->pc != WAKE && !(choice == 1 && t->pc == ASLEEP && t->kind == 't'))
        return STEP_BLOCKED;
    switch (t->pc) {
    case ASK:
        t->ceiling = s->w.ceiling;
        t->pc = t->kind == 'h' && t->ceiling == LOW ? END : LOOK;
        break;
    case LOOK:
        t->seen = s->w;
        judge(t);
        break;
    case CAS:
        if (equal(s->w, t->seen)) {
            s->w = want(t);
            t->pc = t->seen.state != FREE ? SLEEP : sets(t) ? STORE : OWN;
        } else {
            t->seen = s->w;
            judge(t);
        }
        break;
    case SLEEP: /* the kernel compares and queues in one step */
        if (equal(s->w, (struct word){t->ceiling, SLEEPERS}))
            t->pc = ASLEEP;
        else
            wake(t);
        break;
    case ASLEEP:
        if (choice == 0)
            return STEP_BLOCKED;
        t->pc = END;
        break;
    case OWN:
        t->pc = t->kind == 'r' ? CHANGE : UNLOCK;
        break;
    case CHANGE: /* a recursive mutex's owner: the state stays */
        s->w.ceiling = t->ceiling = LOW;
        t->pc = broken == 3 ? UNLOCK : CHANGE_WAKE;
        break;
    case UNLOCK:
        s->w.state = FREE;
        t->pc = sleepers ? WAKE : END;
        break;
    case WAKE: { /* any one of them */
        int n = choice;
        for (int k = 0; k < threads; k++)
            if (s->t[k].pc == ASLEEP && n-- == 0)
                wake(&s->t[k]);
        if (n >= 0 && choice > 0)
            return STEP_BLOCKED; /* there are not so many */
        t->pc = END;
        break;
    }
    case STORE:
        s->w = (struct word){t->kind == 'u' ? HIGH : LOW, FREE};
        t->pc = broken == 2 && !sleepers ? END : WAKE_ALL;
        break;
    case CHANGE_WAKE:
    case WAKE_ALL:
        for (int k = 0; k < threads; k++)
            if (s->t[k].pc == ASLEEP)
                wake(&s->t[k]);
        t->pc = t->pc == WAKE_ALL ? END : UNLOCK;
        break;
    }
    if (t->pc != CAS) /* fewer states */
        t->seen = (struct word){0, 0};
    if (t->pc == END || t->pc == ASK)
        t->ceiling = 0;
    if (t->pc == END)
        t->state = 0;
    return STEP_DONE;
}

static const char *check(const void *p) {
    const struct state *s = p;
    int owners = 0;
    for (int i = 0; i < threads; i++) {
        const struct thread *t = &s->t[i];
        if (t->pc < OWN || t->pc == WAKE || t->pc == WAKE_ALL)
            continue;
        owners++;
        if (t->ceiling != s->w.ceiling)
            return "an owner without the mutex's ceiling";
    }
    return owners > 1 ? "two owners" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    return s->w.state != FREE ? "the mutex is not free" : NULL;
}

static struct state start(const char *kinds) {
    struct state s;
    memset(&s, 0, sizeof s);
    s.w.ceiling = HIGH;
    threads = (int)strlen(kinds);
    for (int i = 0; i < threads; i++) {
        s.t[i].kind = kinds[i];
        s.t[i].pc = ASK;
        s.t[i].state = LOCKED;
    }
    return s;
}

static struct model model(void) {
    return (struct model){sizeof(struct state), threads, step, MOST, check, check_end};
}

static void good(const char *kinds) {
    struct state s = start(kinds);
    struct model m = model();
    explore_ok(&m, &s, kinds);
}

static void bad(int how, const char *kinds, const char *name) {
    struct state s = start(kinds);
    struct model m = model();
    broken = how;
    explore_not_ok(&m, &s, name);
    broken = 0;
}

int main(void) {
    static const char *const mixes[] = {"lll",  "llll", "lhd",  "lhhd", "lldh", "lthd", "ttll", "llth",
                                        "ltdu", "hhdu", "lhdu", "llhr", "lhrt", "lhdr", "hhrr", "dduu"};
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        good(mixes[i]);
    bad(1, "lll", "who has slept takes it as if nobody else did");
    bad(2, "llhd", "setprioceiling wakes sleepers only if the word says so");
    bad(3, "llhr", "an owner's setprioceiling wakes nobody");
    bad(4, "lld", "a thread takes the word with any ceiling");
    return done();
}
