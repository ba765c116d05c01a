/*
 * The protocol of lib/libmn/sched/enter.h and take.c, every order of steps: entering the runtime, seizing a
 * cpu, handing it off.
 *
 * Two workers, one cpu, one thread that enters `rounds` times, wherever it is; a thief that seizes, and
 * somebody who hands the cpu off.  Each of them has a buffer of stores that others do not see yet (TSO), since
 * the argument is Dekker's: it empties by itself, at an atomic operation, and when a heavy barrier comes round,
 * which visits one after the other.  A light barrier is nothing.
 *
 * Found out are: two who have the cpu, an update of its data that is not seen, a worker that leaves for
 * another, a worker that sleeps for ever or could not be taken ever again, a lost thread.
 */
#include <stdbool.h>

#include "explore.h"
#include "store_buffer.h"

enum { WORKERS = 2, THIEF = 2, GIVER = 3, ALL = 4 };
enum { SEIZED = 1, AWAY = 2, FENCE = 4, WAITED = 8 };
enum { INSIDE, TAKEN = INSIDE + WORKERS, CPU = TAKEN + WORKERS, WORKER = CPU + WORKERS, CURRENT, DATA, WORDS };
enum pc {
    /* workers: the loop, a thread in its own code, mni_enter, mni_enter_slow, wait_unmarked */
    W_CPU, W_ENTER, W_FENCE, W_LOOK, W_PICK, W_IDLE, W_LEAVE, W_OUT, E_LOOK, S_LOOK, S_AGAIN,
    U_OUT, U_MARK, U_CPU, U_SLEEP, U_ASLEEP,
    U_IN, U_FENCE, T_IN, T_LEAVE, G_OUT, L_PUSH, L_OUT, L_CLEAR, L_SPARE,
    /* who takes: mark, then what it is for, then unmark */
    M_SPARE, M_WORKER, M_TAKEN, M_INSIDE, M_CAS, M_BARRIER, M_CHECK, M_CHECK2, M_MINE, M_UNMARK, M_WAKE,
    M_GIVE1, M_GIVE2, M_GIVE3, M_CLEAR,
    M_NEXT, END
};
enum {
    GOOD,
    NO_BARRIER,    /* a mark without the heavy barrier */
    NO_FENCE,      /* no membarrier here, and mni_enter_slow has no fence */
    NO_CHECK,      /* the mark's holder does not look whether worker and cpu still belong together */
    NO_WAKE,       /* a mark is cleared, and who waits is not woken */
    CPU_LATE,      /* a hand-off takes the cpu away after it has looked for WAITED */
    CPU_FIRST,     /* the new worker has the cpu before the cpu has the new worker */
    WAITED_STAYS,  /* a worker that lost its cpu clears AWAY alone */
    AWAY_STAYS,    /* or nothing */
    LOOK_ONCE,     /* after it has waited a worker does not look at the mark again */
};

struct process {
    struct stores stores;
    uint8_t pc;
    uint8_t loop;           /* a worker: in its own loop, not in a thread */
    uint8_t target, seen, rounds, spare, asleep, owns, woken;
};
struct state {
    uint8_t word[WORDS];
    uint8_t ready, left, changes, spares; /* left: what the thread has still to do */
    struct process p[ALL];
};

static int broken, fence;

STORE_BUFFERS(struct state)

/* What the cpu is there for. */
static void change(struct state *s, int i) {
    store(s, i, DATA, load(s, i, DATA) + 1);
    s->changes++;
}

static const char *mistake;

static void leave(struct state *s, int i) {
    struct process *p = &s->p[i];
    if (load(s, i, WORKER) != i + 1)
        mistake = "a worker leaves for another";
    store(s, i, INSIDE + i, 0);
    p->owns = 0;
}

