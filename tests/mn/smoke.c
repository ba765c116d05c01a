/* The runtime once through: start and stop, spawn, join, yield, park, cancel, detach, exit, every kind of
 * thread. */
#include <mn.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "mn/procfs.h"
#include "tap.h"

static void *as_pointer(long n) {
    return (void *)(intptr_t)n;
}

static void *give_back(void *arg) {
    return arg;
}

static atomic_int ran;

static void *count(void *arg) {
    atomic_fetch_add(&ran, 1);
    return arg;
}

static void until(atomic_int *word, int value) {
    while (atomic_load(word) != value)
        mn_sleep(100000);
}

/* ---- one thread's life */

static void *exits(void *arg) {
    mn_exit(arg);
}

static void *says_who(void *arg) {
    *(mn_thread *)arg = mn_self();
    return NULL;
}

/* Cancelled, it joins threads that have ended, one of them past the deadline. */
static void *joins_ended(void *arg) {
    mn_thread t[2];
    void *result[2] = {NULL, NULL};
    while (!mn_cancelled())
        mn_yield();
    for (int i = 0; i < 2; i++) {
        mn_go(&t[i], give_back, as_pointer(2 + i));
        mn_shield(true);
        while (mn_cancel(t[i]) != -ESRCH)
            mn_yield();
        mn_shield(false);
    }
    is(mn_join(t[0], &result[0]), 0, "one that is cancelled joins a thread that has ended");
    is(mn_join_until(t[1], &result[1], 0), 0, "also past its deadline");
    *(void **)arg = as_pointer((intptr_t)result[0] + (intptr_t)result[1]);
    return NULL;
}

static void life(void) {
    mn_thread t = 0, seen = 0;
    void *result = NULL;
    is(mn_go(&t, give_back, as_pointer(42)), 0, "mn_go");
    ok(t != 0, "gives a handle");
    is(mn_join(t, &result), 0, "mn_join");
    ok(result == as_pointer(42), "and the result");
    is(mn_join(t, &result), -ESRCH, "a second mn_join");
    is(mn_detach(t), -ESRCH, "mn_detach of a thread that was joined");
    is(mn_cancel(t), -ESRCH, "mn_cancel of it");
    is(mn_unpark(t), -ESRCH, "mn_unpark of it");
    mn_go(&t, exits, as_pointer(7));
    mn_join(t, &result);
    ok(result == as_pointer(7), "mn_exit ends the thread with a result");
    mn_go(&t, says_who, &seen);
    is(mn_join(t, NULL), 0, "mn_join without interest in the result");
    ok(seen == t, "mn_self is the handle");
    mn_go(&t, joins_ended, &result);
    mn_cancel(t);
    is(mn_join(t, NULL), 0, "it is joined itself");
    ok(result == as_pointer(5), "with what they returned");
    ok(mn_self() != 0 && mn_self() != seen, "and differs from thread to thread");
}

/* ---- errors */

static void *joins(void *arg) {
    return as_pointer(mn_join(*(mn_thread *)arg, NULL));
}

static void *parks(void *arg) {
    return as_pointer(mn_park(arg));
}

