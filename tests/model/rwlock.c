/* timeout: 600 */
/*
 * The protocol of lib/libthread_1to1/rwlock.c and rwlock_bias.c, every order of steps of a few threads: a
 * writer is alone, nobody sleeps for ever, no hold is lost or counted twice, the states that the table
 * forbids do not occur.
 *
 * A step is one access to the word, to a slot or to the queue, or the kernel's compare-and-sleep, or a
 * wake-up.  Spins are left out, and a lock may be biased again at once: both only shorten what the code
 * does.
 */
#include "explore.h"

enum { MOST = 5, OPS = 4, LINES = 2 };

/* The word, smaller. */
enum {
    READER = 1,
    READERS = 15,
    WRITER = 1 << 4,
    BIAS = 1 << 5,
    PENDING = 1 << 6,
    ASLEEP = 1 << 7,
    TURN = 1 << 8,
    SLEEPER = 1 << 9,
    SLEEPERS = 7 << 9,
    GRANT = 1 << 12,
    GRANTS = 15 << 12,
};

enum pc {
    NEXT,
    /* rdlock */
    RD,
    RD_PUT,
    RD_AGAIN,
    RD_TAKE_BACK,
    RD_ADD,
    RD_CONSIDER,
    RD_BIAS,
    RS,
    RS_CAS,
    RS_WAKE,
    SLEEP_LOOK,
    SLEEP_WAIT,
    SLEEP_ASLEEP,
    SLEEP_GIVE_UP,
    SLEEP_GIVE_UP_CAS,
    /* unlock */
    UN,
    UN_SLOT,
    UN_ANY,
    UN_DROP,
    UN_DROP_ADD,
    UN_DROP_CAS,
    UN_WRITER,
    UN_WRITER_CAS,
    UN_WAKE_READERS,
    UN_WAKE_PENDING,
    /* wrlock */
    WR,
    WR_CAS,
    Q_TRY,
    Q_SWAP,
    Q_WAIT,
    Q_ASLEEP,
    SLOW_REVOKE,
    SLOW_REVOKE_CAS,
    SCAN,
    SCAN_COUNT,
    SCAN_CLEAR,
    SCAN_UNDO,
    SCAN_DROP,
    SCAN_DROP_ADD,
    SCAN_DROP_CAS,
    SCAN_WAKE,
    SLOW_TRY,
    SLOW_TRY_CAS,
    SLOW_LOOK,
    SLOW_PEND,
    SLOW_WAIT,
    SLOW_ASLEEP,
    STOP,
    STOP_CAS,
    STOP_WAKE,
    Q_UNLOCK,
    Q_WAKE,
    END,
};

struct thread {
    uint8_t pc, op, line, scan;
    uint16_t w, to;            /* the word as loaded, and what the exchange writes */
    uint8_t tried, slept, held; /* slept: how often, at most 2; held: what it holds for reading */
    uint8_t failed, grants, wake;
};
struct state {
    uint16_t word;
    uint8_t queue, slot[LINES];
    uint8_t asleep_low, asleep_high, asleep_queue; /* bits: in the kernel's queues */
    uint8_t reading, writing;                      /* inside, by our own count */
    uint8_t wrong;
    struct thread t[MOST];
};

static int threads, nonrecursive, broken;
static const char *programs[MOST]; /* r, w: locks; R, W: timed; t, T: tries; u unlocks */

static int keeps_out(uint16_t w) {
    return w & WRITER || (w & PENDING && w & (READERS | TURN) && nonrecursive);
}

static uint16_t with_grant(uint16_t w) {
    int sleepers = (w & SLEEPERS) / SLEEPER, grants = ((w & GRANTS) + GRANT) & GRANTS;
    return (uint16_t)(((w & ~(SLEEPERS | GRANTS)) + sleepers * READER) | grants);
}

/* As in the code: clears ASLEEP if its writer is to be woken. */
static int ends_sleep(uint16_t *next) {
    if (!(*next & ASLEEP) || *next & (READERS | WRITER))
        return 0;
    *next &= (uint16_t)~ASLEEP;
    return 1;
}

static void wake(struct state *s, uint8_t *asleep, int most, enum pc to) {
    for (int i = 0; i < threads && most > 0; i++) {
        if (*asleep >> i & 1) {
            *asleep &= (uint8_t) ~(1u << i);
            s->t[i].pc = to;
            most--;
        }
    }
}

static enum pc held(struct state *s, struct thread *t) {
    t->held++;
    s->reading++;
    t->tried = 0;
    return NEXT;
}

