/* Statistics: that each figure counts what its name says. */
#include <errno.h>
#include <mn.h>
#include <stdatomic.h>
#include <stddef.h>

#include "tap.h"

static struct mn_stats_cpu sum(void) {
    struct mn_stats_cpu all[64], s = {0};
    int n = mn_stats(all, 64, sizeof *all);
    for (int i = 0; i < n && i < 64; i++) {
        s.switches += all[i].switches;
        s.spawns += all[i].spawns;
        s.ends += all[i].ends;
        s.yields += all[i].yields;
        s.parks += all[i].parks;
        s.wakes += all[i].wakes;
        s.ready += all[i].ready;
        s.running += all[i].running;
        s.timers += all[i].timers;
        s.stacks += all[i].stacks;
        s.stack_bytes += all[i].stack_bytes;
        s.steals += all[i].steals;
        s.stolen += all[i].stolen;
        s.sleeps += all[i].sleeps;
        s.overflows += all[i].overflows;
    }
    return s;
}

static void *yields(void *arg) {
    for (int i = 0; i < 10; i++)
        mn_yield();
    return arg;
}
static atomic_int parked;
static void *parks(void *arg) {
    atomic_fetch_add(&parked, 1);
    mn_park_until("a test", arg ? mn_after(3600000000000) : MN_FOREVER);
    return NULL;
}

static int first(void *arg) {
    (void)arg;
    mn_thread t[100];
    struct mn_stats_cpu all[2], s;
    unsigned n = mn_workers();
    is(mn_stats(NULL, 0, sizeof *all), (int)n, "how many CPUs");
    is(mn_stats(NULL, 1, sizeof *all), -EINVAL, "no array");
    const size_t first_version = offsetof(struct mn_stats_cpu, solos);
    is(mn_stats(all, 1, first_version - 1), -EINVAL, "a structure that is too small");
    memset(all, 0x55, sizeof all);
    ok(mn_stats(all, 1, first_version) == (int)n && all[0].solos == 0x5555555555555555, "one of the first version");
    struct {
        struct mn_stats_cpu s;
        uint64_t later;
    } bigger[2];
    memset(bigger, 0x55, sizeof bigger);
    mn_stats(&bigger[0].s, 1, sizeof bigger[0]);
    ok(bigger[0].s.cpu == 0 && bigger[0].later == 0, "a structure of a later version: its members are 0");
    ok(bigger[1].later == 0x5555555555555555, "no more than asked for is written");

    struct mn_stats_cpu before = sum();
    is((long)mn_threads(), 1, "one thread");
    is((long)before.running, 1, "runs");
    for (int i = 0; i < 100; i++)
        mn_go(&t[i], yields, NULL);
    is((long)mn_threads(), 101, "101 threads");
    if (n == 1)
        is((long)sum().ready, 100, "100 are ready");
    for (int i = 0; i < 100; i++)
        mn_join(t[i], NULL);
    s = sum();
    is((long)(s.spawns - before.spawns), 100, "spawns");
    is((long)(s.ends - before.ends), 100, "ends");
    is((long)(s.yields - before.yields), 1000, "yields");
    ok(s.switches - before.switches >= 100, "switches (%ld)", (long)(s.switches - before.switches));
    ok(s.wakes - before.wakes <= s.parks - before.parks, "who was joined later did not wake anyone");
    if (n == 1)
        ok(s.stacks > 0 && s.stack_bytes == s.stacks * 65536, "stacks are kept (%ld)", (long)s.stacks);

    before = s;
    for (int i = 0; i < 100; i++)
        mn_go(&t[i], parks, i % 2 ? t : NULL);
    /* A thread's deadline is set when it is off its stack. */
    int64_t end = mn_after(30000000000);
    while (mn_now() < end && (parked < 100 || sum().parks - before.parks < 100 || sum().timers < 50))
        mn_yield();
    is((long)sum().timers, 50, "timers");
    for (int i = 0; i < 100; i++)
        mn_unpark(t[i]);
    for (int i = 0; i < 100; i++)
        mn_join(t[i], NULL);
    s = sum();
    is((long)s.timers, 0, "no timers");
    ok(s.parks - before.parks >= 100, "parks (%ld)", (long)(s.parks - before.parks));
    ok(s.wakes - before.wakes >= 100, "wakes (%ld)", (long)(s.wakes - before.wakes));
    if (n == 1)
        is((long)(s.parks - before.parks), (long)(s.wakes - before.wakes), "each park has its wake");
    struct mn_attr elsewhere = {.flags = MN_CPU | MN_PINNED, .cpu = n - 1};
    before = s;
    mn_thread one;
    mn_go_attr(&one, &elsewhere, parks, NULL);
    for (int i = 0; i < 1000 && (s = sum()).sleeps == before.sleeps; i++)
        mn_park_until("nap", mn_after(30000000));
    ok(s.sleeps > before.sleeps, "with nothing to run, CPUs sleep");
    mn_unpark(one);
    mn_join(one, NULL);

    struct mn_stacks_of_class k;
    is(mn_stats_stacks(MN_STACK_64K, &k, sizeof k), 0, "stacks");
    ok(k.mapped >= k.stacks * 65536 && k.resident <= k.mapped && k.used <= k.stacks && k.used > 0,
       "figures that fit");
    is(mn_stats_stacks(MN_STACK_DEFAULT, &k, sizeof k), -EINVAL, "no class");
    is(mn_stats_stacks((enum mn_stack)99, &k, sizeof k), -EINVAL, "a bad class");
    return 0;
}

int main(void) {
    struct mn_stats_cpu s;
    struct mn_stacks_of_class k;
    setenv("MN_MAX_LWPS", "1", 1); /* no CPU changes hands: what is counted, one LWP does */
    is(mn_stats(&s, 1, sizeof s), -EPERM, "no runtime");
    is(mn_stats_stacks(MN_STACK_64K, &k, sizeof k), -EPERM, "no runtime, no stacks");
    is((long)mn_threads(), 0, "no runtime, no threads");
    is(mn_run(first, NULL, NULL), 0, "mn_run");
    return done();
}
