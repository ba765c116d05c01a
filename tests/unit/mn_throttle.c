/* lib/libmn/sched/throttle.h: two cpus whose progress is made up, and a clock that the test moves. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "sched/throttle.h"

enum { US = 1000, MS = 1000000, STEP = 10 * US };

static struct mni_cpu *thief, *victim;
static struct mni_throttle *t;
static int64_t now;

/* What both get done in a ms when the thief steals, and the victim when it does not. */
static uint64_t together, alone, sent_together, sent_alone;

static void begin(uint64_t two, uint64_t one) {
    static _Alignas(MNI_LINE) struct mni_cpu cpus[2];
    memset(cpus, 0, sizeof cpus);
    thief = &cpus[0];
    victim = &cpus[1];
    t = &thief->throttle;
    mni_throttle_init(t);
    now = 12345;
    together = two;
    alone = one;
    sent_together = sent_alone = 0;
}

static void get_on(int64_t ns, bool apart) {
    uint64_t switches = (apart ? alone : together) * (uint64_t)ns / MS;
    victim->count.switches += apart ? switches : switches / 2;
    thief->count.spawns += apart ? 0 : switches / 2;
    victim->count.messages += (apart ? sent_alone : sent_together) * (uint64_t)ns / MS;
    now += ns;
}

/* The time goes on, and the victim, and the thief, who looks for threads and takes some if it may. */
static bool step(void) {
    get_on(STEP, t->apart);
    if (mni_throttle_apart(t, now))
        return true;
    mni_throttle_share(t, victim, thief, now);
    return false;
}

/* The share of the next second that the thief stays apart, in percent. */
static int share_apart(void) {
    int64_t apart = 0, end = now + 1000 * MS;
    while (now < end) {
        int64_t from = now;
        if (step())
            apart += now - from;
    }
    return (int)(apart / (10 * MS));
}

Test(throttle, two_get_more_done) {
    begin(20000, 10000);
    int apart = share_apart();
    cr_assert(apart <= 3, "%d %%", apart);
}

Test(throttle, one_gets_more_done) {
    begin(5000, 10000);
    int apart = share_apart();
    cr_assert(apart >= 90, "%d %%", apart);
}

/* As much by one as by two: one is enough. */
Test(throttle, the_same) {
    begin(10000, 10000);
    int apart = share_apart();
    cr_assert(apart >= 90, "%d %%", apart);
}

/* Threads that compute are always taken, also where one cpu gets more done. */
Test(throttle, coarse) {
    begin(100, 150);
    for (int64_t end = now + 1000 * MS; now < end;)
        cr_assert(!step());
}

/* The load changes while the thief stays apart: found when the phase ends, and at once if the victim stops. */
Test(throttle, another_load) {
    begin(5000, 10000);
    share_apart();
    together = 30000;
    int64_t from = now;
    while (step() || now - from < 20 * MS)
        cr_assert(now - from < 40 * MS);
    int apart = share_apart();
    cr_assert(apart <= 3, "%d %%", apart);

    /* Late in a phase, to one that is slower on two than the last one was on one: not apart for as long again.
     */
    begin(5000, 10000);
    share_apart();
    for (from = now; !step() || now - t->begun < 12 * MS;)
        cr_assert(now - from < 40 * MS);
    together = 900;
    alone = 500;
    for (from = now; now - from < 7 * MS;)
        step();
    cr_assert(!step());

    begin(5000, 10000);
    share_apart();
    for (from = now; !step() || now - t->begun < MS;)
        cr_assert(now - from < 40 * MS);
    alone = 0;
    from = now;
    while (step())
        cr_assert(now - from <= 3 * STEP, "after %ld us", (long)((now - from) / US));
}

/* A victim that runs dry alone, or slept, has too little to do to tell. */
Test(throttle, little_to_do) {
    begin(5000, 10000);
    int64_t apart = 0, end = now + 1000 * MS;
    while (now < end) {
        int64_t from = now;
        if (step()) {
            apart += now - from;
            victim->count.searches++;
        }
    }
    cr_assert(apart < 30 * MS, "%ld us", (long)(apart / US));

    begin(5000, 10000);
    for (end = now + 1000 * MS; now < end;) {
        cr_assert(!step(), "measured a victim that slept");
        victim->count.sleeps++;
    }
}

/* Messages count, and more than switches: who waits for room switches without getting on. */
Test(throttle, messages) {
    begin(10000, 2000);
    sent_together = 1000;
    sent_alone = 4000;
    int apart = share_apart();
    cr_assert(apart >= 90, "%d %%", apart);
}
