/* Blocking calls on LWPs of a pool: limits, deadlines, cancellation, growing and shrinking, forks, several
 * runtimes. */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "procfs.h"
#include "sync.h"

static struct mn_pool_use pool_stats(void) {
    struct mn_pool_use s;
    if (mn_stats_pool(MN_POOL_CALL, &s, sizeof s) < 0)
        abort();
    return s;
}

static int lwp(void) {
    return (int)syscall(SYS_gettid);
}

static void note_lwp(void *arg) {
    *(int *)arg = lwp();
}

/* ---- a call that waits until it is let go */

struct hold {
    int begun, go, ended;
};

static void hold(void *arg) {
    struct hold *h = arg;
    add(&h->begun, 1);
    while (!get(&h->go))
        usleep(200);
    add(&h->ended, 1);
}

static void *holds(void *arg) {
    if (mn_block_call(hold, arg) < 0)
        abort();
    return NULL;
}

static int simple(void *arg) {
    (void)arg;
    int other = 0, mine = lwp();
    is(mn_block_call(NULL, NULL), -EINVAL, "no function");
    errno = 77;
    is(mn_block_call(note_lwp, &other), 0, "a call");
    ok(other && other != mine, "another LWP made it");
    is(errno, 77, "errno is what it was");
    other = 0;
    is(mn_block_call_until(note_lwp, &other, 1), -ETIMEDOUT, "a deadline that had passed");
    is(other, 0, "and the call was not made");
    struct hold h = {0};
    mn_thread t;
    mn_go(&t, holds, &h);
    until(&h.begun, 1);
    int ran = 0;
    for (int i = 0; i < 10; i++)
        ran += mn_yield() == 0;
    is(ran, 10, "others run while a call blocks");
    ok(pool_stats().running >= 1, "it counts as running");
    set(&h.go, 1);
    mn_join(t, NULL);
    struct mn_pool_use s = pool_stats();
    is((long)s.done, 2, "two calls");
    is((long)(s.limit), 256, "the limit");
    is(mn_stats_pool((enum mn_pool)3, &s, sizeof s), -EINVAL, "no such pool");
    is(mn_stats_pool(MN_POOL_CALL, NULL, sizeof s), -EINVAL, "nowhere to store");
    is(mn_stats_pool(MN_POOL_CALL, &s, 4), -EINVAL, "too small");
    struct {
        struct mn_pool_use s;
        char more[8];
    } larger;
    memset(&larger, 1, sizeof larger);
    ok(mn_stats_pool(MN_POOL_CALL, &larger.s, sizeof larger) == 0 && larger.more[7] == 0,
       "a newer program's structure");
    is(mn_stats_pool(MN_POOL_DNS, &s, sizeof s), 0, "another pool");
    is((long)(s.running + s.idle + s.most), 0, "which has no LWP before its first use");
    return 0;
}

/* ---- two LWPs at most */

static int at_once, most_at_once;

static void counts(void *arg) {
    (void)arg;
    int n = add(&at_once, 1);
    if (n > get(&most_at_once))
        set(&most_at_once, n);
    usleep(1000);
    add(&at_once, -1);
}

static void *calls(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++)
        if (mn_block_call(counts, NULL) < 0)
            abort();
    return NULL;
}

static int timed_result, cancelled_result, cancelled_began;
static int64_t timed_deadline;

static void *timed(void *arg) {
    timed_result = mn_block_call_until(note_lwp, arg, timed_deadline);
    return NULL;
}

static void *cancellable(void *arg) {
    set(&cancelled_began, 1);
    cancelled_result = mn_block_call(note_lwp, arg);
    return NULL;
}

static int limited(void *arg) {
    (void)arg;
    mn_thread t[8];
    for (int i = 0; i < 8; i++)
        mn_go(&t[i], calls, NULL);
    for (int i = 0; i < 8; i++)
        mn_join(t[i], NULL);
    struct mn_pool_use s = pool_stats();
    ok(most_at_once <= 2, "at most two at once");
    is((long)s.done, 40, "each is made once");
    ok(s.most == 2 && s.longest >= 1, "two LWPs, and a queue");

    struct hold h = {0};
    int none = 0;
    mn_go(&t[0], holds, &h);
    mn_go(&t[1], holds, &h);
    until(&h.begun, 2);
    timed_deadline = after_ms(10);
    mn_go(&t[2], timed, &none);
    mn_join(t[2], NULL);
    is(timed_result, -ETIMEDOUT, "a call that no LWP has begun is taken back on its deadline");
    ok(late(timed_deadline), "not before");
    mn_go(&t[2], cancellable, &none);
    until(&cancelled_began, 1);
    for (int i = 0; i < 5000 && pool_stats().queued != 1; i++)
        nap_ms(1);
    is((long)pool_stats().queued, 1, "one is queued");
    mn_cancel(t[2]);
    mn_join(t[2], NULL);
    is(cancelled_result, -ECANCELED, "or when its thread is cancelled");
    mn_cancel(t[0]);
    nap_ms(5);
    is(get(&h.ended), 0, "one that was begun goes on");
    set(&h.go, 1);
    mn_join(t[0], NULL);
    mn_join(t[1], NULL);
    is(get(&h.ended), 2, "and is waited for");
    is(none, 0, "what was taken back is not made");
    is((long)pool_stats().withdrawn, 2, "and counted");
    return 0;
}