static enum outcome worker(struct state *s, int i, int choice) {
    struct process *p = &s->p[i];
    if (choice && p->pc != U_ASLEEP)
        return STEP_BLOCKED;
    switch (p->pc) {
    case W_CPU: /* wait_for_cpu */
        if (load(s, i, CPU + i))
            p->pc = W_ENTER;
        else if (s->left == 0)
            p->pc = END;
        else
            return STEP_BLOCKED;
        break;
    case W_ENTER: /* mni_enter_loop */
        p->loop = 1;
        store(s, i, INSIDE + i, 1);
        p->pc = W_FENCE;
        break;
    case W_FENCE:
        flush(s, i);
        p->pc = W_LOOK;
        break;
    case W_LOOK:
        p->seen = load(s, i, TAKEN + i);
        if (p->seen & (SEIZED | AWAY)) {
            p->pc = load(s, i, CPU + i) ? U_OUT : L_PUSH;
        } else {
            p->owns = 1;
            p->pc = W_PICK;
        }
        break;
    case W_PICK:
        if (s->ready) {
            s->ready = 0;
            store(s, i, CURRENT, 1);
            change(s, i);
            p->loop = 0;
            p->pc = W_LEAVE;
        } else {
            leave(s, i);
            p->pc = W_IDLE;
        }
        break;
    case W_IDLE: /* its sleep is another model's */
        if (s->ready)
            p->pc = W_ENTER;
        else if (s->left == 0)
            p->pc = END;
        else
            return STEP_BLOCKED;
        break;
    case W_LEAVE:
        leave(s, i);
        p->pc = W_OUT;
        break;
    case W_OUT: /* mni_enter */
        store(s, i, INSIDE + i, 1);
        p->pc = E_LOOK;
        break;
    case E_LOOK:
        p->owns = load(s, i, TAKEN + i) == 0;
        p->pc = p->owns ? T_IN : S_LOOK;
        break;
    case S_LOOK: /* mni_enter_slow */
        p->seen = load(s, i, TAKEN + i);
        if (p->seen & AWAY && load(s, i, CPU + i) == 0) {
            p->pc = G_OUT;
        } else if (p->seen & (SEIZED | AWAY)) {
            p->pc = U_OUT;
        } else if (p->seen & FENCE && broken != NO_FENCE) {
            flush(s, i);
            p->pc = S_AGAIN;
        } else {
            p->owns = 1;
            p->pc = T_IN;
        }
        break;
    case S_AGAIN:
        p->owns = load(s, i, TAKEN + i) == p->seen;
        p->pc = p->owns ? T_IN : S_LOOK;
        break;
    case U_OUT: /* wait_unmarked */
        p->seen &= (uint8_t)~WAITED;
        store(s, i, INSIDE + i, 0);
        p->pc = U_MARK;
        break;
    case U_MARK:
        flush(s, i);
        p->pc = U_IN;
        if (s->word[TAKEN + i] == p->seen) {
            s->word[TAKEN + i] |= WAITED;
            p->pc = U_CPU;
        }
        break;
    case U_CPU:
        p->pc = load(s, i, CPU + i) ? U_SLEEP : U_IN;
        break;
    case U_SLEEP:
        p->asleep = s->word[TAKEN + i] == (p->seen | WAITED);
        p->pc = p->asleep ? U_ASLEEP : U_IN;
        break;
    case U_ASLEEP: /* the choice: a wake-up that means nothing */
        if (p->asleep && !choice)
            return STEP_BLOCKED;
        p->asleep = 0;
        p->pc = U_IN;
        break;
    case U_IN:
        store(s, i, INSIDE + i, 1);
        p->pc = U_FENCE;
        break;
    case U_FENCE:
        flush(s, i);
        p->seen = 0;
        p->pc = p->loop ? W_LOOK : S_LOOK;
        if (broken == LOOK_ONCE && load(s, i, CPU + i)) {
            p->owns = 1;
            p->pc = p->loop ? W_PICK : T_IN;
        }
        break;
    case T_IN: /* the thread in the runtime; at its end the loop follows */
        change(s, i);
        if (--s->left == 0) {
            store(s, i, CURRENT, 0);
            p->loop = 1;
            p->pc = W_PICK;
        } else {
            p->pc = T_LEAVE;
        }
        break;
    case T_LEAVE:
        leave(s, i);
        p->pc = W_OUT;
        break;
    case G_OUT: /* give_up, then loop() */
        store(s, i, INSIDE + i, 0);
        p->loop = 1;
        p->pc = L_PUSH;
        break;
    case L_PUSH:
        flush(s, i);
        if (s->ready)
            mistake = "there are two of the thread";
        s->ready = 1;
        p->pc = L_OUT;
        break;
    case L_OUT:
        store(s, i, INSIDE + i, 0);
        p->pc = L_CLEAR;
        break;
    case L_CLEAR:
        flush(s, i);
        if (broken != AWAY_STAYS)
            s->word[TAKEN + i] &= (uint8_t) ~(broken == WAITED_STAYS ? AWAY : AWAY | WAITED);
        p->pc = L_SPARE;
        break;
    case L_SPARE: /* under a lock */
        s->spares |= (uint8_t)(1 << i);
        p->seen = 0;
        p->pc = W_CPU;
        break;
    }
    return STEP_DONE;
}