static enum pc written(struct state *s, struct thread *t) {
    (void)t;
    s->writing++;
    return NEXT;
}

/* The failed lock's unlock is skipped. */
static enum pc failed(struct thread *t) {
    t->failed = 1;
    t->tried = 0;
    return NEXT;
}

/* A count for reading was taken back: an unlock's, or that of a scan. */
static enum pc dropped(const struct thread *t, int scan, int try) {
    if (t->wake)
        return scan ? SCAN_WAKE : UN_WAKE_PENDING;
    return !scan ? NEXT : try ? WR : SLOW_TRY;
}

static enum outcome step(void *p, int i, int choice) {
    struct state *s = p;
    struct thread *t = &s->t[i];
    char op = t->op ? programs[i][t->op - 1] : 0;
    int timed = op == 'R' || op == 'W', try = op == 't' || op == 'T';
    enum pc pc = t->pc, to = pc;
    uint16_t old;
    if (pc == END)
        return STEP_FINISHED;
    if (choice == 1 && !(timed && (pc == SLEEP_ASLEEP || pc == SLOW_ASLEEP || pc == Q_ASLEEP)))
        return STEP_BLOCKED;
    switch (pc) {
    case NEXT:
        op = programs[i][t->op];
        if (!op) {
            to = END;
            break;
        }
        t->op++;
        if (op == 'u') {
            if (t->failed) {
                t->failed = 0;
                to = NEXT;
                break;
            }
            if (t->held) {
                t->held--;
                s->reading--;
            } else {
                s->writing--;
            }
            to = UN;
        } else {
            to = op == 'w' || op == 'W' || op == 'T' ? WR : RD;
        }
        break;

    case RD:
        t->w = s->word;
        t->tried = 0;
        to = t->w & BIAS ? RD_PUT : keeps_out(t->w) ? RS : RD_ADD;
        break;
    case RD_PUT:
        to = s->slot[t->line] ? RD_ADD : RD_AGAIN;
        s->slot[t->line] = 1;
        break;
    case RD_AGAIN:
        to = s->word & BIAS || broken == 1 ? held(s, t) : RD_TAKE_BACK;
        break;
    case RD_TAKE_BACK:
        to = s->slot[t->line] ? RD_ADD : held(s, t);
        s->slot[t->line] = 0;
        break;
    case RD_ADD:
        old = s->word;
        s->word += READER;
        if (keeps_out(old)) {
            t->tried = 1;
            to = RS;
        } else {
            to = old & READERS && !(old & BIAS) ? RD_CONSIDER : held(s, t);
        }
        break;
    case RD_CONSIDER:
        t->w = s->word;
        to = t->w & (WRITER | PENDING | BIAS | SLEEPERS) ? held(s, t) : RD_BIAS;
        break;
    case RD_BIAS:
        if (s->word == t->w)
            s->word |= BIAS;
        to = held(s, t);
        break;
    case RS:
        t->w = s->word;
        if (!keeps_out(t->w - (t->tried ? READER : 0))) {
            t->to = t->w + READER;
            to = t->tried ? held(s, t) : RS_CAS;
        } else {
            t->to = (uint16_t)(t->w - (t->tried ? READER : 0) + (try ? 0 : SLEEPER));
            t->wake = t->tried && ends_sleep(&t->to);
            to = RS_CAS;
        }
        break;
    case RS_CAS:
        if (s->word != t->w) {
            to = RS;
            break;
        }
        s->word = t->to;
        if (!keeps_out(t->w - (t->tried ? READER : 0))) {
            to = held(s, t);
            break;
        }
        t->grants = (uint8_t)((t->to & GRANTS) / GRANT);
        to = t->wake && broken != 2 ? RS_WAKE : try ? failed(t) : SLEEP_LOOK;
        break;
    case RS_WAKE:
        wake(s, &s->asleep_low, 1, SLOW_REVOKE);
        to = try ? failed(t) : SLEEP_LOOK;
        break;
    case SLEEP_LOOK:
        to = (s->word & GRANTS) / GRANT != t->grants ? held(s, t) : SLEEP_WAIT;
        break;
    case SLEEP_WAIT:
        if ((s->word & GRANTS) / GRANT != t->grants) {
            to = SLEEP_LOOK;
        } else {
            s->asleep_high |= (uint8_t)(1u << i);
            to = SLEEP_ASLEEP;
        }
        break;
    case SLEEP_ASLEEP:
        if (choice == 0)
            return STEP_BLOCKED;
        s->asleep_high &= (uint8_t) ~(1u << i);
        to = SLEEP_GIVE_UP;
        break;
    case SLEEP_GIVE_UP:
        t->w = s->word;
        to = (s->word & GRANTS) / GRANT != t->grants ? held(s, t) : SLEEP_GIVE_UP_CAS;
        break;
    case SLEEP_GIVE_UP_CAS:
        to = SLEEP_GIVE_UP;
        if (s->word == t->w) {
            s->word -= SLEEPER;
            to = failed(t);
        }
        break;

    case UN:
        t->w = s->word;
        to = t->w & WRITER && broken != 3 ? UN_WRITER : UN_SLOT;
        break;
    case UN_SLOT:
        if (s->slot[t->line]) {
            s->slot[t->line] = 0;
            to = NEXT;
        } else if (t->w & WRITER) {
            to = UN_WRITER;
        } else if (t->w & READERS) {
            to = UN_DROP;
        } else if (t->w & BIAS) {
            to = UN_ANY;
        } else {
            s->wrong = 1;
        }
        break;
    case UN_ANY: /* the scan for another thread's hold, in one step */
        to = UN;
        for (int n = 0; n < LINES; n++) {
            if (s->slot[n]) {
                s->slot[n] = 0;
                to = NEXT;
                break;
            }
        }
        break;
    case UN_DROP:
    case SCAN_DROP:
        t->w = s->word;
        to = (t->w & PENDING ? UN_DROP_CAS : UN_DROP_ADD) + (pc == SCAN_DROP ? SCAN_DROP_ADD - UN_DROP_ADD : 0);
        break;
    case UN_DROP_ADD:
    case SCAN_DROP_ADD:
        s->word -= READER;
        t->to = s->word;
        t->wake = (uint8_t)ends_sleep(&t->to) && broken != 7;
        to = dropped(t, pc == SCAN_DROP_ADD, try);
        break;
    case UN_DROP_CAS:
    case SCAN_DROP_CAS:
        if (s->word != t->w) {
            to = pc == SCAN_DROP_CAS ? SCAN_DROP : UN_DROP;
            break;
        }
        t->to = (uint16_t)(t->w - READER);
        t->wake = (uint8_t)ends_sleep(&t->to);
        s->word = t->to;
        to = dropped(t, pc == SCAN_DROP_CAS, try);
        break;
    case UN_WRITER:
        t->w = s->word;
        t->to = t->w & (uint16_t)~WRITER;
        if (t->w & SLEEPERS && !(nonrecursive && t->w & PENDING))
            t->to = with_grant(t->to);
        t->wake = (uint8_t)ends_sleep(&t->to);
        to = UN_WRITER_CAS;
        break;
    case UN_WRITER_CAS:
        if (s->word != t->w) {
            to = UN_WRITER;
            break;
        }
        s->word = t->to;
        to = (t->to ^ t->w) & GRANTS ? UN_WAKE_READERS : t->wake ? UN_WAKE_PENDING : NEXT;
        break;
    case UN_WAKE_READERS:
        wake(s, &s->asleep_high, MOST, SLEEP_LOOK);
        to = t->wake ? UN_WAKE_PENDING : NEXT;
        break;
    case UN_WAKE_PENDING:
        wake(s, &s->asleep_low, 1, SLOW_REVOKE);
        to = NEXT;
        break;

    case WR:
        t->w = s->word;
        to = !(t->w & (READERS | WRITER | BIAS)) ? WR_CAS : try ? SLOW_REVOKE : Q_TRY;
        break;
    case WR_CAS:
        to = WR;
        if (s->word == t->w) {
            s->word |= WRITER;
            to = written(s, t);
        }
        break;
    case Q_TRY:
        to = s->queue ? Q_SWAP : SLOW_REVOKE;
        s->queue = s->queue ? s->queue : 1;
        break;
    case Q_SWAP:
        to = s->queue ? Q_WAIT : SLOW_REVOKE;
        s->queue = 2;
        break;
    case Q_WAIT:
        if (s->queue != 2) {
            to = Q_SWAP;
        } else {
            s->asleep_queue |= (uint8_t)(1u << i);
            to = Q_ASLEEP;
        }
        break;
    case Q_ASLEEP:
        if (choice == 0)
            return STEP_BLOCKED;
        s->asleep_queue &= (uint8_t) ~(1u << i);
        to = failed(t);
        break;
    case SLOW_REVOKE:
        t->w = s->word;
        to = t->w & BIAS ? SLOW_REVOKE_CAS : try ? failed(t) : SLOW_TRY;
        break;
    case SLOW_REVOKE_CAS:
        to = SLOW_REVOKE;
        if (s->word == t->w) {
            s->word = (uint16_t)((t->w & ~BIAS) + (broken == 4 ? 0 : READER));
            t->scan = 0;
            to = SCAN;
        }
        break;
    case SCAN:
        if (t->scan == LINES)
            to = broken == 4 ? (try ? WR : SLOW_TRY) : SCAN_DROP;
        else if (s->slot[t->scan])
            to = broken == 5 ? SCAN_CLEAR : SCAN_COUNT;
        else
            t->scan++;
        break;
    case SCAN_COUNT:
        s->word += READER;
        t->scan += broken == 5;
        to = broken == 5 ? SCAN : SCAN_CLEAR;
        break;
    case SCAN_CLEAR:
        if (broken == 5)
            to = s->slot[t->scan] ? SCAN_COUNT : SCAN;
        else
            to = s->slot[t->scan] ? SCAN : SCAN_UNDO;
        s->slot[t->scan] = 0;
        t->scan += to == SCAN;
        break;
    case SCAN_UNDO:
        s->word -= READER;
        t->scan++;
        to = SCAN;
        break;
    case SCAN_WAKE:
        wake(s, &s->asleep_low, 1, SLOW_REVOKE);
        to = try ? WR : SLOW_TRY;
        break;
    case SLOW_TRY:
        t->w = s->word;
        to = t->w & (READERS | WRITER | BIAS) ? SLOW_LOOK : SLOW_TRY_CAS;
        break;
    case SLOW_TRY_CAS:
        to = SLOW_TRY;
        if (s->word == t->w) {
            s->word = (uint16_t)((t->w & ~(PENDING | ASLEEP | TURN)) | WRITER);
            t->slept = 0;
            written(s, t);
            to = Q_UNLOCK;
        }
        break;
    case SLOW_LOOK:
        t->w = s->word;
        to = t->w & BIAS || !(t->w & (READERS | WRITER)) ? SLOW_REVOKE : SLOW_PEND;
        break;
    case SLOW_PEND:
        to = SLOW_REVOKE;
        if (s->word != t->w)
            break;
        if (!(t->w & TURN)) {
            t->w |= PENDING | TURN;
        } else {
            to = SLOW_WAIT;
            t->w |= broken == 8 && t->slept ? 0 : ASLEEP;
            if (!t->slept || broken == 9)
                t->w &= (uint16_t)~TURN;
        }
        s->word = t->w;
        break;
    case SLOW_WAIT: /* the low half: all but GRANTS */
        if ((s->word ^ t->w) & (uint16_t)~GRANTS) {
            to = SLOW_REVOKE;
        } else {
            s->asleep_low |= (uint8_t)(1u << i);
            to = SLOW_ASLEEP;
        }
        t->slept += t->slept < 2;
        break;
    case SLOW_ASLEEP:
        if (choice == 0)
            return STEP_BLOCKED;
        s->asleep_low &= (uint8_t) ~(1u << i);
        to = STOP;
        break;
    case STOP:
        t->w = s->word;
        t->to = t->w & (uint16_t) ~(PENDING | ASLEEP | TURN);
        if (!(t->w & WRITER) && t->w & SLEEPERS && broken != 6)
            t->to = with_grant(t->to);
        to = STOP_CAS;
        break;
    case STOP_CAS:
        to = STOP;
        if (s->word == t->w) {
            s->word = t->to;
            t->slept = 0;
            t->failed = 1;
            to = (t->to ^ t->w) & GRANTS ? STOP_WAKE : Q_UNLOCK;
        }
        break;
    case STOP_WAKE:
        wake(s, &s->asleep_high, MOST, SLEEP_LOOK);
        to = Q_UNLOCK;
        break;
    case Q_UNLOCK:
        to = s->queue == 2 ? Q_WAKE : NEXT;
        s->queue = 0;
        break;
    case Q_WAKE:
        wake(s, &s->asleep_queue, 1, Q_SWAP);
        to = NEXT;
        break;
    case END:
        break;
    }
    t->pc = (uint8_t)to;
    if (to == NEXT || to == END || to == RS || to == UN_WRITER || to == SLOW_REVOKE || to == SLEEP_LOOK ||
        to == SLEEP_WAIT || to == SLEEP_ASLEEP || to == SCAN || to == SLOW_TRY || to == STOP)
        t->w = 0, t->to = 0, t->wake = 0; /* not used again: fewer states */
    return STEP_DONE;
}