/* ---- calls that wait for each other, as many as there may be LWPs */

enum { CREW = 16 };
static int meeting;

static void meets(void *arg) {
    (void)arg;
    add(&meeting, 1);
    while (get(&meeting) < CREW)
        usleep(100);
}

static void *goes_to_meeting(void *arg) {
    (void)arg;
    if (mn_block_call(meets, NULL) < 0)
        abort();
    return NULL;
}

static int grows(void *arg) {
    (void)arg;
    mn_thread t[CREW];
    for (int round = 0; round < 3; round++) {
        set(&meeting, 0);
        for (int i = 0; i < CREW; i++)
            mn_go(&t[i], goes_to_meeting, NULL);
        for (int i = 0; i < CREW; i++)
            mn_join(t[i], NULL);
        is(get(&meeting), CREW, "%d calls wait for each other", CREW);
    }
    is((long)pool_stats().most, CREW, "each has an LWP");
    for (int i = 0; i < 5000 && pool_stats().idle; i++)
        nap_ms(1);
    is((long)pool_stats().idle, 0, "they end when they have had nothing to do for a while");
    int other = 0;
    is(mn_block_call(note_lwp, &other), 0, "and there are new ones");
    return 0;
}

/* ---- from within a call */

static int stop_result, run_result, nested_result, nested;

static int nothing(void *arg) {
    (void)arg;
    return 0;
}

static void inner(void *arg) {
    *(int *)arg = lwp();
}

static void tries(void *arg) {
    (void)arg;
    stop_result = mn_stop(MN_FOREVER);
    run_result = mn_run(nothing, NULL, NULL);
    nested_result = mn_block_call(inner, &nested);
    nested -= lwp();
}

static void forks(void *arg) {
    pid_t child = fork();
    if (child == 0) {
        int n = 0;
        /* No runtime, and the only LWP: what is called here is made here; then the process ends. */
        if (mn_workers() != 0 || mn_block_call(note_lwp, &n) != 0 || n != lwp())
            _exit(9);
        if (mn_run(nothing, NULL, NULL) != 0)
            _exit(8);
        return;
    }
    int status = 1;
    waitpid(child, &status, 0);
    *(int *)arg = status;
}

static int within(void *arg) {
    (void)arg;
    mn_block_call(tries, NULL);
    is(stop_result, -EDEADLK, "mn_stop in a call");
    is(run_result, -EBUSY, "mn_run in a call");
    ok(nested_result == 0 && nested == 0, "a call in a call is made there and then");
    const char *tools = getenv("ODONATA_SANITIZERS");
    if (tools && *tools) {
        skip("fork of a program with threads: not under sanitizers");
        return 0;
    }
    int status = 77;
    mn_block_call(forks, &status);
    is(status, 0, "fork in a call: the child ends when the call does");
    return 0;
}

int main(void) {
    int other = 0;
    is(mn_block_call(note_lwp, &other), 0, "without a runtime");
    is(other, lwp(), "the caller's LWP makes it");
    struct mn_pool_use s;
    is(mn_stats_pool(MN_POOL_CALL, &s, sizeof s), -EPERM, "no statistics without a runtime");
    is(mn_run(simple, NULL, NULL), 0, "simple");
    is(mn_run(limited, NULL, &(struct mn_config){.call_lwps = 2}), 0, "limited");
    is(mn_run(grows, NULL, &(struct mn_config){.call_lwps = CREW, .lwp_idle_ms = 1}), 0, "grows");
    is(mn_run(within, NULL, NULL), 0, "within");
    ok(settles_at(count_lwps, 1), "no LWP is left");
    is(mn_run(nothing, NULL, &(struct mn_config){.call_lwps = 10001}), -EINVAL, "too many LWPs");
    is(mn_start(NULL), 0, "mn_start");
    is(mn_block_call(note_lwp, &other), 0, "a foreign LWP's call");
    is(other, lwp(), "is made by itself");
    is(mn_stop(MN_FOREVER), 0, "mn_stop");
    return done();
}