static enum outcome taker(struct state *s, int i) {
    struct process *p = &s->p[i];
    int how = i == THIEF ? SEIZED : AWAY, w = p->target - 1;
    switch (p->pc) {
    case M_SPARE: /* under a lock */
        p->spare = s->spares & 1 ? 1 : s->spares & 2 ? 2 : 0;
        if (i == GIVER && !p->spare) {
            p->pc = M_NEXT;
            break;
        }
        if (i == GIVER)
            s->spares &= (uint8_t)~p->spare;
        p->pc = M_WORKER;
        break;
    case M_WORKER:
        p->target = load(s, i, WORKER);
        p->pc = M_TAKEN;
        break;
    case M_TAKEN:
        p->seen = load(s, i, TAKEN + w);
        p->pc = p->seen & ~FENCE ? M_NEXT : M_INSIDE;
        break;
    case M_INSIDE:
        p->pc = load(s, i, INSIDE + w) ? M_NEXT : M_CAS;
        break;
    case M_CAS:
        flush(s, i);
        p->pc = M_NEXT;
        if (s->word[TAKEN + w] == p->seen) {
            s->word[TAKEN + w] |= (uint8_t)how;
            p->pc = broken == NO_BARRIER ? M_CHECK : M_BARRIER;
        }
        p->seen = 0;
        break;
    case M_BARRIER: /* the fence of the caller's own stands for it where there is none */
        if (!fence)
            flush(s, p->seen);
        if (fence || ++p->seen == ALL) {
            p->seen = 0;
            p->pc = M_CHECK;
        }
        break;
    case M_CHECK:
        p->pc = load(s, i, INSIDE + w) ? M_UNMARK : M_CHECK2;
        break;
    case M_CHECK2:
        p->owns = broken == NO_CHECK || (load(s, i, WORKER) == p->target && load(s, i, CPU + w));
        p->pc = p->owns ? M_MINE : M_UNMARK;
        break;
    case M_MINE:
        change(s, i);
        if (i == GIVER && load(s, i, CURRENT)) {
            store(s, i, CURRENT, 0);
            p->pc = M_GIVE1;
        } else {
            p->pc = M_UNMARK;
        }
        break;
    case M_UNMARK:
        flush(s, i);
        p->owns = 0;
        p->woken = s->word[TAKEN + w] & WAITED;
        s->word[TAKEN + w] &= (uint8_t) ~(how | WAITED);
        p->pc = M_WAKE;
        break;
    case M_WAKE:
        if (p->woken && broken != NO_WAKE)
            s->p[w].asleep = 0;
        p->pc = M_NEXT;
        break;
    case M_GIVE1: /* the cpu is not touched any more once the new worker has it */
        if (broken == CPU_FIRST) {
            p->owns = 0;
            store(s, i, CPU + p->spare - 1, 1);
        } else {
            store(s, i, WORKER, p->spare);
        }
        p->pc = M_GIVE2;
        break;
    case M_GIVE2:
        p->owns = 0;
        if (broken == CPU_FIRST)
            store(s, i, WORKER, p->spare);
        else
            store(s, i, CPU + p->spare - 1, 1);
        p->spare = 0;
        p->pc = broken == CPU_LATE ? M_CLEAR : M_GIVE3;
        break;
    case M_GIVE3:
        store(s, i, CPU + w, 0);
        p->pc = broken == CPU_LATE ? M_NEXT : M_CLEAR;
        break;
    case M_CLEAR:
        flush(s, i);
        p->woken = s->word[TAKEN + w] & WAITED;
        s->word[TAKEN + w] &= (uint8_t)~WAITED;
        if (p->woken && broken != NO_WAKE) /* nobody would see the step between */
            s->p[w].asleep = 0;
        p->pc = broken == CPU_LATE ? M_GIVE3 : M_NEXT;
        break;
    case M_NEXT:
        flush(s, i); /* the lock of the spares */
        if (i == GIVER)
            s->spares |= p->spare;
        p->target = p->seen = p->spare = p->woken = 0;
        p->pc = --p->rounds ? M_SPARE : END;
        break;
    }
    return STEP_DONE;
}

