/*
 * The protocol of lib/libmn/sync/mutex.c, every order of steps: one owner at a time, and nobody is forgotten,
 * although an unlock reads the flags and frees the mutex in two steps.  What is under the mutex's lock is one
 * step, except where the owner changes meanwhile.  A lookout's look is a step that is always possible; the
 * deadline of a thread that gives up, the end of a turn, and whether the owner seems to rest, are choices.
 */
#include <stdbool.h>

#include "explore.h"

enum { MOST = 4, NOBODY = 0 };
enum { QUEUE = 1, CALLED = 2, URGENT = 4 };
enum { LOOKOUT = 1, MOVED = 2, GOT = 4, CALL = 8 };
enum pc {
    L_CAS,
    S_LOCK,
    S_TRY,
    S_QUEUE,
    S_RECHECK,
    S_ASLEEP,
    S_WOKEN,
    S_TIME,
    IN,
    U_LOCK,
    U_FREE,
    WAKE,
    A_CLAIM,
    A_LOCK,
    END
};
enum { GOOD, SILENT_LEAVER, NO_LOOKOUT, ADOPT_ALWAYS, HEIR_STAYS_CALLED, NO_WAKE };

struct thread {
    uint8_t kind, pc, rounds, flags, tag, queued, claimed, lookout, called, stuck, patient, handed, gives_up,
        wake, recheck;
};
struct state {
    uint8_t owner, flags, lock, handed, queue[MOST], waiting; /* threads are 1 to MOST, 0 is nobody */
    struct thread t[MOST];
};

static int threads, broken, brisk;

static void put(struct state *s, int i, int first, int tag) {
    for (int n = s->waiting; first && n > 0; n--)
        s->queue[n] = s->queue[n - 1];
    s->queue[first ? 0 : s->waiting] = (uint8_t)i;
    s->waiting++;
    s->t[i - 1].queued = 1;
    s->t[i - 1].tag = (uint8_t)tag;
}

static void take_out(struct state *s, int i) {
    if (!s->t[i - 1].queued)
        return;
    int n = 0;
    while (s->queue[n] != i)
        n++;
    for (s->waiting--; n < s->waiting; n++)
        s->queue[n] = s->queue[n + 1];
    s->queue[s->waiting] = NOBODY;
    s->t[i - 1].queued = 0;
}

static void set_flags(struct state *s, int others) {
    s->flags = (uint8_t)(others | (s->waiting ? QUEUE : 0));
}

static int take_first(struct state *s) {
    while (s->waiting) {
        int i = s->queue[0];
        struct thread *t = &s->t[i - 1];
        take_out(s, i);
        if (t->tag & MOVED || (t->pc == S_ASLEEP && !t->claimed)) {
            t->claimed = 1;
            return i;
        }
    }
    return NOBODY;
}

static int take_heir(struct state *s) {
    int lookout = s->waiting > 1 ? s->queue[0] : NOBODY;
    if (!lookout || !brisk || !(s->t[lookout - 1].tag & LOOKOUT))
        return take_first(s);
    take_out(s, lookout);
    int w = take_first(s);
    put(s, lookout, 1, s->t[lookout - 1].tag);
    return w ? w : take_first(s);
}

/* The next thing of a thread that has done its part. */
static void go_on(struct thread *t) {
    t->lookout = t->called = t->stuck = t->patient = t->handed = t->flags = t->tag = t->claimed = t->wake =
        t->recheck = 0;
    t->pc = --t->rounds ? L_CAS : END;
}

static void own(struct state *s, int i) {
    struct thread *t = &s->t[i - 1];
    s->owner = (uint8_t)i;
    take_out(s, i);
    t->lookout = t->called = t->stuck = t->patient = t->handed = t->tag = t->claimed = t->recheck = 0;
    t->pc = IN;
}

static void wake(struct thread *t, int whom) {
    t->wake = (uint8_t)whom;
    t->pc = WAKE;
}

static enum outcome look(struct state *s, int i, int choice) {
    struct thread *t = &s->t[i - 1];
    if (t->claimed || !(choice ? t->gives_up : t->lookout))
        return STEP_BLOCKED;
    t->pc = S_TIME;
    t->flags = (uint8_t)choice;
    return STEP_DONE;
}

