/* timeout: 180 */
/*
 * The protocol of lib/libmn/sync/rwlock.c and rwlock_bias.c, every order of steps of a few threads: a writer is
 * alone, each hold is counted exactly once at all times, whoever holds the lock can unlock it, nobody sleeps
 * for ever, a try fails only if the lock was held meanwhile, and nobody touches a lock that was destroyed, or
 * that its last writer has freed.
 *
 * A step is one access to the word or to a slot, or the taking or dropping of the lock's own lock.  A load and
 * a compare-and-swap in a loop that does nothing else are one step; so is what is done to the queues under the
 * lock.  A reader's store to its slot is seen by others later: when the buffer of its cpu drains, at any time,
 * by a locked instruction of that cpu, or by a heavy barrier of anybody; or when the thread goes on elsewhere.
 * Whether a reader finds that it pays to bias the lock is a choice, and so is the cpu of a call.
 */
#include "mn_rwlock.h"

static const char *const refused = "an unlock by who holds it is refused";

static int writer(char op) {
    return op == 'w' || op == 'W' || op == 'T';
}

/* ---- what the caller's pc becomes */

static enum pc returns(struct state *s, int i, int ops) {
    struct thread *t = &s->t[i], old = *t;
    if (t->cpu)
        s->used &= (uint8_t) ~(1u << t->cpu);
    memset(t, 0, sizeof *t);
    t->op = (uint8_t)(old.op + ops);
    t->counts = old.counts;
    t->held = old.held;
    if (old.cpu && s->buffered[old.cpu - 1])
        t->from = old.cpu;
    return programs[i][t->op] ? NEXT : END;
}

static int tries(const struct state *s, int i) {
    char op = programs[i][s->t[i].op];
    return op == 't' || op == 'T';
}

static enum pc failed(struct state *s, int i) {
    if (tries(s, i) && !s->t[i].saw)
        wrong = "a try fails though the lock was free";
    return returns(s, i, 2);
}

static enum pc unlocked(struct state *s, int i) {
    struct thread *t = &s->t[i];
    t->counts = t->held = 0;
    return broken == TOUCHES && t->pc != UN_LATE ? UN_LATE : returns(s, i, 1);
}

/* The lock is held for reading, or for writing. */
static enum pc have(struct state *s, int i, int what) {
    struct thread *t = &s->t[i];
    t->held = (uint8_t)what;
    if (t->slow && unqueue(s, i)) { /* it was called */
        if (what == READS && (!(t->tag & LAST) || !s->writers[0]))
            t->wake = call_first(s, s->readers, t->tag);
        return SETTLE;
    }
    return t->slow ? SLOW_DROP : returns(s, i, 1);
}

static void wake(struct state *s, uint8_t who) {
    for (int i = 0; i < threads; i++)
        if (who >> i & 1)
            s->t[i].pc = have(s, i, s->t[i].counts ? READS : WRITES);
}

static void wake_called(struct state *s, uint8_t *who) {
    if (*who)
        s->t[*who - 1].pc = RESUME;
    *who = 0;
}

static enum pc end_bias(struct thread *t, enum pc to) {
    t->to = (uint8_t)to;
    return END_WORD;
}

static enum pc reads(struct state *s, int i) {
    struct thread *t = &s->t[i];
    t->w = load(s);
    if (t->w & SHUT)
        return programs[i][t->op] == 't' ? failed(s, i) : t->slow ? SLOW_LOOK : SLOW;
    return t->w & BIAS && t->cpu ? RD_SLOT : RD_CAS;
}

static enum pc writes(struct state *s, int i) {
    struct thread *t = &s->t[i];
    if (!cas(s, t, 0, WRITER))
        return t->slow ? SLOW_LOOK : tries(s, i) ? TRY_LOOK : WANT_LOOK;
    s->owner = (uint8_t)(i + 1);
    return have(s, i, WRITES);
}

static enum pc unlocks(struct state *s, int i) {
    struct thread *t = &s->t[i];
    uint8_t w = t->w = load(s);
    t->scan = 0;
    if (w & WRITER && s->owner != i + 1)
        wrong = refused;
    if (w & (broken == REVOKING_UNSEEN ? BIAS : BIASED) && (t->cpu || w < READER))
        return t->cpu ? UN_OWN : UN_ANY;
    if (t->held == WRITES ? !(w & WRITER) : w < READER || w & WRITER)
        wrong = refused;
    return !(w & QUEUE) || w / READER > (broken == LAST_LEAVES ? 0 : 1) || (w & WANTED && broken != HANDS_WANTED) ? UN_CAS : UN_LOCK;
}