static void errors(void) {
    mn_thread t, other;
    void *result;
    is(mn_run(NULL, NULL, NULL), -EINVAL, "mn_run without a function");
    is(mn_run((int (*)(void *))errors, NULL, NULL), -EBUSY, "mn_run in a green thread");
    is(mn_start(NULL), -EBUSY, "mn_start in a green thread");
    is(mn_stop(MN_FOREVER), -EDEADLK, "mn_stop in a green thread");
    is(mn_go(&t, NULL, NULL), -EINVAL, "mn_go without a function");
    static const struct {
        const char *what;
        struct mn_attr attr;
    } bad[] = {
        {"stack", {.stack = (enum mn_stack)99}},
        {"negative stack", {.stack = (enum mn_stack) - 1}},
        {"priority", {.priority = (enum mn_priority)9}},
        {"flags", {.flags = 1u << 20}},
        {"cpu", {.flags = MN_CPU, .cpu = 100000}},
        {"bound and pinned", {.flags = MN_BOUND | MN_PINNED}},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        is(mn_go_attr(&t, &bad[i].attr, give_back, NULL), -EINVAL, "attributes out of range: %s", bad[i].what);
    is(mn_join(0, NULL), -ESRCH, "mn_join of no thread");
    is(mn_join(~UINT64_C(0), NULL), -ESRCH, "mn_join of an impossible handle");
    is(mn_join(UINT64_C(77) << 32 | 1000000, NULL), -ESRCH, "mn_join of a handle that was never given out");
    is(mn_join(3000, NULL), -ESRCH, "nor one that looks like a small number");
    is(mn_unpark(0), -ESRCH, "mn_unpark of no thread");
    is(mn_cancel(0), -ESRCH, "mn_cancel of no thread");
    is(mn_detach(0), -ESRCH, "mn_detach of no thread");
    is(mn_join(mn_self(), NULL), -EDEADLK, "mn_join of oneself");
    mn_go(&t, parks, NULL);
    is(mn_join_until(t, NULL, mn_now()), -ETIMEDOUT, "mn_join_until now");
    is(mn_join_until(t, NULL, mn_after(1000000)), -ETIMEDOUT, "mn_join_until soon");
    mn_go(&other, joins, &t);
    while (mn_join_until(t, NULL, mn_now()) != -EINVAL)
        mn_yield();
    ok(1, "mn_join beside another joiner is refused");
    is(mn_detach(t), -EINVAL, "mn_detach beside a joiner");
    mn_unpark(t);
    is(mn_join(other, &result), 0, "the other joiner ends");
    is((long)(intptr_t)result, 0, "having joined");
    is(mn_defer(NULL, NULL), -EINVAL, "mn_defer without a function");
    is(mn_undefer(true), -ENOENT, "mn_undefer with nothing deferred");
    mn_sleep(-5);
    ok(1, "a sleep of less than nothing returns");
    is(mn_sleep_until(0), 0, "mn_sleep_until a time that has passed");
    errno = 33;
    mn_join(0, NULL);
    mn_yield();
    is(errno, 33, "errno was left alone");
}

/* ---- park and unpark */

static void parking(void) {
    mn_thread t;
    void *result;
    is(mn_park_until("x", mn_now()), -ETIMEDOUT, "mn_park_until now");
    is(mn_park_until("x", mn_after(2000000)), -ETIMEDOUT, "mn_park_until soon");
    mn_unpark(mn_self());
    mn_unpark(mn_self());
    is(mn_park("x"), 0, "mn_unpark before mn_park counts");
    is(mn_park_until("x", mn_now()), -ETIMEDOUT, "once");
    mn_go(&t, parks, "here");
    mn_sleep(1000000);
    is(mn_unpark(t), 0, "mn_unpark");
    mn_join(t, &result);
    is((long)(intptr_t)result, 0, "mn_park returns 0");
}

/* ---- cancellation */

static atomic_int deferred, phase;

static void note(void *arg) {
    atomic_store(&deferred, atomic_load(&deferred) * 10 + (int)(intptr_t)arg);
}

static void *is_cancelled(void *arg) {
    mn_defer(note, as_pointer(1));
    mn_defer(note, as_pointer(2));
    mn_defer(note, as_pointer(9));
    mn_undefer(false);
    mn_defer(note, as_pointer(3));
    long r = 0;
    r |= mn_park("until cancelled") == -ECANCELED ? 1 : 0;
    r |= mn_park("again") == -ECANCELED ? 2 : 0;
    r |= mn_sleep(1000000000) == -ECANCELED ? 4 : 0;
    r |= mn_yield() == -ECANCELED ? 8 : 0;
    r |= mn_cancelled() ? 16 : 0;
    r |= mn_shield(true) ? 0 : 32;
    r |= mn_cancelled() ? 0 : 64;
    r |= mn_sleep(1000) == 0 ? 128 : 0;
    r |= mn_shield(false) ? 256 : 0;
    r |= mn_join(*(mn_thread *)arg, NULL) == -ECANCELED ? 512 : 0;
    return as_pointer(r);
}

static void cancelling(void) {
    mn_thread t, other;
    void *result;
    ok(!mn_cancelled(), "nobody cancelled us");
    mn_go(&other, parks, NULL);
    atomic_store(&deferred, 0);
    mn_go(&t, is_cancelled, &other);
    mn_sleep(1000000);
    is(mn_cancel(t), 0, "mn_cancel");
    is(mn_join(t, &result), 0, "it ends");
    is((long)(intptr_t)result, 1023, "every blocking call said so, and none while shielded");
    is(atomic_load(&deferred), 321, "deferred functions ran, the latest first");
    mn_go(&t, is_cancelled, &other);
    mn_cancel(t);
    mn_join(t, &result);
    is((long)(intptr_t)result, 1023, "the same when cancelled before it ran");
    mn_unpark(other);
    mn_join(other, &result);
    is((long)(intptr_t)result, 0, "the thread that was not joined then can be joined now");
}

/* ---- detached threads */

static void detaching(void) {
    mn_thread t;
    atomic_store(&ran, 0);
    is(mn_go(NULL, count, NULL), 0, "mn_go without a handle");
    until(&ran, 1);
    ok(1, "the detached thread runs");
    is(mn_go_attr(&t, &(struct mn_attr){.flags = MN_DETACHED}, parks, NULL), 0, "mn_go_attr with MN_DETACHED");
    is(mn_join(t, NULL), -EINVAL, "is not joined");
    is(mn_detach(t), -EINVAL, "nor detached");
    mn_unpark(t);
    mn_go(&t, parks, NULL);
    is(mn_detach(t), 0, "mn_detach of a living thread");
    is(mn_join(t, NULL), -EINVAL, "is not joined either");
    mn_unpark(t);
    mn_go(&t, count, NULL);
    until(&ran, 2);
    mn_sleep(1000000);
    is(mn_detach(t), 0, "mn_detach of one that has ended");
    int r;
    while ((r = mn_join(t, NULL)) == -EINVAL)
        mn_sleep(1000000); /* it is about to */
    is(r, -ESRCH, "releases it");
}

/* ---- kinds of thread */

static atomic_int order;

static void *notes_order(void *arg) {
    *(int *)arg = atomic_fetch_add(&order, 1);
    return NULL;
}

static void *reports_cpu(void *arg) {
    long bad = 0;
    for (int i = 0; i < 50; i++) {
        bad += mn_cpu() != (int)(intptr_t)arg;
        if (i % 5 == 0)
            mn_sleep(20000);
        else
            mn_yield();
    }
    return as_pointer(bad);
}

static void *of_its_own_lwp(void *arg) {
    pthread_t self = pthread_self();
    mn_thread handle = mn_self();
    mn_sleep(1000000);
    is(mn_cpu(), -1, "a bound thread is on no cpu of the runtime");
    ok(pthread_equal(self, pthread_self()), "and stays on its LWP");
    ok(handle != 0 && mn_self() == handle, "but has a handle");
    is(mn_park_until("bound", mn_after(1000000)), -ETIMEDOUT, "parks");
    mn_unpark(handle);
    is(mn_park("bound"), 0, "is unparked");
    is(mn_yield(), 0, "yields");
    mn_exit(arg);
}

static void *parks_then_yields(void *arg) {
    (void)arg;
    mn_park(NULL);
    return as_pointer(mn_yield());
}

static void kinds(void) {
    mn_thread t;
    void *result;
    int child = -1;
    atomic_store(&order, 0);
    is(mn_go_attr(&t, &(struct mn_attr){.flags = MN_CHILD_FIRST}, notes_order, &child), 0,
       "a child that runs first");
    int parent = atomic_fetch_add(&order, 1);
    mn_join(t, NULL);
    if (mn_workers() == 1)
        ok(child == 0 && parent == 1, "ran before its parent went on");
    else
        ok(child != parent, "ran");
    mn_thread all[64];
    unsigned n = mn_workers() < 64 ? mn_workers() : 64;
    for (unsigned i = 0; i < n; i++)
        mn_go_attr(&all[i], &(struct mn_attr){.flags = MN_PINNED | MN_CPU, .cpu = i}, reports_cpu,
                   as_pointer((long)i));
    long strayed = 0;
    for (unsigned i = 0; i < n; i++) {
        mn_join(all[i], &result);
        strayed += (long)(intptr_t)result;
    }
    is(strayed, 0, "a pinned thread stays on its cpu");
    is(mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, of_its_own_lwp, as_pointer(5)), 0,
       "a bound thread");
    is(mn_join(t, &result), 0, "is joined");
    is((long)(intptr_t)result, 5, "and had a result");
    mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, parks, NULL);
    is(mn_cancel(t), 0, "mn_cancel of a bound thread");
    mn_join(t, &result);
    is((long)(intptr_t)result, -ECANCELED, "ends its wait");
    mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, parks_then_yields, NULL);
    mn_cancel(t);
    mn_join(t, &result);
    is((long)(intptr_t)result, -ECANCELED, "and is what mn_yield returns there, too");
    mn_go_attr(&t, &(struct mn_attr){.name = "mustard"}, parks, NULL);
    mn_unpark(t);
    mn_join(t, NULL);
    ok(mn_name() && !strcmp(mn_name(), "main"), "the first thread's name");
    mn_set_name("pea");
    ok(!strcmp(mn_name(), "pea"), "mn_set_name");
    for (int stack = MN_STACK_DEFAULT; stack <= MN_STACK_1M; stack++) {
        mn_go_attr(&t, &(struct mn_attr){.stack = (enum mn_stack)stack}, give_back, as_pointer(stack));
        mn_join(t, &result);
        is((long)(intptr_t)result, stack, "a stack of class %d", stack);
    }
    for (int p = MN_NORMAL; p <= MN_LOW; p++) {
        mn_go_attr(&t, &(struct mn_attr){.priority = (enum mn_priority)p}, give_back, as_pointer(p));
        mn_join(t, &result);
        is((long)(intptr_t)result, p, "priority %d", p);
    }
    mn_thread many[1000];
    long wrong = 0;
    for (long i = 0; i < 1000; i++)
        wrong += mn_go(&many[i], i % 2 ? give_back : exits, as_pointer(i)) != 0;
    for (long i = 0; i < 1000; i++)
        wrong += mn_join(many[i], &result) != 0 || result != as_pointer(i);
    is(wrong, 0, "a thousand threads");
}