/* The lock is held: after a wait that ended by itself. */
static void after_time(struct state *s, int i) {
    struct thread *t = &s->t[i - 1];
    int gives_up = t->flags;
    t->flags = 0;
    t->lookout = t->lookout && t->tag & LOOKOUT;
    t->called = t->called && t->lookout;
    if (!gives_up) {
        t->stuck = t->lookout && t->handed == s->handed;
        t->patient = t->lookout && !t->stuck && brisk && t->queued;
        t->pc = S_TRY;
        return;
    }
    take_out(s, i);
    int w = NOBODY;
    if (t->lookout && broken != SILENT_LEAVER) {
        w = take_first(s);
        if (w)
            s->t[w - 1].tag = CALL;
        set_flags(s, w ? CALLED : 0);
    } else {
        set_flags(s, s->flags & (t->lookout ? URGENT : CALLED | URGENT));
    }
    s->lock = 0;
    t->rounds = 1;
    wake(t, w);
}

static void queue_up(struct state *s, int i, int owner_rests) {
    struct thread *t = &s->t[i - 1];
    int first = s->waiting ? s->queue[0] : NOBODY, flags = s->flags;
    if (!t->queued) {
        if (!t->lookout && broken != NO_LOOKOUT &&
            (!first || (brisk && (s->t[first - 1].tag & LOOKOUT || !(flags & CALLED))))) {
            t->lookout = 1;
            if (first)
                s->t[first - 1].tag &= (uint8_t)~LOOKOUT;
            flags |= brisk ? CALLED : 0;
        }
        put(s, i, t->called, t->lookout ? LOOKOUT : 0);
    }
    if (owner_rests)
        flags &= ~CALLED;
    set_flags(s, (flags & (CALLED | URGENT)) | (t->stuck ? URGENT : 0));
    t->recheck = !t->patient && !first;
    t->pc = S_RECHECK;
}

static void pass_on(struct state *s, struct thread *t) {
    int hand = t->flags & (CALLED | URGENT), flags = s->flags;
    int w = hand ? take_heir(s) : !(flags & CALLED) ? take_first(s) : NOBODY;
    struct thread *heir = w ? &s->t[w - 1] : NULL;
    if (w && hand) {
        flags &= heir->tag & LOOKOUT && broken != HEIR_STAYS_CALLED ? ~(CALLED | URGENT) : ~URGENT;
        heir->tag = GOT;
        s->handed++;
        s->owner = (uint8_t)w;
    } else if (w) {
        heir->tag = CALL;
        flags |= CALLED;
    }
    set_flags(s, flags & (CALLED | URGENT));
    s->lock = 0;
    t->flags = 0;
    t->wake = (uint8_t)w;
    t->pc = w && hand ? WAKE : U_FREE;
}

static void adopt(struct state *s, int i) {
    struct thread *t = &s->t[i - 1];
    int w = t->wake;
    if (s->flags & (QUEUE | CALLED) || s->owner == i || broken == ADOPT_ALWAYS) {
        put(s, w, 0, MOVED);
        set_flags(s, s->flags & (CALLED | URGENT));
        w = NOBODY;
    } else {
        s->t[w - 1].tag = CALL;
        set_flags(s, s->flags | CALLED);
    }
    s->lock = 0;
    t->wake = 0;
    if (s->owner == i) {
        t->pc = IN;
        t->kind = 'l'; /* done with that */
    } else {
        wake(t, w);
    }
}