/* Nobody else has to lock it, or is doing so. */
static int alone(const struct state *s, int i) {
    for (int n = 0; n < threads; n++)
        if (n != i && strpbrk(programs[n] + s->t[n].op, "rRtwWT"))
            return 0;
    return 1;
}

static enum pc begin(struct state *s, int i) {
    char op = programs[i][s->t[i].op];
    return op == 'd'                ? DESTROY
           : op == 'u' || op == 'x' ? unlocks(s, i)
           : writer(op)             ? writes(s, i)
                                    : reads(s, i);
}

/* choice: the cpu. */
static enum outcome next(struct state *s, int i, int choice) {
    struct thread *t = &s->t[i];
    char op = programs[i][t->op];
    int cpu = place[i] == '*' ? choice + 1 : place[i] - '0' + 1;
    if ((op == 'd' && !alone(s, i)) || (choice && place[i] != '*'))
        return STEP_BLOCKED;
    if (place[i] != 'f') {
        while (!choice && place[i] == '*' && s->used >> cpu & 1)
            cpu++;
        if (cpu > cpus || s->used >> cpu & 1)
            return STEP_BLOCKED;
        if (t->from != cpu)
            drain(s, t->from);
        t->from = 0;
        t->cpu = (uint8_t)cpu;
        s->used |= (uint8_t)(1u << cpu);
    }
    if (t->pc == RESUME) {
        t->pc = writer(op) ? WANT_LOOK : SLOW;
    } else if (op == 'x' && alone(s, i)) {
        s->freed = 1;
        t->held = 0;
        t->pc = returns(s, i, 1);
    } else {
        t->pc = begin(s, i);
    }
    return STEP_DONE;
}

