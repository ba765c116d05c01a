/* not under: asan */ /* it makes mappings of its own */
/* timeout: 120 */
/*
 * Many threads alive at once, and many one after the other, with no growth: threads that allocate, print, fail
 * and use thread-specific data and C++-like thread-exit functions.
 */
#include "life.h"

#include <locale.h>

enum { ALIVE = 2000 };
static pthread_t threads[ALIVE];
static long tids[ALIVE];
static sem_t started;
static struct event gate = EVENT_INIT;

static void *stay(void *arg) {
    long *tid = arg;
    *tid = gettid_raw();
    sem_post(&started);
    event_wait(&gate);
    return arg;
}

static int by_value(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static void many_alive(void) {
    pthread_attr_t a;
    int n = 0, wrong = 0, r = 0;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 32 << 10);
    sem_init(&started, 0, 0);
    while (n < ALIVE && (r = pthread_create(&threads[n], &a, stay, &tids[n])) == 0)
        n++;
    is(n, ALIVE, "%d threads of 32 KiB alive%s%s", ALIVE, r ? ": " : "", r ? strerror(r) : "");
    for (int i = 0; i < n; i++)
        while (sem_wait(&started))
            ;
    if (parked_allowed())
        ok(count_tasks() >= n + 1, "the kernel lists them all, and main (and parked ones)");
    else
        is(count_tasks(), n + 1, "the kernel lists them all, and main");
    event_set(&gate);
    for (int i = 0; i < n; i++)
        wrong += must_join(threads[i]) != &tids[i];
    is(wrong, 0, "each is joined with its value");
    qsort(tids, (size_t)n, sizeof *tids, by_value);
    for (int i = 1; i < n; i++)
        wrong += tids[i] == tids[i - 1];
    is(wrong, 0, "each had a thread id of its own");
    pthread_attr_destroy(&a);
    ok(settle_tasks(1 + (parked_allowed() ? 256 : 0)) <= 1 + (parked_allowed() ? 256 : 0),
       "afterwards the kernel lists no more than main (and a bounded number of parked ones)");
}

static pthread_key_t key;
static unsigned destroyed;
static void destroy(void *p) {
    free(p);
    __sync_add_and_fetch(&destroyed, 1);
}

static __thread char scratch[2000];

static void *busy(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    void *blocks[32];
    char line[100];
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t old = uselocale(c);
    for (int i = 0; i < 32; i++) {
        size_t n = (size_t)(rand_r(&seed) % 3000 + 1);
        blocks[i] = malloc(n);
        memset(blocks[i], i, n);
    }
    for (int i = 0; i < 32; i++)
        free(blocks[i]);
    snprintf(line, sizeof line, "%u %g %s", seed, seed / 3.0, strerror(1000000 + (int)(seed % 100)));
    if (setlocale(LC_NUMERIC, NULL) == NULL)
        abort();
    FILE *f = fmemopen(line, sizeof line, "r");
    int c1 = f ? getc(f) : -1;
    if (f)
        fclose(f);
    memset(scratch, c1, sizeof scratch);
    uselocale(old);
    freelocale(c);
    pthread_setspecific(key, malloc(100));
    errno = (int)seed;
    return arg;
}

static void cycle(int n, int at_once) {
    pthread_t t[16];
    for (int i = 0; i < n; i += at_once) {
        for (int k = 0; k < at_once; k++)
            t[k] = must_create(NULL, busy, (void *)(uintptr_t)(i + k + 1));
        for (int k = 0; k < at_once; k++)
            if (must_join(t[k]) != (void *)(uintptr_t)(i + k + 1))
                ok(0, "value of thread %d", i + k);
    }
}

static void *detach_me(void *arg) {
    busy(arg);
    sem_post(&started);
    return NULL;
}

static void no_growth(void) {
    int rounds = scale() < 1 ? 2000 : 10000;
    pthread_key_create(&key, destroy);
    cycle(1000, 1);
    cycle(960, 16);
    int maps = count_maps(), fds = count_fds();
    long rss = rss_kib();
    destroyed = 0;
    cycle(rounds, 1);
    long grown = rss_kib() - rss;
    is(destroyed, rounds, "every one of %d threads ran its destructor", rounds);
    if (!sanitized())
        ok(grown <= 256, "resident memory grew by %ld KiB over %d threads one by one", grown, rounds);
    ok(count_maps() - maps <= 4, "mappings: %d before, %d after", maps, count_maps());
    is(count_fds(), fds, "no descriptor is left open");
    rss = rss_kib();
    maps = count_maps();
    cycle(rounds / 16 * 16, 16);
    grown = rss_kib() - rss;
    if (!sanitized())
        ok(grown <= 1024, "resident memory grew by %ld KiB over %d threads, 16 at once", grown,
           rounds / 16 * 16);
    ok(count_maps() - maps <= 64, "mappings: %d before, %d after", maps, count_maps());

    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    for (int phase = 0; phase < 2; phase++) {
        for (int i = 0; i < (phase ? rounds : 500); i++) {
            if (pthread_create(&t, &a, detach_me, (void *)1)) {
                ok(0, "detached thread %d", i);
                return;
            }
            while (sem_wait(&started))
                ;
        }
        usleep(20000);
        grown = rss_kib() - rss;
        if (!phase)
            rss = rss_kib();
    }
    if (!sanitized())
        ok(grown <= 256, "resident memory grew by %ld KiB over %d detached threads", grown, rounds);
    pthread_attr_destroy(&a);
}

int main(void) {
    many_alive();
    no_growth();
    return done();
}
