/* timeout: 300 */
/*
 * Beginning and end of solo mode (lib/libmn/sched/solo_mode.c), every order of steps.
 *
 * Two workers, or one, each of which makes some calls, tries to begin solo mode, or sleeps and wakes; a foreign
 * LWP that makes a call, rests, and comes again; sysmon, who comes once; a taker, who marks a worker (take.c)
 * and makes a call in its stead.  A call changes a word: by one step, or, where the caller finds solo mode on,
 * by a load and a store.  Each of them has a buffer of stores that others do not see yet (TSO): it empties by
 * itself, at an atomic operation, and when a heavy barrier comes round.
 *
 * Found out are: a change that is lost, since two were at the word; somebody who waits for ever.
 */
#include "explore.h"
#include "store_buffer.h"

#include <stdbool.h>

enum { WORKERS = 2, FOREIGN = 2, SYSMON = 3, TAKER = 4, ALL = 5, ROUNDS = 3 };
enum { ON = 1, BEGINS = 2, ENDS = 4, STATE = 7, MARK = 1, TELL = 2 };
enum {
    WORD,
    DATA,
    OWNER,
    PRESENT,
    VISITOR,
    INSIDE,
    TAKEN = INSIDE + WORKERS,
    IDLE = TAKEN + WORKERS,
    WORDS = IDLE + WORKERS
};
enum pc {
    /* workers */
    W_CHOOSE,
    W_ENTER,
    W_TAKEN,
    W_TOLD,
    W_KNOWS,
    W_SAYS,
    W_OUT,
    W_WAIT,
    W_DO,
    W_LEAVE,
    B_LOOK,
    B_BEGIN,
    B_INSIDE,
    B_IDLE,
    B_FOREIGN,
    B_VISITOR,
    B_OWNER,
    B_ON,
    S_REST,
    S_RESTED,
    S_IDLE,
    S_TOUCH,
    S_SLEEP,
    S_ASLEEP,
    S_TAKEN,
    S_OUT,
    S_BUSY,
    S_LOOK,
    /* the end */
    E_LOOK,
    E_CHANGE,
    E_IDLE,
    E_ASLEEP,
    E_TELL,
    E_BARRIER,
    E_WAIT,
    E_OVER,
    /* the others */
    F_COME,
    F_DO,
    F_REST,
    V_COME,
    V_LOOK,
    V_DO,
    V_GO,
    T_MARK,
    T_BARRIER,
    T_CHECK,
    T_DO,
    T_UNMARK,
    END
};
enum { D_NONE, D_STORE }; /* within a call: it was loaded, and is to be stored */
enum {
    GOOD,
    NO_BARRIER,  /* who ends it makes no barrier */
    NO_WAIT,     /* nor does it wait */
    LOOKS_FIRST, /* who begins looks at the others, and then begins */
    NO_FOREIGN,  /* or not at foreign LWPs */
    NO_VISITOR,  /* or not at sysmon */
    IDLE_ONLY,   /* or not whether others are inside */
    LOOKS_EARLY, /* a sleeper looks while it is idle still */
    NO_LOOK,     /* who was idle and did not sleep does not look */
    NO_COUNT,    /* the word has no count */
    MARK_FREE,   /* who has a mark is not waited for */
    RESTS_EARLY, /* a foreign LWP rests before its call has ended */
    STAYS_AWAY,  /* or does not come again for its next call */
    IDLE_IS_OUT, /* an owner that is idle is taken for asleep */
};

struct process {
    struct stores stores;
    uint8_t pc;
    uint8_t rounds, word, loaded, stage, back, tries, target;
};
struct state {
    uint8_t word[WORDS];
    uint8_t calls;
    struct process p[ALL];
};

static int broken;
static bool single; /* there is one cpu: its worker goes to sleep in solo mode, and touches its own timers */

STORE_BUFFERS(struct state)

static void barrier(struct state *s) {
    for (int i = 0; i < ALL; i++)
        flush(s, i);
}

static bool change(struct state *s, int i, uint8_t from, uint8_t to) {
    flush(s, i);
    if (s->word[WORD] != from)
        return false;
    s->word[WORD] = broken == NO_COUNT ? to : (uint8_t)((from | STATE) + 1 + to);
    return true;
}