static enum outcome step(void *p, int n, int choice) {
    struct state *s = p;
    struct thread *t = &s->t[n];
    int i = n + 1;
    if (t->pc == END)
        return STEP_FINISHED;
    if (choice && t->pc != S_ASLEEP && t->pc != IN && !(t->pc == S_QUEUE && t->called))
        return STEP_BLOCKED;
    switch (t->pc) {
    case L_CAS:
        if (s->owner == NOBODY)
            own(s, i);
        else
            t->pc = S_LOCK;
        break;
    case S_LOCK:
    case S_TIME:
    case U_LOCK:
    case A_LOCK:
        if (s->lock)
            return STEP_BLOCKED;
        s->lock = (uint8_t)i;
        if (t->pc == S_LOCK) {
            t->stuck = t->stuck && t->handed == s->handed;
            t->pc = S_TRY;
        } else if (t->pc == S_TIME)
            after_time(s, i);
        else if (t->pc == U_LOCK)
            pass_on(s, t);
        else
            adopt(s, i);
        break;
    case S_TRY:
        if (s->owner == NOBODY && !t->patient) {
            int flags = t->lookout ? 0 : s->flags & (CALLED | URGENT);
            own(s, i);
            set_flags(s, flags);
            s->lock = 0;
        } else {
            t->pc = S_QUEUE;
        }
        break;
    case S_QUEUE:
        queue_up(s, i, choice);
        break;
    case S_RECHECK: /* then it sleeps, and drops the lock */
        if (t->recheck && s->owner == NOBODY) {
            own(s, i);
            set_flags(s, 0);
        } else {
            t->recheck = 0;
            t->handed = s->handed;
            t->claimed = 0;
            t->pc = S_ASLEEP;
        }
        s->lock = 0;
        break;
    case S_ASLEEP:
        return look(s, i, choice);
    case S_WOKEN:
        t->claimed = 0;
        if (t->tag & GOT) {
            own(s, i);
        } else {
            t->stuck = t->called;
            t->lookout = t->called = 1;
            t->patient = t->tag = 0;
            t->pc = S_LOCK;
        }
        break;
    case IN: /* and the first step of unlock; the choice is the end of a turn */
        if (t->kind == 'S') {
            t->pc = A_CLAIM;
            break;
        }
        t->flags = s->flags;
        if (choice && !(t->flags & QUEUE))
            return STEP_BLOCKED;
        t->pc = t->flags & QUEUE && (!(t->flags & CALLED) || t->flags & URGENT || choice) ? U_LOCK : U_FREE;
        if (t->pc == U_FREE)
            t->flags = 0;
        break;
    case U_FREE:
        s->owner = NOBODY;
        t->pc = WAKE;
        break;
    case WAKE:
        if (t->wake && broken != NO_WAKE)
            s->t[t->wake - 1].pc = S_WOKEN;
        go_on(t);
        break;
    case A_CLAIM: /* a signal: the thread that waits for it, if it does */
        for (int w = 0; w < threads; w++)
            if (s->t[w].kind == 'c' && !s->t[w].claimed) {
                s->t[w].claimed = 1;
                s->t[w].kind = 'l';
                t->wake = (uint8_t)(w + 1);
                break;
            }
        t->pc = t->wake ? A_LOCK : WAKE;
        break;
    }
    return STEP_DONE;
}

static const char *check(const void *p) {
    const struct state *s = p;
    int inside = 0;
    for (int i = 0; i < threads; i++) {
        int pc = s->t[i].pc;
        bool owns = pc == IN || pc == U_FREE || pc == U_LOCK;
        inside += owns;
        if (owns && s->owner != i + 1)
            return "a thread is inside, and not the owner";
    }
    return inside > 1 ? "two are inside" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    if (s->owner || s->lock || s->waiting)
        return "it is not free";
    return s->flags ? "flags are left" : NULL;
}

/*
 * l locks, twice if upper case; g may give up; c waits for a signal; s signals without the mutex, S with it.
 */
static void run(const char *kinds, int in_brisk, int how) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, 0, step, 2, check, check_end};
    for (threads = 0; kinds[threads]; threads++) {
        struct thread *t = &s.t[threads];
        char k = kinds[threads];
        t->kind = (uint8_t)k;
        t->rounds = k == 'L' || k == 'G' ? 2 : 1;
        t->gives_up = k == 'g' || k == 'G';
        t->pc = k == 'c' ? S_ASLEEP : k == 's' ? A_CLAIM : L_CAS;
    }
    m.threads = threads;
    brisk = in_brisk;
    broken = how;
    char name[100];
    snprintf(name, sizeof name, "mutex of libmn, threads %s%s", kinds, brisk ? ", brisk" : "");
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    for (int b = 0; b < 2; b++) {
        run("LL", b, GOOD);
        run("LLl", b, GOOD);
        run("LLg", b, GOOD);
        run("lgg", b, GOOD);
        run("llgg", b, GOOD);
        run("lcs", b, GOOD);
        run("lgcs", b, GOOD);
        run("lgcS", b, GOOD);
        run("ccsS", b, GOOD);
    }
    run("llg", 0, SILENT_LEAVER);
    run("ll", 0, NO_LOOKOUT);
    run("lcs", 0, ADOPT_ALWAYS);
    run("Lll", 1, HEIR_STAYS_CALLED);
    run("ll", 0, NO_WAKE);
    return done();
}
