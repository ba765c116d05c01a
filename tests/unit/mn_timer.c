/* lib/libmn/wait/timer.h: against a model that looks at every timer, and with other LWPs that remove. */
#include "unit.h"

#include <mn/time.h>
#include <signal.h>
#include <string.h>

#include "atomic.h"
#include "wait/timer.h"

enum { TICK = 1024 };

static struct mni_timers *make(int64_t now) {
    struct mni_timers *q = calloc(1, mni_timers_size());
    cr_assert(q);
    mni_timers_init(q, now);
    return q;
}

/* ---- one at a time */

static struct mni_timer *last_expired;
static int expired;
static void note(struct mni_timer *t, void *arg) {
    (void)arg;
    last_expired = t;
    expired++;
}
static int run(struct mni_timers *q, int64_t now) {
    return mni_timers_run(q, now, 1 << 30, note, NULL);
}

/* Deadlines at and beside every power of two, from several beginnings: not early, at most a tick late, next
 * is exact. */
Test(timer, not_early_and_not_late) {
    static const int64_t starts[] = {0, 1, 1023, 1024, 4194303, 4194304, 123456789012345, INT64_MAX / 2 + 77};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        for (int bit = 0; bit < 62; bit++) {
            for (int64_t d = -2; d <= 2; d++) {
                int64_t now = starts[s], span = ((int64_t)1 << bit) + d;
                if (span <= 0 || now > INT64_MAX - span - 4 * TICK)
                    continue;
                struct mni_timers *q = make(now);
                struct mni_timer t = {0};
                mni_timer_set(q, &t, now + span);
                int64_t next = mni_timers_next(q);
                cr_assert(next >= now + span && next < now + span + TICK, "start %ld span %ld next %ld", now,
                          span, next);
                cr_assert_eq(run(q, now), next <= now);
                if (next > now) {
                    cr_assert_eq(run(q, now + span / 2), 0);
                    cr_assert_eq(run(q, next - 1), 0, "start %ld span %ld: early", now, span);
                    cr_assert_eq(mni_timers_next(q), next);
                    cr_assert_eq(run(q, next), 1, "start %ld span %ld: late", now, span);
                }
                cr_assert_eq(last_expired, &t);
                cr_assert_eq(mni_timers_next(q), MN_FOREVER);
                free(q);
            }
        }
    }
}

Test(timer, past_and_far) {
    int64_t now = 5000000000;
    struct mni_timers *q = make(now);
    struct mni_timer past = {0}, negative = {0}, zero = {0}, far = {0}, forever = {0};
    mni_timer_set(q, &past, now - TICK);
    cr_assert(mni_timers_next(q) <= now);
    cr_assert_eq(run(q, now), 1);
    mni_timer_set(q, &negative, INT64_MIN);
    mni_timer_set(q, &zero, 0);
    cr_assert_eq(run(q, now), 2);
    mni_timer_set(q, &far, INT64_MAX - 100000);
    mni_timer_set(q, &forever, INT64_MAX);
    cr_assert_eq(mni_timers_next(q), (INT64_MAX - 100000 + TICK - 1) / TICK * TICK);
    cr_assert_eq(run(q, INT64_MAX - 200000), 0);
    cr_assert(mni_timer_remove(&forever));
    cr_assert_eq(run(q, INT64_MAX), 1);
    cr_assert_eq(last_expired, &far);
    free(q);
}

Test(timer, remove) {
    struct mni_timers *q = make(0);
    struct mni_timer t[3] = {0};
    cr_assert_not(mni_timer_remove(&t[0]), "never set");
    mni_timer_set(q, &t[0], 10000);
    mni_timer_set(q, &t[1], 10000);
    mni_timer_set(q, &t[2], 20000);
    cr_assert(mni_timer_remove(&t[1]));
    cr_assert_not(mni_timer_remove(&t[1]), "twice");
    cr_assert(mni_timer_remove(&t[0]));
    cr_assert_eq(mni_timers_next(q), 20 * TICK, "the next one is not removed ones'");
    cr_assert_eq(run(q, 15000), 0);
    cr_assert_eq(run(q, 30000), 1);
    cr_assert_not(mni_timer_remove(&t[2]), "expired");
    mni_timer_set(q, &t[0], 40000); /* anew */
    cr_assert_eq(run(q, 50000), 1);
    cr_assert_eq(mni_timers_next(q), MN_FOREVER);
    /* One that was late already when it was set. */
    struct mni_timer late = {0};
    mni_timer_set(q, &late, 0);
    cr_assert(mni_timer_remove(&late));
    cr_assert_eq(mni_timers_next(q), MN_FOREVER);
    free(q);
}