/* A call: true when it is done. */
static bool act(struct state *s, int i) {
    struct process *p = &s->p[i];
    if (p->stage == D_STORE) {
        store(s, i, DATA, p->loaded + 1);
        p->stage = D_NONE;
        p->loaded = 0;
    } else if (load(s, i, WORD) & ON) {
        p->loaded = load(s, i, DATA);
        p->stage = D_STORE;
        return false;
    } else {
        flush(s, i);
        s->word[DATA]++;
    }
    s->calls++;
    return true;
}

static bool in_motion(const struct state *s, int i, int who) {
    return load(s, i, INSIDE + who) || (broken != MARK_FREE && load(s, i, TAKEN + who) & MARK);
}

/* mni_solo_end: goes on at p->back. */
static enum outcome end(struct state *s, int i) {
    struct process *p = &s->p[i];
    switch (p->pc) {
    case E_LOOK:
        p->word = load(s, i, WORD);
        p->pc = !(p->word & STATE) ? p->back : p->word & ENDS ? E_IDLE : E_CHANGE;
        break;
    case E_IDLE:
        p->pc = load(s, i, IDLE + load(s, i, OWNER)) ? E_ASLEEP : E_TELL;
        break;
    case E_ASLEEP:
        p->pc = broken != IDLE_IS_OUT && in_motion(s, i, load(s, i, OWNER)) ? E_TELL : E_OVER;
        break;
    case E_CHANGE:
        change(s, i, p->word, p->word & BEGINS ? 0 : ENDS);
        p->pc = E_LOOK;
        break;
    case E_TELL:
        flush(s, i);
        s->word[TAKEN + s->word[OWNER]] |= TELL;
        p->pc = E_BARRIER;
        break;
    case E_BARRIER:
        if (broken != NO_BARRIER)
            barrier(s);
        p->pc = broken == NO_WAIT ? E_OVER : E_WAIT;
        break;
    case E_WAIT:
        if (load(s, i, WORD) == p->word && in_motion(s, i, load(s, i, OWNER)))
            return STEP_BLOCKED;
        p->pc = E_OVER;
        break;
    default:
        change(s, i, p->word, 0);
        p->pc = E_LOOK;
        break;
    }
    if (p->pc == p->back) {
        p->word = 0;
        p->back = 0;
    }
    return STEP_DONE;
}

static void go_end(struct process *p, enum pc back) {
    p->pc = E_LOOK;
    p->back = (uint8_t)back;
}

