/*
 * The protocol of lib/libmn/wait/wait.h, park.c and defer.c (mn_cancel), every order of steps: claims and
 * permits.
 *
 * A thread parks, then waits for an object, or parks twice.  Others unpark it, cancel it, let its deadlines
 * expire, and the object wakes it.  What the next stack does after each switch is a process of its own, since
 * the thread may run again on another cpu meanwhile.  Each atomic operation is a step; all are full, so memory
 * is sequentially consistent here. Or the thread ends, and its descriptor is another's, while somebody is about
 * to unpark the first.
 *
 * Found out are: a thread that is never woken, or twice, or from a wait that was not meant, or by an unpark of
 * another.
 */
#include <stdbool.h>

#include "explore.h"

enum { THREAD, AFTER1, AFTER2, UNPARK1, UNPARK2, CANCEL, OBJECT, TIMER, ALL };
enum { IDLE = 0, WAITING = 1, CLAIMED = 2, MASK = 3, CANCELLED = 4, SEQ = 16 };
enum { PERMIT = 1, PARKED = 2 };
enum { GIVEN = 1, UNPARKED = 2, TIMEDOUT = 3, ENDED = 4 };
enum pc {
    OFF,
    T_BEGIN,
    T_CAS,
    T_CLEAR,
    T_CLAIM,
    T_NEW,
    T_WAIT,
    T_TIMER,
    T_IDLE,
    T_PERMIT,
    T_NEXT,
    T_LOCK,
    A_CAS,
    A_LOOK,
    A_CLAIM,
    A_DROP,
    U_FIND,
    U_READ,
    U_LOOK,
    U_CAS,
    U_CLAIM,
    X_OR,
    X_CLAIM,
    O_LOCK,
    O_CLAIM,
    O_DROP,
    D_TAKE,
    D_CLAIM,
    RESULT,
    WAKE,
    D_DONE,
    END
};
enum {
    GOOD,
    ANY_WAIT,     /* who set WAITING claims whatever wait there is by then, not its own */
    UNPARK_ANY,   /* mn_unpark does */
    NO_LOOK,      /* after WAITING nobody looks at the permit again */
    NO_REMOVE,    /* a timer may expire still after its wait */
    NO_CANCEL,    /* a wait does not look at CANCEL as it begins */
    BLIND_CANCEL, /* mn_cancel wakes whom it finds claimed */
    BLIND_UNPARK, /* mn_unpark does not look at the handle once more */
    SAME_PERMIT,  /* the word of one that parked or began does not count on */
};

struct process {
    uint8_t pc, seq, result, wait;
};
struct state {
    uint8_t claim, permit, result, runs, timer, timer_wait, queued, lock, given, waits, acked, generation;
    /* Of its waits: p, o; upper case: with a deadline; n: no wait, but another thread's begin. */
    uint8_t kinds[3];
    struct process p[ALL];
};

static int broken;
static const char *mistake;

static bool claim(struct state *s, int seq) {
    if ((s->claim & MASK) != WAITING || (seq >= 0 && s->claim / SEQ != seq))
        return false;
    s->claim ^= WAITING | CLAIMED;
    return true;
}

static uint8_t nothing(int seq) {
    return broken == SAME_PERMIT ? 0 : (uint8_t)(seq << 2);
}