/* One step of a call. */
static enum outcome call(struct state *s, int i, int choice) {
    struct thread *t = &s->t[i];
    const char op = programs[i][t->op];
    const int timed = op == 'R' || op == 'W';
    const enum pc pc = t->pc;
    enum pc to = pc;
    int held = 0;
    if (pc == NEXT || pc == RESUME)
        return next(s, i, choice);
    if (choice && !(choice == 1 && (pc == RD_SLOT || pc == RD_CAS || pc == WANT_LOOK || (pc == ASLEEP && timed))))
        return STEP_BLOCKED;
    if (pc >= SLOW_LOCK && pc < END && !lock(s, i))
        return STEP_BLOCKED;
    switch (pc) {
    case AGAIN:
        to = begin(s, i);
        break;

    case RD_SLOT:
        touch(s); /* the tag */
        t->v = look(s, t, t->cpu);
        if (choice) { /* it is another lock's */
            if (t->v)
                return STEP_BLOCKED;
            to = RD_CAS;
        } else if (t->v == 0) {
            s->buffered[t->cpu - 1] = t->counts = 1;
            to = RD_LOOK;
        } else {
            to = t->v < FULL ? RD_SLOT_CAS : RD_CAS;
        }
        break;
    case RD_SLOT_CAS:
        if (broken != PLAIN_HOLD)
            drain(s, t->cpu);
        to = RD_CAS;
        if (broken == PLAIN_HOLD || s->slot[t->cpu - 1] == t->v) {
            s->slot[t->cpu - 1] = (uint8_t)(t->v + 1 - s->buffered[t->cpu - 1]);
            t->counts = 1;
            to = RD_LOOK;
        }
        t->v = 0;
        break;
    case RD_LOOK:
        to = load(s) & BIAS || broken == NO_LOOK ? have(s, i, READS) : RD_BACK;
        break;
    case RD_BACK:
        to = RD_CAS;
        if (broken != LEFT_THERE && take(s, t, t->cpu))
            t->counts = 0;
        else if (broken != NOT_MINE && broken != LEFT_THERE)
            to = have(s, i, READS);
        break;
    case RD_CAS: /* the choice: it finds that it was disturbed, and that it pays */
        to = AGAIN;
        if (cas(s, t, t->w, t->w + READER)) {
            t->counts = 1;
            to = choice && t->cpu ? BIAS_LOOK : have(s, i, READS);
        }
        break;
    case BIAS_LOOK:
        t->w = load(s);
        to = t->w & (broken == BIAS_ALWAYS ? BIASED : (broken == BIAS_WANTED ? SHUT & ~WANTED : SHUT) | BIASED) ? have(s, i, READS) : BIAS_CAS;
        break;
    case BIAS_CAS:
        cas(s, t, t->w, t->w | BIAS);
        to = have(s, i, READS);
        break;

    case TRY_LOOK:
        t->w = load(s);
        to = t->w & BIASED && broken != TRY_GIVES_UP ? COUNT
             : t->w || broken == TRY_ONCE            ? failed(s, i)
                                                     : AGAIN;
        break;

    case WANT_LOOK: /* the choice: it does not spin */
        t->w = load(s);
        to = choice || t->w & SHUT ? SLOW : t->w & BIASED ? COUNT : WANT_CAS;
        break;
    case WANT_CAS:
        to = WANT_LOOK;
        if (cas(s, t, t->w, t->w ? t->w | WANTED : WRITER)) {
            t->wanted = t->w != 0;
            if (!t->w)
                s->owner = (uint8_t)(i + 1);
            to = t->w ? WANT_TRY : place_in(s->writers, i) ? SLOW : have(s, i, WRITES);
            if (!t->w && to == SLOW)
                t->held = WRITES;
        }
        break;
    case WANT_TRY:
    case SLOW_TAKE:
        t->w = load(s);
        to = pc == WANT_TRY ? SLOW : SLOW_LOOK;
        if (!(t->w & ~(WANTED | QUEUE)) && cas(s, t, t->w, (t->w & QUEUE) | WRITER)) {
            s->owner = (uint8_t)(i + 1);
            t->wanted = 0;
            if (pc == WANT_TRY && place_in(s->writers, i))
                t->held = WRITES;
            else
                to = have(s, i, WRITES);
        }
        break;
    case SLOW:
        to = SLOW_LOCK;
        break;

    case SLOW_LOCK:
        t->slow = 1;
        if (broken != STILL_CALLED)
            t->tag &= (uint8_t)~CALLED;
        if (t->held) {
            to = have(s, i, WRITES);
            break;
        }
        /* fall through */
    case SLOW_AGAIN:
        to = writer(op) ? end_bias(t, t->wanted ? SLOW_TAKE : AGAIN) : AGAIN;
        break;
    case SLOW_LOOK:
        t->w = load(s);
        if (t->wanted)
            to = t->w / READER ? SLOW_CAS : SLOW_AGAIN;
        else if (writer(op))
            to = t->w == 0 || (t->w & BIASED && broken != QUEUE_ALWAYS) ? SLOW_AGAIN : SLOW_CAS;
        else
            to = t->w & SHUT ? SLOW_CAS : SLOW_AGAIN;
        break;
    case SLOW_CAS: /* and it goes to sleep */
        to = SLOW_AGAIN;
        if (!cas(s, t, t->w,
                 (t->wanted && broken != LEFT_WANTED ? t->w & ~WANTED : t->w) |
                     (is_called(s) && broken != QUEUE_THOUGH_CALLED ? 0 : QUEUE)))
            break;
        if (place_in(s->writers, i) || place_in(s->readers, i)) {
            t->tag |= VAIN;
        } else {
            uint8_t *q = writer(op) ? s->writers : s->readers;
            *(uint8_t *)memchr(q, 0, MOST) = (uint8_t)(i + 1);
            t->tag = 0;
        }
        drop(s);
        s->used &= (uint8_t) ~(1u << t->cpu);
        t->cpu = t->slow = t->to = t->w = t->wanted = 0;
        to = ASLEEP;
        break;
    case SETTLE:
        t->w = load(s);
        to = SLOW_DROP;
        if (is_called(s) || (t->w & QUEUE) == queue_bit(s) || broken == NO_SETTLE)
            break;
        to = t->w & BIASED && queue_bit(s) ? end_bias(t, SETTLE) : SETTLE;
        if (to == SETTLE)
            s->word = (uint8_t)((s->word & ~QUEUE) | queue_bit(s));
        break;
    case SLOW_DROP:
        drop(s);
        wake_called(s, &t->wake);
        to = returns(s, i, 1);
        break;
    case CLAIMED:
    case ASLEEP:
        if (!choice)
            return STEP_BLOCKED;
        to = TIME_LOCK;
        break;
    case TIME_LOCK: {
        uint8_t *q = writer(op) ? s->writers : s->readers, *w = place_in(q, i);
        if (w) {
            if (t->tag & LAST && w != q)
                s->t[w[-1] - 1].tag |= LAST;
            unqueue(s, i);
            if (!s->writers[0] && (load(s) & SHUT) == QUEUE && broken != NO_LOOK_AGAIN)
                t->out = let_in(s);
            count(s, t->out);
            if (!is_called(s))
                s->word = (uint8_t)((s->word & ~QUEUE) | queue_bit(s));
        }
        to = TIME_DROP;
        break;
    }
    case TIME_DROP:
        drop(s);
        wake(s, t->out);
        to = failed(s, i);
        break;

    case UN_OWN:
        touch(s); /* the tag */
        t->v = broken == PLAIN_DROP ? look(s, t, t->cpu) : 0;
        to = t->v ? UN_OWN_STORE : take(s, t, t->cpu) ? unlocked(s, i) : t->w < READER ? UN_ANY : UN_CAS;
        break;
    case UN_OWN_STORE:
        s->buffered[t->cpu - 1] = 0;
        s->slot[t->cpu - 1] = (uint8_t)(t->v - 1);
        to = unlocked(s, i);
        break;
    case UN_ANY:
        touch(s);
        if (t->scan == cpus && broken == REFUSES)
            wrong = refused;
        to = t->scan == cpus ? COUNT : take(s, t, ++t->scan) ? unlocked(s, i) : UN_ANY;
        break;
    case COUNT:
        t->scan = 0;
        to = end_bias(t, COUNTED);
        break;
    case COUNTED:
        drop(s);
        t->to = 0;
        to = writer(op) && !tries(s, i) ? WANT_LOOK : AGAIN;
        break;
    case UN_CAS:
        to = cas(s, t, t->w, t->held == WRITES ? t->w & ~WRITER : t->w - READER) ? unlocked(s, i) : AGAIN;
        break;
    case UN_LOCK:
        t->w = load(s);
        to = UN_DROP;
        if ((t->w & (broken == HANDS_WANTED ? QUEUE : QUEUE | WANTED)) == QUEUE && t->w / READER <= 1) {
            uint8_t *first = t->held == WRITES ? s->readers : s->writers;
            if (!(t->heir = claim_first(s, first)))
                t->heir = claim_first(s, first == s->readers ? s->writers : s->readers);
            to = UN_HAND;
        }
        break;
    case UN_HAND: {
        struct thread *h = t->heir ? &s->t[t->heir - 1] : NULL;
        touch(s);
        s->word = h ? 0 : t->w & (uint8_t)~QUEUE;
        if (h) {
            int write = writer(programs[t->heir - 1][h->op]);
            uint8_t *q = write ? s->writers : s->readers;
            t->counts = 0;
            t->held = 0;
            s->owner = 0;
            t->gone = 1;
            if (!(h->tag & VAIN)) {
                h->tag |= CALLED;
                s->t[q[strnlen((char *)q, MOST) - 1] - 1].tag |= LAST;
                t->wake = t->heir;
            } else {
                unqueue(s, t->heir - 1);
                t->out = (uint8_t)(1u << (t->heir - 1));
                if (write) {
                    s->owner = t->heir;
                    s->word = WRITER;
                } else {
                    t->out |= let_in(s);
                    count(s, t->out);
                }
                if (broken != FORGETS_WRITERS)
                    s->word |= queue_bit(s);
            }
        }
        t->heir = 0;
        if (broken == WAKES_FIRST) {
            wake(s, t->out);
            wake_called(s, &t->wake);
        }
        to = UN_DROP;
        break;
    }
    case UN_DROP:
        drop(s);
        to = AGAIN;
        if (t->gone) {
            if (broken != WAKES_FIRST)
                wake(s, t->out);
            wake_called(s, &t->wake);
            to = unlocked(s, i);
        }
        break;
    case UN_LATE:
        touch(s);
        to = unlocked(s, i);
        break;

    case END_WORD:
        to = t->to;
        if (load(s) & BIAS) {
            drain(s, t->cpu);
            s->word ^= broken == NO_REVOKING ? BIAS : BIASED;
            to = END_BARRIER;
        }
        break;
    case END_BARRIER:
        for (int cpu = 1; cpu <= cpus && broken != NO_BARRIER; cpu++)
            drain(s, cpu);
        to = END_SCAN;
        break;
    case END_SCAN:
        if (t->scan == cpus) {
            t->scan = 0;
            to = END_ADD;
            if (broken == REVOKING_SHORT)
                s->word &= (uint8_t)~REVOKING;
        } else if (++t->scan != t->cpu || broken != SPARES_OWN_CPU) {
            uint8_t *slot = &s->slot[t->scan - 1];
            if (broken != NOT_COUNTED)
                t->hand = (uint8_t)(t->hand + (broken == COUNTS_SLOTS ? *slot > 0 : *slot));
            *slot = 0;
        }
        break;
    case END_ADD:
        touch(s);
        drain(s, t->cpu);
        s->word = (uint8_t)((s->word & ~REVOKING) + t->hand * READER);
        t->hand = 0;
        to = t->to;
        break;

    case DESTROY:
        to = broken == DESTROY_BIASED ? DESTROY_LOOK : end_bias(t, DESTROY_LOOK);
        break;
    case DESTROY_LOOK:
        t->w = load(s) & (uint8_t) ~(broken == DESTROY_BIASED ? BIAS : 0);
        for (int n = 0; n < threads; n++)
            held += s->t[n].counts || s->t[n].held;
        if (!t->w == !!held)
            wrong = held ? "a held lock is destroyed" : "a free lock is not";
        drop(s);
        s->freed = !t->w;
        to = returns(s, i, s->freed);
        break;
    case END:
        return STEP_FINISHED;
    case NEXT:
    case RESUME:
        break;
    }
    t->pc = (uint8_t)to;
    if (to == AGAIN || to == END_WORD || to >= SLOW_LOCK)
        t->w = 0;
    return STEP_DONE;
}