static enum outcome worker(struct state *s, int i, int choice) {
    struct process *p = &s->p[i];
    const int other = 1 - i;
    if (choice && p->pc != W_CHOOSE)
        return STEP_BLOCKED;
    switch (p->pc) {
    case W_CHOOSE: /* a call, an attempt to begin, sleep, or nearly sleep */
        if (p->rounds == 0) {
            p->pc = END;
            break;
        }
        p->rounds--;
        p->tries = (uint8_t)choice;
        p->pc = W_ENTER;
        break;
    case W_ENTER:
        store(s, i, INSIDE + i, 1);
        p->pc = W_TAKEN;
        break;
    case W_TAKEN:
        p->pc = load(s, i, TAKEN + i) & MARK   ? W_OUT
                : load(s, i, TAKEN + i) & TELL ? W_TOLD
                : p->tries == 0                ? W_DO
                : p->tries == 1                ? B_LOOK
                                               : S_REST;
        break;
    case W_TOLD:
        flush(s, i);
        s->word[TAKEN + i] &= MARK;
        p->pc = W_KNOWS;
        break;
    case W_KNOWS:
        p->word = load(s, i, WORD);
        p->pc = p->word & ENDS ? W_SAYS : W_TAKEN;
        break;
    case W_SAYS:
        change(s, i, p->word, 0);
        p->pc = W_TAKEN;
        break;
    case W_OUT:
        store(s, i, INSIDE + i, 0);
        p->pc = W_WAIT;
        break;
    case W_WAIT:
        if (load(s, i, TAKEN + i) & MARK)
            return STEP_BLOCKED;
        p->pc = W_ENTER;
        break;
    case W_DO:
        if (act(s, i))
            p->pc = W_LEAVE;
        break;
    case W_LEAVE:
        store(s, i, INSIDE + i, 0);
        p->word = p->tries = 0;
        p->pc = W_CHOOSE;
        break;

    case B_LOOK:
        p->word = load(s, i, WORD);
        p->pc = p->word & STATE ? W_LEAVE : broken == LOOKS_FIRST ? B_INSIDE : B_BEGIN;
        break;
    case B_BEGIN:
        if (change(s, i, p->word, BEGINS)) {
            p->word = s->word[WORD];
            p->pc = broken == LOOKS_FIRST ? B_OWNER : B_INSIDE;
        } else {
            p->pc = W_LEAVE;
        }
        break;
    case B_INSIDE: /* p->target: not alone */
        p->target = broken != IDLE_ONLY && load(s, i, INSIDE + other);
        p->pc = B_IDLE;
        break;
    case B_IDLE:
        p->target |= !load(s, i, IDLE + other);
        p->pc = B_FOREIGN;
        break;
    case B_FOREIGN:
        p->target |= broken != NO_FOREIGN && load(s, i, PRESENT);
        p->pc = B_VISITOR;
        break;
    case B_VISITOR:
        p->target |= broken != NO_VISITOR && load(s, i, VISITOR);
        p->pc = broken != LOOKS_FIRST ? B_OWNER : p->target ? W_LEAVE : B_BEGIN;
        break;
    case B_OWNER:
        store(s, i, OWNER, i);
        p->pc = B_ON;
        break;
    case B_ON:
        change(s, i, p->word, p->target ? 0 : ON);
        p->target = 0;
        p->pc = W_DO; /* goes on inside */
        break;

    case S_REST:
        p->word = load(s, i, WORD);
        p->pc = p->word & (ON | ENDS) && !single ? S_RESTED : S_IDLE;
        break;
    case S_RESTED:
        change(s, i, p->word, 0);
        p->pc = S_REST;
        break;
    case S_IDLE:
        flush(s, i);
        s->word[IDLE + i] = 1;
        p->word = 0;
        p->pc = p->tries == 2 ? S_SLEEP : S_TOUCH;
        break;
    case S_TOUCH: /* the timers' lock, if it is over; and then there is something to do */
        if (single) { /* they are its own */
            if (!act(s, i))
                break;
        } else if (!(load(s, i, WORD) & STATE) || p->stage) {
            p->stage = p->stage == 0;
            if (p->stage)
                break; /* between the look and the lock */
            flush(s, i);
            s->word[DATA]++;
            s->calls++;
        }
        p->pc = S_BUSY;
        break;
    case S_SLEEP:
        store(s, i, INSIDE + i, 0);
        p->pc = S_ASLEEP;
        break;
    case S_ASLEEP: /* may take any time; then mni_enter_loop */
        store(s, i, INSIDE + i, 1);
        flush(s, i);
        p->pc = S_TAKEN;
        break;
    case S_TAKEN:
        if (load(s, i, TAKEN + i) & MARK)
            store(s, i, INSIDE + i, 0);
        p->pc = load(s, i, TAKEN + i) & MARK ? S_OUT : broken == LOOKS_EARLY ? S_LOOK : S_BUSY;
        break;
    case S_OUT:
        if (load(s, i, TAKEN + i) & MARK)
            return STEP_BLOCKED;
        p->pc = S_ASLEEP;
        break;
    case S_BUSY:
        flush(s, i);
        s->word[IDLE + i] = 0;
        p->pc = broken == LOOKS_EARLY || (broken == NO_LOOK && p->tries == 3) ? W_DO : S_LOOK;
        break;
    case S_LOOK: /* come_back */
        if (single)
            p->pc = W_DO;
        else
            go_end(p, broken == LOOKS_EARLY ? S_BUSY : W_DO);
        break;

    case END:
        return STEP_FINISHED;
    default:
        return end(s, i);
    }
    return STEP_DONE;
}