static enum outcome thread(struct state *s) {
    struct process *p = &s->p[THREAD];
    uint8_t kind = p->wait < 3 ? s->kinds[p->wait] : 0;
    bool parks = kind == 'p' || kind == 'P';
    struct process *after = &s->p[AFTER1 + p->wait % 2];
    switch (p->pc) {
    case T_BEGIN:
        if (!kind) {
            p->pc = END;
        } else if (kind == 'n') {
            s->generation++;
            p->pc = T_CLAIM;
        } else if (!parks) { /* under the object's lock, which the next stack drops */
            if (s->lock)
                return STEP_BLOCKED;
            s->lock = 1;
            p->result = GIVEN;
            p->pc = T_NEXT;
            if (!s->given) {
                s->queued = 1;
                p->seq = s->claim / SEQ;
                s->runs = 0;
                *after = (struct process){.pc = A_CAS, .seq = p->seq, .wait = p->wait};
                p->pc = T_WAIT;
            } else {
                s->lock = 0;
            }
        } else {
            p->seq = s->claim / SEQ;
            p->result = s->permit;
            p->pc = s->permit & PERMIT ? T_CLEAR : T_CAS;
        }
        break;
    case T_CLAIM:
        s->claim = (uint8_t)((s->claim & ~(SEQ - 1)) + SEQ);
        p->pc = T_NEW;
        break;
    case T_NEW:
        s->permit = nothing(s->claim / SEQ);
        p->pc = T_NEXT;
        break;
    case T_CAS:
        p->pc = T_CLEAR;
        if (s->permit == p->result) {
            s->permit = (uint8_t)(PARKED | p->seq << 2);
            s->runs = 0;
            *after = (struct process){.pc = A_CAS, .seq = p->seq, .wait = p->wait};
            p->pc = T_WAIT;
        }
        break;
    case T_CLEAR:
        s->permit = nothing(p->seq);
        p->result = UNPARKED;
        p->pc = T_NEXT;
        break;
    case T_WAIT:
        if (!s->runs)
            return STEP_BLOCKED;
        p->result = s->result;
        p->pc = kind < 'a' ? T_TIMER : T_IDLE;
        break;
    case T_TIMER: /* mni_timer_remove: waits for an expiry that is under way */
        if (s->timer == 2 && broken != NO_REMOVE)
            return STEP_BLOCKED;
        s->timer = s->timer == 2 ? 2 : 0;
        p->pc = T_IDLE;
        break;
    case T_IDLE:
        if ((s->claim & MASK) != CLAIMED)
            mistake = "a wait ends, and nobody claimed it";
        s->claim = (uint8_t)(s->claim + SEQ - CLAIMED);
        if (!parks && p->result == UNPARKED)
            mistake = "an unpark ended the wait for the object";
        if (p->result == TIMEDOUT && kind >= 'a')
            mistake = "a deadline ended a wait that had none";
        if (parks && p->result == GIVEN)
            mistake = "the object woke one that does not wait for it";
        p->pc = parks ? T_PERMIT : p->result == GIVEN ? T_NEXT : T_LOCK;
        break;
    case T_PERMIT:
        if (s->permit & PERMIT)
            p->result = UNPARKED;
        s->permit = nothing(p->seq);
        p->pc = T_NEXT;
        break;
    case T_LOCK: /* it gave up: out of the queue */
        if (s->lock)
            return STEP_BLOCKED;
        s->queued = 0;
        p->pc = T_NEXT;
        break;
    case T_NEXT:
        if (s->generation && p->result == UNPARKED)
            mistake = "a permit that was meant for another thread";
        s->acked++;
        p->result = p->seq = 0;
        p->wait++;
        p->pc = T_BEGIN;
        break;
    }
    return STEP_DONE;
}

static void woken_by(struct process *p, int result) {
    p->result = (uint8_t)result;
    p->pc = RESULT;
}

static enum outcome other(struct state *s, int i, int choice) {
    struct process *p = &s->p[i];
    uint8_t kind = s->kinds[p->wait];
    bool parks = kind == 'p' || kind == 'P';
    switch (p->pc) {
    case A_CAS:
        if (kind < 'a') {
            s->timer = 1;
            s->timer_wait = p->wait;
        }
        if (s->claim & CANCELLED && broken != NO_CANCEL) {
            s->claim |= CLAIMED;
            woken_by(p, ENDED);
        } else {
            s->claim |= WAITING;
            p->pc = parks ? A_LOOK : A_DROP;
        }
        break;
    case A_LOOK:
        p->pc = s->permit & PERMIT && broken != NO_LOOK ? A_CLAIM : END;
        break;
    case A_CLAIM:
        if (claim(s, broken == ANY_WAIT ? -1 : p->seq))
            woken_by(p, UNPARKED);
        else
            p->pc = END;
        break;
    case A_DROP:
        s->lock = 0;
        p->pc = END;
        break;
    case U_FIND:
        /* The second comes when the first was answered: none may be lost. */
        if (i == UNPARK2 && s->p[UNPARK2].wait && s->acked == 0)
            return STEP_BLOCKED;
        p->pc = s->generation ? END : U_READ;
        break;
    case U_READ:
        p->result = s->permit;
        p->pc = broken == BLIND_UNPARK ? U_CAS : U_LOOK;
        break;
    case U_LOOK:
        p->pc = s->generation ? END : U_CAS;
        break;
    case U_CAS:
        p->pc = U_READ;
        if (s->permit == p->result) {
            s->permit = (uint8_t)((p->result & ~PARKED) | PERMIT);
            p->seq = p->result >> 2;
            p->pc = p->result & PARKED ? U_CLAIM : END;
            p->result = 0;
        }
        break;
    case U_CLAIM:
        if (claim(s, broken == UNPARK_ANY ? -1 : p->seq))
            woken_by(p, UNPARKED);
        else
            p->pc = END;
        break;
    case X_OR:
        if (s->p[THREAD].wait < p->wait)
            return STEP_BLOCKED;
        s->claim |= CANCELLED;
        p->pc = X_CLAIM;
        break;
    case X_CLAIM:
        if (claim(s, -1) || (broken == BLIND_CANCEL && (s->claim & MASK) == CLAIMED))
            woken_by(p, ENDED);
        else
            p->pc = END;
        break;
    case O_LOCK:
        if (s->lock)
            return STEP_BLOCKED;
        s->lock = 1;
        p->pc = O_CLAIM;
        break;
    case O_CLAIM:
        p->result = s->queued && claim(s, -1) ? GIVEN : 0;
        s->given = 1;
        s->queued = 0;
        p->pc = O_DROP;
        break;
    case O_DROP:
        s->lock = 0;
        p->pc = p->result ? RESULT : END;
        break;
    case D_TAKE: /* by the cpu that set it, so after that one is done; need not happen */
        if (s->p[THREAD].pc == END)
            return STEP_FINISHED;
        if (!choice || s->timer != 1 || s->p[AFTER1 + s->timer_wait % 2].pc != END)
            return STEP_BLOCKED;
        s->timer = 2;
        p->pc = D_CLAIM;
        return STEP_DONE;
    case D_CLAIM:
        if (claim(s, -1))
            woken_by(p, TIMEDOUT);
        else
            p->pc = D_DONE;
        break;
    case RESULT:
        s->result = p->result;
        p->pc = WAKE;
        break;
    case WAKE:
        if (s->runs)
            mistake = "it is made ready, and runs already";
        s->runs = 1;
        p->result = 0;
        p->pc = i == TIMER ? D_DONE : i >= AFTER1 && i <= AFTER2 && !parks ? A_DROP : END;
        break;
    case D_DONE:
        s->timer = 0;
        p->pc = D_TAKE;
        break;
    }
    return STEP_DONE;
}