static const char *check(const void *p) {
    const struct state *s = p;
    uint16_t w = s->word;
    if (s->wrong)
        return "an unlock that finds no hold";
    if (s->writing > 1 || (s->writing && s->reading))
        return "a writer is not alone";
    if (w & BIAS && w & (WRITER | PENDING))
        return "BIAS with WRITER or PENDING";
    if (w & SLEEPERS && !(w & (WRITER | PENDING)))
        return "SLEEPERS without a reason";
    if (w & (ASLEEP | TURN) && !(w & PENDING))
        return "ASLEEP or TURN without PENDING";
    for (int i = 0; i < threads; i++) {
        if (s->t[i].pc == SLOW_ASLEEP && s->t[i].slept > 1 && !(w & TURN))
            return "a second sleep without TURN";
    }
    return NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    if (s->word & (uint16_t) ~(BIAS | GRANTS))
        return "something is left in the word";
    return s->queue || s->slot[0] || s->slot[1] ? "something is left in the queue or the slots" : NULL;
}

/* lines: which line each thread has, e.g. "010"; with "b" before, the lock is biased at the start. */
static void run(int prefer_writer, int how, const char *lines, const char *a, const char *b, const char *c,
                const char *d) {
    const char *given[MOST] = {a, b, c, d};
    struct model m = {sizeof(struct state), 0, step, 2, check, check_end};
    struct state s;
    memset(&s, 0, sizeof s);
    nonrecursive = prefer_writer;
    broken = how;
    s.word = lines[0] == 'b' ? BIAS : 0;
    const char *line = lines + (lines[0] == 'b');
    for (threads = 0; given[threads]; threads++) {
        programs[threads] = given[threads];
        s.t[threads].line = (uint8_t)(line[threads] - '0');
    }
    m.threads = threads;
    char name[160];
    snprintf(name, sizeof name, "rwlock %s, lines %s, %s %s %s %s",
             prefer_writer ? "prefers writers" : "prefers readers", lines, a, b, c ? c : "", d ? d : "");
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    for (int prefer = 0; prefer < 2; prefer++) {
        run(prefer, 0, "010", "ru", "ru", "wu", NULL);
        run(prefer, 0, "000", "ru", "ru", "wu", NULL);
        run(prefer, 0, "010", "Ru", "ru", "Wu", NULL);
        run(prefer, 0, "010", "wu", "Wu", "Ru", NULL);
        run(prefer, 0, "000", "ru", "ruru", "wu", NULL);
        run(prefer, 0, "010", "ru", "ruru", "Tu", NULL);
        run(prefer, 0, "010", "tu", "ruru", "wu", NULL);
        run(prefer, 0, "b010", "ruru", "ru", "wu", NULL);
        run(prefer, 0, "b000", "ru", "ru", "Wu", NULL);
        run(prefer, 0, "0101", "ru", "ru", "wu", "wu");
        if (scale() > 1) { /* up to twenty million states of a hundred bytes */
            run(prefer, 0, "0101", "ru", "Ru", "Wu", "wu");
            run(prefer, 0, "b0101", "ru", "ru", "wu", "Tu");
            run(prefer, 0, "b0101", "ru", "Ru", "Wu", "wu");
            run(prefer, 0, "b0000", "ru", "ru", "ru", "wu");
        }
    }
    run(0, 0, "010", "rruu", "ru", "wu", NULL); /* recursive reading goes with reader preference only */
    run(0, 0, "b000", "rruu", "ru", "wu", NULL);

    run(0, 1, "b010", "ru", "ru", "wu", NULL);
    run(1, 2, "010", "ruru", "ruru", "wu", NULL); /* a try that is taken back wakes nobody */
    run(0, 3, "b00", "rruu", "wu", NULL, NULL);
    run(0, 4, "b010", "ru", "ru", "wu", "Tu");
    run(0, 5, "b0101", "ru", "ru", "wu", "Tu");
    run(1, 6, "010", "ru", "Wu", "ru", NULL);
    run(0, 7, "010", "ru", "ru", "wu", NULL);   /* who did not see PENDING wakes nobody */
    run(0, 8, "010", "ruru", "ru", "wu", NULL); /* ASLEEP is not set again for the second sleep */
    run(1, 9, "010", "ruru", "ru", "wu", NULL); /* nor are readers kept out in it */
    return done();
}