Test(timer, set_twice, .signal = SIGABRT) {
    struct mni_timers *q = make(0);
    struct mni_timer t = {0};
    mni_timer_set(q, &t, 10000);
    mni_timer_set(q, &t, 10000);
}

Test(timer, at_most) {
    struct mni_timers *q = make(0);
    static struct mni_timer t[1000];
    for (int i = 0; i < 1000; i++)
        mni_timer_set(q, &t[i], 5000000 + i % 3);
    cr_assert_eq(mni_timers_run(q, 6000000, 0, note, NULL), 0);
    for (int left = 1000; left > 0;) {
        int n = mni_timers_run(q, 6000000, 7, note, NULL);
        cr_assert_eq(n, left < 7 ? left : 7);
        left -= n;
        cr_assert(left == 0 || mni_timers_next(q) <= 6000000);
    }
    cr_assert_eq(run(q, 6000000), 0);
    free(q);
}

/* One that is set by expire() with a deadline in the past expires in the same run. */
/* Slots may be empty by removals; two of the same tick count once; later ones do not count. */
Test(timer, crowd) {
    static const int64_t at[] = {2048, 10240, 10240, 20480, 30720};
    struct mni_timers *q = make(0);
    struct mni_timer t[5] = {{0}};
    cr_assert_not(mni_timers_crowd(q, 40960, 1));
    for (int i = 0; i < 5; i++)
        mni_timer_set(q, &t[i], at[i]);
    cr_assert(mni_timers_crowd(q, 40960, 4));
    cr_assert_not(mni_timers_crowd(q, 40960, 5));
    cr_assert(mni_timers_crowd(q, 20480, 3));
    cr_assert_not(mni_timers_crowd(q, 20479, 3));
    cr_assert_not(mni_timers_crowd(q, 2047, 1));
    mni_timer_remove(&t[0]);
    mni_timer_remove(&t[3]);
    cr_assert(mni_timers_crowd(q, 40960, 2));
    cr_assert_not(mni_timers_crowd(q, 40960, 3));
    cr_assert(mni_timers_crowd(q, 4096 * 1024 + 99999, 2), "beyond the lowest wheel");
    cr_assert_eq(run(q, 40960), 3);
    cr_assert_not(mni_timers_crowd(q, 90000, 1));
    free(q);
}

static void again(struct mni_timer *t, void *arg) {
    if (++expired < 10)
        mni_timer_set(arg, t, t->deadline - 1000);
}
Test(timer, set_by_expire) {
    struct mni_timers *q = make(0);
    struct mni_timer t = {0};
    mni_timer_set(q, &t, 100000);
    cr_assert_eq(mni_timers_run(q, 200000, 100, again, q), 10);
    cr_assert_eq(mni_timers_next(q), MN_FOREVER);
    free(q);
}

/* ---- random operations against a model */

enum { TIMERS = 300 };
static struct {
    struct mni_timer t;
    bool set;
    int64_t deadline, from; /* from: when it was set */
} model[TIMERS];
static int64_t model_now, model_last;
static uint32_t rnd = 12345;
static bool removals; /* without them, next is exact */

static int64_t random_span(void) {
    /* Any order of magnitude, so that all levels and the borders between them are met. */
    unsigned bits = random_next(&rnd) % 50 + 1;
    uint64_t v = (uint64_t)random_next(&rnd) << 32 | random_next(&rnd);
    return (int64_t)(v >> (64 - bits));
}

static int64_t tick_up(int64_t t) {
    return (t + TICK - 1) / TICK;
}

static void model_set(struct mni_timers *q, int i, int64_t deadline) {
    model[i].set = true;
    model[i].deadline = deadline;
    model[i].from = model_now;
    mni_timer_set(q, &model[i].t, deadline);
}

static void model_expire(struct mni_timer *t, void *arg) {
    int i = (int)(((char *)t - (char *)model) / (ptrdiff_t)sizeof model[0]);
    cr_assert(model[i].set, "expired though it was not set");
    cr_assert(model[i].deadline <= model_now, "early by %ld", model[i].deadline - model_now);
    cr_assert_eq(t->deadline, model[i].deadline);
    if (model[i].deadline > model[i].from) {
        cr_assert(tick_up(model[i].deadline) >= model_last, "out of order");
        model_last = tick_up(model[i].deadline);
    }
    model[i].set = false;
    if (random_next(&rnd) % 8 == 0) { /* expire() sets one anew, or removes another */
        int j = (int)(random_next(&rnd) % TIMERS);
        if (model[j].set && removals) {
            model[j].set = false;
            cr_assert(mni_timer_remove(&model[j].t));
        } else if (!model[j].set) {
            model_set(arg, j, model_now + random_span() + 2 * TICK);
        }
    }
}