static enum outcome step(void *state, int i, int choice) {
    struct state *s = state;
    struct process *p = &s->p[i];
    if (p->pc == END || (p->pc == OFF && s->p[THREAD].pc == END))
        return STEP_FINISHED;
    if (p->pc == OFF || (choice && p->pc != D_TAKE))
        return STEP_BLOCKED;
    return i == THREAD ? thread(s) : other(s, i, choice);
}

static const char *check(const void *state) {
    (void)state;
    return mistake;
}

static const char *check_end(const void *state) {
    const struct state *s = state;
    return (s->claim & MASK) != IDLE ? "a claim is left" : s->queued ? "it is queued still" : NULL;
}

/* waits: p parks, o waits for the object; upper case: with a deadline; n ends, and another begins.  who: u, uu
 * (the second after the first has been answered), U (both at once), c cancels, C the thread that began last, o
 * the object wakes. */
static void run(const char *waits, const char *who, int how, const char *name) {
    struct state s;
    memset(&s, 0, sizeof s);
    struct model m = {sizeof s, ALL, step, 2, check, check_end};
    broken = how;
    mistake = NULL;
    for (int i = 0; i < 3 && waits[i]; i++)
        s.kinds[i] = (uint8_t)waits[i];
    s.runs = 1;
    for (int i = 0; i < ALL; i++)
        s.p[i].pc = OFF;
    s.p[THREAD].pc = T_BEGIN;
    s.p[TIMER].pc = D_TAKE;
    for (const char *w = who; *w; w++) {
        int i = (*w | 32) == 'c' ? CANCEL : *w == 'o' ? OBJECT : s.p[UNPARK1].pc == OFF ? UNPARK1 : UNPARK2;
        s.p[i].pc = i == CANCEL ? X_OR : *w == 'o' ? O_LOCK : U_FIND;
        if (*w == 'C')
            s.p[i].wait = (uint8_t)(strchr(waits, 'n') - waits + 1);
        if (*w == 'U')
            s.p[UNPARK2].pc = U_FIND;
        else if (i == UNPARK2)
            s.p[i].wait = 1;
    }
    char text[160];
    snprintf(text, sizeof text, "claims: waits %s, wakers %s%s%s", waits, who, name ? ": " : "",
             name ? name : "");
    if (how)
        explore_not_ok(&m, &s, text);
    else
        explore_ok(&m, &s, text);
}

int main(void) {
    static const struct {
        const char *waits, *who;
    } good[] = {{"p", "u"},    {"P", "u"},    {"p", "c"},    {"P", "uc"},   {"pp", "uu"},
                {"pP", "uuc"}, {"po", "Uo"},  {"po", "Uoc"}, {"PO", "Uoc"}, {"Po", "Uo"},
                {"op", "Uo"},  {"oP", "Uoc"}, {"Oo", "oc"},  {"Oo", "o"},   {"nP", "uC"},
                {"PnP", "uC"}, {"nP", "UC"},  {"PnP", "UC"}, {"PnO", "Uo"}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        run(good[i].waits, good[i].who, GOOD, NULL);
    run("po", "Uo", ANY_WAIT, "who set WAITING claims a later wait");
    run("Po", "uo", UNPARK_ANY, "an unpark claims a later wait");
    run("p", "u", NO_LOOK, "the permit is not looked at again");
    run("Po", "uo", NO_REMOVE, "a timer expires after its wait");
    run("p", "c", NO_CANCEL, "a wait begins cancelled");
    run("p", "uc", BLIND_CANCEL, "a cancellation wakes a claimed thread");
    run("nP", "uC", BLIND_UNPARK, "an unpark does not look at the handle again");
    run("nP", "uC", SAME_PERMIT, "words of two threads are the same");
    return done();
}