static enum outcome others(struct state *s, int i, int choice) {
    struct process *p = &s->p[i];
    if (choice && p->pc != T_MARK)
        return STEP_BLOCKED;
    switch (p->pc) {
    case F_COME:
        flush(s, i);
        s->word[PRESENT] = 1;
        go_end(p, broken == RESTS_EARLY ? F_REST : F_DO);
        break;
    case F_DO:
        if (act(s, i))
            p->pc = broken != RESTS_EARLY ? F_REST : p->rounds-- ? F_COME : END;
        break;
    case F_REST:
        store(s, i, PRESENT, 0);
        p->pc = broken == RESTS_EARLY ? F_DO : !p->rounds ? END : broken == STAYS_AWAY ? F_DO : F_COME;
        p->rounds -= p->rounds && broken != RESTS_EARLY;
        break;

    case V_COME:
        flush(s, i);
        s->word[VISITOR] = 1;
        p->pc = V_LOOK;
        break;
    case V_LOOK:
        p->pc = load(s, i, WORD) & STATE ? V_GO : V_DO;
        break;
    case V_DO:
        if (act(s, i))
            p->pc = V_GO;
        break;
    case V_GO:
        store(s, i, VISITOR, 0);
        p->pc = END;
        break;

    case T_MARK: /* who runs a thread, and is not in its loop */
        if (choice >= WORKERS)
            return STEP_BLOCKED;
        p->target = (uint8_t)choice;
        if (load(s, i, IDLE + choice)) {
            p->pc = END;
            break;
        }
        flush(s, i);
        s->word[TAKEN + choice] |= MARK;
        p->pc = T_BARRIER;
        break;
    case T_BARRIER:
        barrier(s);
        p->pc = T_CHECK;
        break;
    case T_CHECK:
        p->pc = load(s, i, INSIDE + p->target) || s->p[p->target].pc > W_LEAVE ? T_UNMARK : T_DO;
        break;
    case T_DO:
        if (act(s, i))
            p->pc = T_UNMARK;
        break;
    case T_UNMARK:
        flush(s, i);
        s->word[TAKEN + p->target] &= TELL;
        p->target = 0;
        p->pc = END;
        break;

    case END:
        return STEP_FINISHED;
    default:
        return end(s, i);
    }
    return STEP_DONE;
}

/* Choice 4: the oldest store is seen by all. */
static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    if (choice == 4) {
        if (!s->p[i].stores.n)
            return STEP_BLOCKED;
        flush_one(s, i);
        return STEP_DONE;
    }
    if (s->p[i].pc == END && s->p[i].stores.n) {
        flush_one(s, i);
        return STEP_DONE;
    }
    return i < WORKERS ? worker(s, i, choice) : others(s, i, choice);
}

static const char *check(const void *p) {
    (void)p;
    return NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    return s->word[DATA] == s->calls ? NULL : "a change is lost";
}

static void run(int how, bool foreign, bool sysmon, bool taker, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    s.p[0].rounds = s.p[1].rounds = foreign || sysmon || taker ? ROUNDS - 1 : ROUNDS;
    s.p[FOREIGN].pc = foreign ? F_COME : END;
    s.p[FOREIGN].rounds = foreign;
    s.p[SYSMON].pc = sysmon ? V_COME : END;
    s.p[TAKER].pc = taker ? T_MARK : END;
    broken = how;
    if (single) {
        s.p[1].pc = END;
        s.word[IDLE + 1] = 1;
    }
    struct model m = {sizeof s, ALL, step, 5, check, check_end};
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    run(GOOD, false, false, false, "two workers");
    run(GOOD, true, false, false, "and a foreign LWP");
    run(GOOD, false, true, false, "and sysmon");
    run(GOOD, false, false, true, "and who takes from a worker");
    single = true;
    run(GOOD, true, true, true, "one worker, and all of them");
    run(NO_BARRIER, true, false, false, "one worker, no barrier");
    run(IDLE_IS_OUT, true, false, false, "one worker, which is idle, but not asleep");
    single = false;
    run(NO_BARRIER, false, false, false, "no barrier");
    run(NO_WAIT, false, false, false, "no wait");
    run(LOOKS_FIRST, false, false, false, "looks, then begins");
    run(NO_FOREIGN, true, false, false, "begins in spite of foreign LWPs");
    run(NO_VISITOR, false, true, false, "begins in spite of sysmon");
    run(IDLE_ONLY, false, false, false, "takes a worker that goes to sleep for asleep");
    run(LOOKS_EARLY, false, false, false, "a look while it is idle");
    run(NO_LOOK, false, false, false, "no look where it did not sleep");
    run(NO_COUNT, true, false, false, "no count");
    run(MARK_FREE, false, false, true, "a mark is not waited for");
    run(RESTS_EARLY, true, false, false, "a foreign LWP rests too early");
    run(STAYS_AWAY, true, false, false, "a foreign LWP that has rested does not come again");
    return done();
}