static void random_operations(void) {
    for (int round = 0; round < 20; round++) {
        memset(model, 0, sizeof model);
        model_now = round == 0 ? 0 : random_span();
        struct mni_timers *q = make(model_now);
        for (long step = 0; step < scaled(5000); step++) {
            int i = (int)(random_next(&rnd) % TIMERS);
            unsigned what = random_next(&rnd) % 8;
            if (what < 5) {
                if (!model[i].set) {
                    model_set(q, i, model_now + random_span() - (what == 0 ? random_span() : 0));
                } else if (removals) {
                    model[i].set = false;
                    cr_assert(mni_timer_remove(&model[i].t));
                }
            } else {
                int64_t next = mni_timers_next(q);
                if (what == 5 && next != MN_FOREVER && next > model_now)
                    model_now = next - (random_next(&rnd) & 1);
                else if (what == 6)
                    model_now += random_span() >> 10;
                else
                    model_now += random_span() >> 30;
                model_last = 0;
                mni_timers_run(q, model_now, 1 << 30, model_expire, q);
            }
            int64_t earliest = MN_FOREVER;
            for (int k = 0; k < TIMERS; k++) {
                if (!model[k].set)
                    continue;
                if (what >= 5 && model[k].deadline > model[k].from)
                    cr_assert(tick_up(model[k].deadline) > model_now / TICK, "late by %ld",
                              model_now - model[k].deadline);
                int64_t at = tick_up(model[k].deadline < 0 ? 0 : model[k].deadline) * TICK;
                if (at < earliest)
                    earliest = at;
            }
            int64_t next = mni_timers_next(q);
            cr_assert(next <= earliest || (next <= model_now + TICK && earliest <= model_now),
                      "next %ld, earliest %ld, now %ld", next, earliest, model_now);
            if (!removals)
                cr_assert(next >= earliest || next <= model_now, "next %ld is before the earliest, %ld", next,
                          earliest);
        }
        free(q);
    }
}

Test(timer, random, .timeout = 100) {
    random_operations();
}

Test(timer, random_with_removals, .timeout = 100) {
    removals = true;
    random_operations();
}

/* ---- other LWPs remove, while the owner expires */

enum { OTHERS = 3, EACH = 4 };
static struct remote {
    struct mni_timer t;
    uint32_t expired; /* how often; atomic */
    uint32_t done;    /* the same, at the end of expire() */
} remote[OTHERS][EACH];
static struct mni_timers *shared;
static uint32_t others_left;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void remote_expire(struct mni_timer *t, void *arg) {
    struct remote *r = (struct remote *)(void *)t;
    a32_add_full(&r->expired, 1);
    random_delay(arg);
    a32_add_full(&r->done, 1);
}

static void remote_body(unsigned index, uint32_t *random) {
    if (index == OTHERS) {
        while (a32_load_acquire(&others_left) > 0) {
            mni_timers_run(shared, now_ns(), 1 + (int)(random_next(random) & 3), remote_expire, random);
            (void)mni_timers_next(shared);
            random_delay(random);
        }
        return;
    }
    for (long i = 0; i < scaled(20000) / 4; i++) {
        struct remote *r = &remote[index][random_next(random) % EACH];
        uint32_t before = a32_load_acquire(&r->expired);
        cr_assert_eq(a32_load_acquire(&r->done), before, "it expired after it was removed");
        mni_timer_set(shared, &r->t, now_ns() + random_next(random) % 20000);
        for (unsigned k = random_next(random) % 4; k > 0; k--)
            random_delay(random);
        uint32_t expect = before + (mni_timer_remove(&r->t) ? 0 : 1);
        cr_assert_eq(a32_load_acquire(&r->done), expect, "removal tells the truth, and expire() has returned");
        cr_assert_eq(a32_load_acquire(&r->expired), expect);
    }
    a32_add_full(&others_left, (uint32_t)-1);
}

Test(timer, removed_by_others, .timeout = 100) {
    shared = make(now_ns());
    others_left = OTHERS;
    crew(OTHERS + 1, remote_body);
    cr_assert_eq(mni_timers_pending(shared), 0);
    /* What next says may be of one that was removed from a far slot; a run corrects it. */
    mni_timers_run(shared, now_ns() + 1000000000, 1, NULL, NULL);
    cr_assert_eq(mni_timers_next(shared), MN_FOREVER);
    free(shared);
}

/* ---- others expire what is due while the owner sleeps, and nothing that it has only just set */