/* Each process, then each buffer. */
static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    if (i >= ALL) {
        struct process *p = &s->p[i - ALL];
        if (!p->stores.n)
            return p->pc == END ? STEP_FINISHED : STEP_BLOCKED;
        if (choice)
            return STEP_BLOCKED;
        flush_one(s, i - ALL);
        return STEP_DONE;
    }
    if (s->p[i].pc == END)
        return STEP_FINISHED;
    if (i < WORKERS)
        return worker(s, i, choice);
    return choice ? STEP_BLOCKED : taker(s, i);
}

static const char *check(const void *state) {
    const struct state *s = state;
    int owners = 0;
    for (int i = 0; i < ALL; i++)
        owners += s->p[i].owns;
    return owners > 1 ? "two have the cpu" : mistake;
}

static const char *check_end(const void *state) {
    const struct state *s = state;
    if (s->ready || s->left)
        return "the thread is lost";
    if (s->word[DATA] != s->changes)
        return "a change of the cpu's data is lost";
    for (int i = 0; i < WORKERS; i++) {
        if (s->word[TAKEN + i] != (fence ? FENCE : 0))
            return "a mark is left: nobody can take this worker again";
        if (s->word[INSIDE + i])
            return "a worker is inside for ever";
    }
    return s->word[CPU] == s->word[CPU + 1] ? "not one worker has the cpu" : NULL;
}

static void run(int rounds, int seizes, int gives, int in_fence, int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, 2 * ALL, step, 2, check, check_end};
    broken = how;
    fence = in_fence;
    mistake = NULL;
    s.ready = 1;
    s.left = (uint8_t)rounds;
    s.spares = 2;
    s.word[WORKER] = 1;
    s.word[CPU] = 1;
    s.word[TAKEN] = s.word[TAKEN + 1] = fence ? FENCE : 0;
    s.p[0].pc = s.p[1].pc = W_CPU;
    s.p[THIEF].rounds = (uint8_t)seizes;
    s.p[GIVER].rounds = (uint8_t)gives;
    s.p[THIEF].pc = seizes ? M_SPARE : END;
    s.p[GIVER].pc = gives ? M_SPARE : END;
    char text[160];
    snprintf(text, sizeof text, "taking a cpu%s, %d entries, seized %d times, handed off %d times%s%s",
             fence ? " without membarrier" : "", rounds, seizes, gives, name ? ": " : "", name ? name : "");
    if (how)
        explore_not_ok(&m, &s, text);
    else
        explore_ok(&m, &s, text);
}

int main(void) {
    for (int f = 0; f < 2; f++) {
        run(2, 2, 0, f, GOOD, NULL);
        run(2, 0, 2, f, GOOD, NULL);
        run(2, 1, 1, f, GOOD, NULL);
    }
    run(2, 1, 0, 0, NO_BARRIER, "no heavy barrier");
    run(2, 1, 0, 1, NO_FENCE, "no fence");
    run(2, 1, 1, 0, NO_CHECK, "a worker that has lost the cpu is marked for it");
    run(2, 1, 0, 0, NO_WAKE, "a waiting worker is not woken");
    run(2, 0, 1, 0, CPU_LATE, "the cpu goes after the look for who waits");
    run(2, 0, 1, 0, CPU_FIRST, "the new worker may run before it is the cpu's");
    run(2, 0, 1, 0, WAITED_STAYS, "WAITED stays");
    run(2, 0, 2, 0, AWAY_STAYS, "AWAY stays");
    run(2, 1, 0, 0, LOOK_ONCE, "a worker that waited does not look again");
    return done();
}