/* ---- LWPs that the runtime did not make */

static void *foreign(void *arg) {
    mn_thread t;
    void *result;
    long bad = 0;
    bad += mn_self() != 0;
    bad += mn_cpu() != -1;
    bad += mn_park("x") != -EPERM;
    bad += mn_defer(note, NULL) != -EPERM;
    bad += mn_cancelled();
    bad += mn_yield() != 0;
    bad += mn_sleep(1000) != 0;
    for (long i = 0; i < 200; i++) {
        bad += mn_go(&t, give_back, as_pointer(i)) != 0;
        bad += mn_join(t, &result) != 0 || result != as_pointer(i);
    }
    mn_go(&t, parks, NULL);
    bad += mn_join_until(t, NULL, mn_after(1000000)) != -ETIMEDOUT;
    bad += mn_unpark(t) != 0;
    bad += mn_join(t, &result) != 0 || result != NULL;
    mn_go(&t, parks, NULL);
    bad += mn_cancel(t) != 0;
    bad += mn_join(t, &result) != 0 || result != as_pointer(-ECANCELED);
    mn_go_attr(&t, &(struct mn_attr){.flags = MN_CHILD_FIRST}, give_back, NULL);
    bad += mn_detach(t) != 0;
    mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, give_back, arg);
    bad += mn_join(t, &result) != 0 || result != arg;
    *(long *)arg = bad;
    atomic_fetch_add(&phase, 1);
    return NULL;
}