static enum outcome step(void *p, int i, int choice) {
    struct state *s = p;
    if (choice == DRAIN) { /* of the cpu with that number, rather */
        if (i >= cpus || !s->buffered[i])
            return STEP_BLOCKED;
        drain(s, i + 1);
        return STEP_DONE;
    }
    int busy = s->word & (WRITER | WANTED); /* who has set WANTED takes it if nobody else has it */
    for (int n = 0; n < threads; n++)
        busy |= s->t[n].counts;
    for (int n = 0; n < threads && busy; n++)
        s->t[n].saw |= tries(s, n) && (n == i || s->t[n].pc != NEXT);
    return call(s, i, choice);
}

static const char *check(const void *p) {
    const struct state *s = p;
    int reading = 0, writing = 0, held = 0, counted = s->word / READER;
    if (wrong || s->freed)
        return wrong;
    for (int i = 0; i < threads; i++) {
        const struct thread *t = &s->t[i];
        reading += t->pc == NEXT && t->held == READS;
        writing += t->pc == NEXT && t->held == WRITES;
        held += t->counts;
        counted += t->hand;
    }
    for (int i = 0; i < cpus; i++)
        counted += s->slot[i] + s->buffered[i];
    if (writing > 1 || (writing && reading))
        return "a writer is not alone";
    if (held != counted)
        return counted < held ? "a hold is lost" : "a hold that is nobody's";
    if (s->word & BIASED && s->word & (QUEUE | WRITER))
        return "biased, though it is not readers' alone";
    if (s->word & WRITER && s->word & ~(WRITER | QUEUE))
        return "a writer's lock is something else, too";
    if (!(s->word & ~QUEUE) && s->word)
        return "QUEUE in a free lock";
    if (s->lock)
        return NULL;
    if (s->readers[0] && !s->writers[0] && !is_called(s) && !(s->word & (WRITER | WANTED)))
        return "readers wait for readers";
    return (s->word & QUEUE) != (is_called(s) ? 0 : queue_bit(s)) ? "QUEUE is not what it says" : NULL;
}

