/* mn/time.h: the clock, sleeping, beats; deadlines that race with what they wait for. */
#include <mn.h>
#include <pthread.h>
#include <time.h>

#include "random.h"
#include "tap.h"

enum { MS = 1000000 };

static int64_t process_cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void clock_and_deadlines(void) {
    struct timespec t;
    int64_t a = mn_now();
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t b = t.tv_sec * 1000000000ll + t.tv_nsec, c = mn_now();
    ok(a <= b && b <= c, "mn_now is CLOCK_MONOTONIC");
    a = mn_now();
    b = mn_after(5 * MS);
    c = mn_now();
    ok(a + 5 * MS <= b && b <= c + 5 * MS, "mn_after");
    ok(mn_after(INT64_MAX) == MN_FOREVER && mn_after(INT64_MAX - 1) == MN_FOREVER,
       "a span that is out of range is for ever");
    ok(mn_after(-5 * MS) < mn_now() && mn_after(INT64_MIN) < 0, "a negative span has passed");
    struct mn_ticker ticker;
    is(mn_ticker_init(&ticker, 0), -EINVAL, "a ticker without a period");
    is(mn_ticker_init(&ticker, -1), -EINVAL, "a ticker with a negative one");
    is(mn_ticker_init(&ticker, INT64_MAX), 0, "one that never beats");
    ok(ticker.next == MN_FOREVER, "its first beat is never");
}

static void sleeps(const char *who) {
    for (int i = 0; i < 3; i++) {
        static const int64_t spans[] = {1, 300000, 20 * MS};
        int64_t before = mn_now(), until = before + spans[i];
        int r = i == 1 ? mn_sleep_until(until) : mn_sleep(spans[i]);
        int64_t took = mn_now() - before;
        ok(r == 0 && took >= spans[i] && took < 20000ll * MS, "%s sleeps %ld ns (%ld)", who, (long)spans[i],
           (long)took);
    }
    int64_t before = mn_now();
    is(mn_sleep(0), 0, "%s sleeps 0", who);
    is(mn_sleep(-7), 0, "%s sleeps -7", who);
    is(mn_sleep(INT64_MIN), 0, "%s sleeps INT64_MIN", who);
    is(mn_sleep_until(0), 0, "%s sleeps until 0", who);
    is(mn_sleep_until(-1), 0, "%s sleeps until -1", who);
    is(mn_sleep_until(before), 0, "%s sleeps until a time that has passed", who);
    ok(mn_now() - before < 20000ll * MS, "%s did not sleep long", who);
    struct mn_ticker ticker;
    mn_ticker_init(&ticker, 5 * MS);
    int64_t first = ticker.next, beats = 0;
    for (int i = 0; i < 5; i++) {
        int64_t due = ticker.next, n = mn_ticker_wait(&ticker);
        if (n < 1 || mn_now() < due)
            ok(0, "%s: beat %d: %ld", who, i, (long)n);
        beats += n;
    }
    ok(ticker.next == first + beats * 5 * MS, "%s: beats do not drift", who);
    mn_sleep_until(ticker.next + 22 * MS);
    int64_t from = mn_now(), n = mn_ticker_wait(&ticker);
    ok(n >= 5, "%s: beats that were missed are counted (%ld)", who, (long)n);
    ok(ticker.next > from - 5 * MS, "%s: and are in the past", who);
}

/* ---- order */

static int order[3], arrived;
static int64_t gap;
static void *sleep_in_order(void *arg) {
    long i = (long)arg;
    mn_sleep((i + 1) * gap);
    order[__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST)] = (int)i;
    return NULL;
}

static void in_order(void) {
    mn_thread t[3];
    bool so = false;
    /* On a busy machine one may begin, or run again, much later than another. */
    for (gap = 40 * MS; gap < 5000ll * MS && !so; gap *= 4) {
        arrived = 0;
        for (long i = 2; i >= 0; i--)
            mn_go(&t[i], sleep_in_order, (void *)i);
        for (int i = 0; i < 3; i++)
            mn_join(t[i], NULL);
        so = order[0] == 0 && order[1] == 1 && order[2] == 2;
    }
    ok(so, "they wake in the order of their deadlines");
}

/* ---- a loop of sleeps that do not sleep lets others run */