static void foreigners(void) {
    pthread_t lwp[3];
    long bad[3] = {-1, -1, -1};
    atomic_store(&phase, 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&lwp[i], NULL, foreign, &bad[i]);
    until(&phase, 3);
    for (int i = 0; i < 3; i++) {
        pthread_join(lwp[i], NULL);
        is(bad[i], 0, "a foreign LWP starts, joins, cancels and unparks threads");
    }
}

static int first(void *arg) {
    ok(mn_self() != 0, "the first thread is green");
    ok(mn_cpu() >= 0, "and on a cpu");
    life();
    errors();
    parking();
    cancelling();
    detaching();
    kinds();
    foreigners();
    return (int)(intptr_t)arg;
}

/* ---- the runtime's own life */

static int leaves_some(void *arg) {
    for (int i = 0; i < 50; i++) {
        mn_go(NULL, parks, "left behind");
        mn_go_attr(NULL, &(struct mn_attr){.flags = i % 10 ? 0 : MN_BOUND}, parks, "left behind");
    }
    return (int)(intptr_t)arg;
}

static void *ignores_cancellation(void *arg) {
    mn_shield(true);
    while (!atomic_load((atomic_int *)arg))
        mn_sleep(100000);
    return NULL;
}

static int nested(void *arg) {
    pthread_t lwp;
    pthread_create(&lwp, NULL, arg, NULL);
    void *r;
    pthread_join(lwp, &r);
    return (int)(intptr_t)r;
}