static const char *check_end(const void *p) {
    const struct state *s = p;
    if (s->freed)
        return NULL;
    return s->word & ~BIAS || s->lock || s->readers[0] || s->writers[0] ? "something is left" : NULL;
}

/* on: the threads' places; before that b, the lock is biased at the start, and the number of cpus. */
static void run(int how, const char *on, const char *programs_of) {
    struct model m = {sizeof(struct state), 0, step, CPUS + 1, check, check_end};
    struct state s;
    static char text[100];
    memset(&s, 0, sizeof s);
    char name[100];
    snprintf(name, sizeof name, "rwlock of libmn, on %s: %s", on, programs_of);
    s.word = *on == 'b' ? BIAS : 0;
    on += *on == 'b';
    cpus = *on++ - '0';
    snprintf(text, sizeof text, "%s", programs_of);
    threads = 0;
    for (char *p = strtok(text, " "); p; p = strtok(NULL, " ")) {
        programs[threads] = p;
        place[threads] = on[threads];
        threads++;
    }
    m.threads = threads;
    broken = how;
    wrong = NULL;
    if (how)
        explore_not_ok(&m, &s, name);
    else
        explore_ok(&m, &s, name);
}

int main(void) {
    static const char *const good[][2] = {
        {"b2***", "ru ru wu"},
        {"b3***", "ru ru wu"},
        {"3***", "ru ru wu"},
        {"b200**", "ru ru wu ru"},
        {"b3**f", "ruru ru wu"},
        {"b2***f", "ru ru wu ru"},
        {"b2****", "ru ru ru wx"},
        {"2****", "ruru ru wu wx"},
        {"b2****", "ruru ruru wu wu"},
        {"b3***", "Ruru Ru Wu"},
        {"b2***", "Ru Wuru Wu"},
        {"b2****", "ru Ru Wu wx"},
        {"b3***", "ru turu Tu"},
        {"b2****", "ru ru Tu Tuwu"},
        {"2****", "wuwu wu ru ru"},
        {"2****", "wuru Wu Ru wx"},
        {"b2****", "ru ru Tu d"},
        {"b2***f", "ru Ru ru d"},
        /* up to ten million states of a hundred bytes */
        {"2****", "Ru ruru Wu wuwu"},
        {"b3****", "ru ru ru wx"},
        {"b3****", "ruru ru Tu wu"},
        {"b2*****", "ru ru ru wu Wx"},
    };
    for (unsigned i = 0; i < sizeof good / sizeof *good - (scale() > 1 ? 0 : 4); i++)
        run(GOOD, good[i][0], good[i][1]);

    run(NO_BARRIER, "b2**", "ru wu");
    run(NO_REVOKING, "b2**", "ru wu");         /* BIAS is just cleared */
    run(REVOKING_SHORT, "b2**", "ru wu");      /* and REVOKING before the holds are added */
    run(REVOKING_UNSEEN, "b2**", "ru wu");     /* by an unlock */
    run(NOT_COUNTED, "b2**", "ru wu");         /* slots are just emptied, */
    run(COUNTS_SLOTS, "b2***", "ru ru wu");    /* or taken for one hold each, */
    run(SPARES_OWN_CPU, "b2**", "ru wu");      /* but for that of the revoker's cpu */
    run(NO_LOOK, "b2**", "ru wu");             /* a reader does not look whether the lock is biased still, */
    run(NOT_MINE, "b2**", "ru wu");            /* or, if not, whether its hold is there still, */
    run(LEFT_THERE, "b2**", "ru wu");          /* or leaves it there */
    run(PLAIN_HOLD, "b2***", "ru ru wu");      /* a second hold, by a store */
    run(PLAIN_DROP, "b2**", "ru wu");          /* an unlock of the cpu's own hold, by a store */
    run(EMPTIES_SLOT, "b2***", "ru ru wu");    /* or of all holds at once */
    run(REFUSES, "b2**", "ru wu");             /* an unlock that finds nothing */
    run(BIAS_ALWAYS, "b2**", "ru wu");         /* with QUEUE or WRITER */
    run(QUEUE_ALWAYS, "b2**", "ru wu");        /* with BIAS */
    run(TRY_GIVES_UP, "b2**", "ru Tu");        /* at a lock that is biased, */
    run(TRY_ONCE, "b2***", "ru Tu Tu");        /* or no more */
    run(DESTROY_BIASED, "b2**", "ru d");       /* without ending that */
    run(LAST_LEAVES, "b2**", "ru wu");         /* by the fast way, though somebody waits */
    run(FORGETS_WRITERS, "2****", "wuwu wu wu ru"); /* QUEUE is cleared when somebody is let in, */
    run(NO_SETTLE, "2***", "wu wu wu");       /* or is not set by who was called */
    run(STILL_CALLED, "2***", "ruru wu wu");  /* who was called, and comes in vain, counts as called */
    run(QUEUE_THOUGH_CALLED, "2****", "wu wu ru wu"); /* QUEUE is set while somebody is */
    run(LEFT_WANTED, "2**", "ruru wu");       /* a writer sleeps and leaves WANTED there */
    run(HANDS_WANTED, "2***", "ru ru wu wu"); /* a reader hands over what is wanted */
    run(BIAS_WANTED, "2***", "ru ru wu");     /* or biases it */
    run(NO_LOOK_AGAIN, "2***", "ru Wu ru");    /* a writer's deadline lets no readers in */
    run(TOUCHES, "b2**", "ru wx");             /* the word, after the last step */
    run(WAKES_FIRST, "b2***", "ruru ru wx");    /* and drops the lock then */
    return done();
}