static struct {
    struct remote r;
    uint32_t unfinished; /* its setter is not done yet */
} helped[EACH];
static uint32_t asleep;

static void helped_expire(struct mni_timer *t, void *arg) {
    uint32_t *unfinished = (uint32_t *)(void *)((struct remote *)(void *)t + 1);
    cr_assert_eq(a32_load_acquire(unfinished), 0, "it was set while nobody slept");
    remote_expire(t, arg);
}

static void helped_body(unsigned index, uint32_t *random) {
    if (index > 0) {
        while (a32_load_acquire(&others_left) > 0) {
            int most = 1 + (int)(random_next(random) & 3);
            mni_timers_help(shared, now_ns(), most, &asleep, helped_expire, random);
            random_delay(random);
        }
        return;
    }
    for (long i = 0; i < scaled(20000) / 4; i++) {
        struct remote *r = &helped[i % EACH].r;
        uint32_t before = a32_load_acquire(&r->expired);
        a32_store_release(&helped[i % EACH].unfinished, 1);
        mni_timer_set(shared, &r->t, now_ns() - random_next(random) % 2000);
        random_delay(random);
        a32_store_release(&helped[i % EACH].unfinished, 0);
        a32_swap_full(&asleep, 1);
        for (unsigned k = random_next(random) % 8; k > 0; k--)
            random_delay(random);
        a32_swap_full(&asleep, 0);
        if (random_next(random) & 1)
            mni_timers_run(shared, now_ns(), 1, helped_expire, random);
        uint32_t expect = before + (mni_timer_remove(&r->t) ? 0 : 1);
        cr_assert_eq(a32_load_acquire(&r->done), expect, "removal tells the truth, and expire() has returned");
        cr_assert_eq(a32_load_acquire(&r->expired), expect);
    }
    a32_add_full(&others_left, (uint32_t)-1);
}

Test(timer, helped_while_asleep, .timeout = 100) {
    shared = make(now_ns());
    others_left = 1;
    crew(3, helped_body);
    cr_assert_eq(mni_timers_pending(shared), 0);
    free(shared);
}

/* The owner wakes while a helper deals out a slot: what is not dealt out yet is not forgotten.  It "wakes" when the
 * link of a timer that is dealt out becomes NULL. */
Test(timer, owner_wakes_while_a_slot_is_dealt_out) {
    enum { MANY = 200, FIRST = 3 << 12 }; /* ticks: where a slot of the second level begins */
    struct mni_timers *q = make(0);
    static struct mni_timer t[MANY];
    for (int i = 0; i < MANY; i++)
        mni_timer_set(q, &t[i], (int64_t)(FIRST + i) * TICK);
    const uint32_t *link = (const uint32_t *)(const void *)&t[MANY - 50].next;
    cr_assert_neq(a32_load(link), 0);
    cr_assert_eq(mni_timers_help(q, (int64_t)FIRST * TICK, MANY, link, note, NULL), 0);
    cr_assert_eq(a32_load(link), 0);
    cr_assert(mni_timers_next(q) <= (int64_t)FIRST * TICK, "next is %ld", mni_timers_next(q) / TICK - FIRST);
    cr_assert_eq(run(q, (int64_t)(FIRST + 10) * TICK), 11);
    cr_assert_eq(mni_timers_next(q), (int64_t)(FIRST + 11) * TICK);
    cr_assert_eq(run(q, (int64_t)(FIRST + MANY) * TICK), MANY - 11);
    free(q);
}

/* Who removes a timer whose expire() runs for long waits for it, asleep. */
static void slow_expire(struct mni_timer *t, void *arg) {
    (void)t;
    struct timespec nap = {0, 200000000};
    a32_store_release(&((uint32_t *)arg)[0], 1);
    nanosleep(&nap, NULL);
    a32_store_release(&((uint32_t *)arg)[1], 1);
}

static uint32_t slow_words[2];
static struct mni_timer slow_timer;
static void slow_body(unsigned index, uint32_t *random) {
    (void)random;
    if (index == 0) {
        mni_timers_run(shared, INT64_MAX / 2, 10, slow_expire, slow_words);
        return;
    }
    while (!a32_load_acquire(&slow_words[0]))
        sched_yield();
    struct timespec a, b;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    cr_assert_not(mni_timer_remove(&slow_timer));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    cr_assert(a32_load_acquire(&slow_words[1]), "expire() was still under way");
    cr_assert((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 50000000, "it did not sleep");
}

Test(timer, removal_waits_for_expire, .timeout = 60) {
    shared = make(0);
    mni_timer_set(shared, &slow_timer, 1000);
    crew(3, slow_body);
    free(shared);
}