static void *starts_another(void *arg) {
    return as_pointer(
        mn_start(NULL) == -EBUSY && mn_run(first, NULL, NULL) == -EBUSY && mn_stop(0) == -EPERM ? 5 : 6);
    (void)arg;
}

static void started(void) {
    atomic_int go_on = 0;
    mn_thread t;
    void *result;
    is(mn_start(NULL), 0, "mn_start");
    is(mn_start(NULL), -EBUSY, "a second mn_start");
    is(mn_run(first, NULL, NULL), -EBUSY, "mn_run beside it");
    ok(mn_workers() > 0, "there are workers");
    is(mn_go(&t, ignores_cancellation, &go_on), 0, "mn_go");
    is(mn_stop(mn_after(5000000)), -ETIMEDOUT, "mn_stop while a thread runs on");
    is(mn_go(NULL, give_back, NULL), 0, "and the runtime goes on");
    atomic_store(&go_on, 1);
    is(mn_join(t, &result), 0, "the thread ends");
    for (int i = 0; i < 100; i++)
        mn_go(NULL, parks, NULL);
    is(mn_stop(MN_FOREVER), 0, "mn_stop cancels and waits for the rest");
}

static void without(void) {
    mn_thread t;
    is(mn_workers(), 0, "without a runtime there are no workers");
    is(mn_go(&t, give_back, NULL), -EPERM, "mn_go is refused");
    is(mn_stop(MN_FOREVER), -EPERM, "mn_stop is");
    is(mn_park("x"), -EPERM, "mn_park is");
    is(mn_join(1, NULL), -ESRCH, "mn_join finds nothing");
    is(mn_unpark(1), -ESRCH, "mn_unpark neither");
    is(mn_cancel(1), -ESRCH, "mn_cancel neither");
    is(mn_detach(1), -ESRCH, "mn_detach neither");
    is(mn_sleep(1000), 0, "mn_sleep sleeps");
    is(mn_yield(), 0, "mn_yield yields");
    ok(mn_self() == 0 && mn_cpu() == -1, "this LWP is foreign");
    ok(!mn_cancelled() && !mn_shield(true) && !mn_shield(false), "which nobody cancels");
    ok(mn_name() == NULL, "and that has no name");
}

int main(void) {
    ok(mn_version() && *mn_version(), "mn_version is %s", mn_version());
    without();
    is(mn_run(first, as_pointer(17), NULL), 17, "mn_run returns what its function did");
    without();
    is(mn_run(nested, starts_another, NULL), 5, "one runtime at a time");
    started();
    struct mn_config bad = {.stack = (enum mn_stack)77};
    is(mn_run(first, NULL, &bad), -EINVAL, "a configuration that makes no sense");

    /* Twice to fill what is kept for the life of the process; then nothing may grow. */
    for (int i = 0; i < 2; i++) {
        mn_run(leaves_some, NULL, NULL);
        mn_start(NULL);
        mn_stop(MN_FOREVER);
    }
    ok(settles_at(count_lwps, 1), "all LWPs have ended");
    long maps = count_maps(), fds = count_fds(), rss = count_rss_kib(), space = count_space_kib(), odd = 0;
    for (int i = 0; i < 30; i++) {
        odd += mn_run(leaves_some, as_pointer(i), NULL) != i;
        odd += mn_start(NULL) != 0;
        for (int k = 0; k < 20; k++)
            odd += mn_go(NULL, parks, NULL) != 0;
        odd += mn_stop(MN_FOREVER) != 0;
    }
    is(odd, 0, "started and stopped many times");
    ok(settles_at(count_lwps, 1), "no LWP is left");
    is(count_fds(), fds, "no descriptor");
    const char *tools = getenv("ODONATA_SANITIZERS");
    if (tools && *tools)
        return done(); /* which keep what was freed for a while */
    ok(count_maps() <= maps + 4, "no mapping: %ld, then %ld", maps, count_maps());
    ok(count_space_kib() <= space + 150000, "no address space: %ld KiB, then %ld", space, count_space_kib());
    ok(count_rss_kib() <= rss + 2048, "no memory: %ld KiB, then %ld", rss, count_rss_kib());
    return done();
}