static int ran;
static void *runs(void *arg) {
    (void)arg;
    __atomic_store_n(&ran, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void sleep_of_zero_yields(void) {
    mn_thread t;
    mn_go(&t, runs, NULL);
    int64_t end = mn_after(30000ll * MS);
    while (!__atomic_load_n(&ran, __ATOMIC_SEQ_CST) && mn_now() < end)
        mn_sleep(0);
    ok(ran, "mn_sleep(0) lets others run");
    mn_join(t, NULL);
}

/* ---- cancellation */

static void *sleep_long(void *arg) {
    int64_t until = (int64_t)(intptr_t)arg;
    int r = mn_sleep_until(until);
    int again = mn_sleep(1000ll * MS), yields = mn_sleep(0);
    struct mn_ticker ticker;
    mn_ticker_init(&ticker, 1000ll * MS);
    int64_t next = ticker.next, beat = mn_ticker_wait(&ticker);
    return (void *)(intptr_t)(r == -ECANCELED && again == -ECANCELED && yields == -ECANCELED &&
                              beat == -ECANCELED && ticker.next == next);
}

static void *sleep_shielded(void *arg) {
    (void)arg;
    mn_shield(true);
    int64_t before = mn_now();
    int r = mn_sleep(50 * MS);
    bool whole = mn_now() - before >= 50 * MS;
    mn_shield(false);
    return (void *)(intptr_t)(r == 0 && whole && mn_sleep(50 * MS) == -ECANCELED);
}

static void cancelled(void) {
    const int64_t until[] = {mn_after(100000ll * MS), MN_FOREVER};
    for (int i = 0; i < 2; i++) {
        for (unsigned flags = 0; flags <= MN_BOUND; flags += MN_BOUND) {
            mn_thread t;
            void *result = NULL;
            struct mn_attr attr = {.flags = flags};
            int64_t before = mn_now();
            if (mn_go_attr(&t, &attr, sleep_long, (void *)(intptr_t)until[i]) < 0) {
                ok(0, "mn_go_attr");
                continue;
            }
            mn_sleep(10 * MS);
            mn_cancel(t);
            mn_join(t, &result);
            ok(result != NULL, "%s sleep %s is cancelled, and later ones, too",
               flags ? "a bound thread's" : "a", i ? "for ever" : "for long");
            ok(mn_now() - before < 50000ll * MS, "at once");
        }
    }
    mn_thread t;
    void *result = NULL;
    mn_go(&t, sleep_shielded, NULL);
    mn_sleep(10 * MS);
    mn_cancel(t);
    mn_join(t, &result);
    ok(result != NULL, "a shielded sleep is not");
}

/* ---- many at once */

static long early, awake;
static uint32_t span;

static void *sleeper(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    random_next(&random);
    int64_t until = mn_now() + random_next(&random) % span;
    int r = mn_sleep_until(until);
    if (r != 0 || mn_now() < until)
        __atomic_fetch_add(&early, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&awake, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* So many in 20 ms that workers wait for a crowd of timers, and leave theirs to one of them. */
static void many(uint32_t ns) {
    span = ns;
    early = awake = 0;
    long n = (long)(50000 * scale());
    const char *tools = getenv("ODONATA_SANITIZERS");
    if (tools && strstr(tools, "tsan") && n > 4000)
        n = 4000; /* the tool knows 8,128 threads at most */
    mn_thread *t = calloc((size_t)n, sizeof *t);
    long started = 0;
    int64_t cpu = process_cpu();
    for (long i = 0; i < n; i++)
        started += mn_go(&t[i], sleeper, (void *)(i + 1)) == 0;
    for (long i = 0; i < n; i++)
        mn_join(t[i], NULL);
    cpu = process_cpu() - cpu;
    is(started, n, "%ld threads start", n);
    is(awake, n, "all wake");
    is(early, 0, "none too early");
    printf("# %ld threads that sleep up to %u ms: %ld ns of CPU each\n", n, ns / MS, (long)(cpu / n));
    fflush(stdout);
    free(t);
}

/* ---- nobody spins while all sleep */

static void idle(void) {
    mn_sleep(50 * MS);
    int64_t cpu = process_cpu();
    mn_sleep(500 * MS);
    cpu = process_cpu() - cpu;
    ok(cpu < 50 * MS, "500 ms of sleep take %ld us of CPU", (long)(cpu / 1000));
}

/*
 * Deadlines that race with wake-ups.  Each pair passes a semaphore; the waiter's deadline is about when the
 * post comes.  A timeout before the deadline was another wait's: a timer that was not taken back.  No unit may
 * be lost.
 */
struct pair {
    struct mn_sem sem;
    uint32_t random;
    long rounds, units, wrong;
    bool stop;
};

static void *poster(void *arg) {
    struct pair *p = arg;
    uint32_t random = p->random * 31 | 1;
    while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
        mn_sem_post(&p->sem);
        __atomic_fetch_add(&p->units, 1, __ATOMIC_RELAXED);
        if (random_next(&random) & 3)
            mn_sleep(random_next(&random) % 60000);
        else
            mn_yield();
    }
    return NULL;
}

static void *waiter(void *arg) {
    struct pair *p = arg;
    mn_thread post;
    long got = 0;
    if (mn_go(&post, poster, p) < 0)
        return NULL;
    for (long i = 0; i < p->rounds; i++) {
        int64_t deadline = mn_now() + random_next(&p->random) % 60000;
        int r = mn_sem_wait_until(&p->sem, deadline);
        if (r == 0)
            got++;
        else if (r != -ETIMEDOUT || mn_now() < deadline)
            p->wrong++;
    }
    __atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
    mn_join(post, NULL);
    while (mn_sem_trywait(&p->sem) == 0)
        got++;
    p->wrong += got != p->units;
    return NULL;
}

static void races(void) {
    enum { PAIRS = 8 };
    static struct pair pairs[PAIRS];
    mn_thread t[PAIRS];
    long wrong = 0;
    for (int i = 0; i < PAIRS; i++) {
        pairs[i].random = 77u + (uint32_t)i;
        pairs[i].rounds = (long)(3000 * scale());
        mn_sem_init(&pairs[i].sem, 0);
        mn_go(&t[i], waiter, &pairs[i]);
    }
    for (int i = 0; i < PAIRS; i++) {
        mn_join(t[i], NULL);
        wrong += pairs[i].wrong;
    }
    is(wrong, 0, "no early timeout and no lost unit where deadlines race with posts");
}

static int green(void *arg) {
    (void)arg;
    sleeps("a green thread");
    in_order();
    sleep_of_zero_yields();
    cancelled();
    idle();
    races();
    many(1000 * MS);
    many(20 * MS);
    return 0;
}

static void *foreign(void *arg) {
    (void)arg;
    sleeps("another LWP");
    return NULL;
}

int main(void) {
    clock_and_deadlines();
    sleeps("an LWP without a runtime");
    is(mn_run(green, NULL, NULL), 0, "mn_run");
    is(mn_start(NULL), 0, "mn_start");
    pthread_t lwp;
    pthread_create(&lwp, NULL, foreign, NULL);
    sleeps("main");
    pthread_join(lwp, NULL);
    is(mn_stop(MN_FOREVER), 0, "mn_stop");
    return done();
}
