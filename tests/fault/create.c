/* models: 1to1-libc, 1to1-own, 1to1-reuse */
/*
 * pthread_create when memory or LWPs run out: at every point where it asks for some, at its first, second, ...
 * call there.  It returns EAGAIN (or makes the thread another way), the start routine does not run, nothing is
 * left behind, and the next attempt succeeds.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <threads.h>

#include "fault_child.h"
#include "tap.h"

static const char *const points[] = {"mmap", "mprotect", "malloc", "clone"};

static sem_t held;
static int started; /* atomic */

static void *body(void *arg) {
    __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    while (sem_wait(&held) != 0)
        ;
    return arg;
}

/*
 * Makes `rounds` times four threads at once, of ever other stack sizes so that no cached stack fits; counts
 * refusals.  0, or a number that says what was wrong.
 */
static int churn(int rounds, int *refused) {
    for (int i = 0; i < rounds; i++) {
        pthread_t t[4];
        int made = 0, before = __atomic_load_n(&started, __ATOMIC_RELAXED);
        for (int k = 0; k < 4; k++) {
            pthread_attr_t attr;
            pthread_attr_init(&attr);
            pthread_attr_setstacksize(&attr, (size_t)(128 + (i * 4 + k) % 61 * 16) << 10);
            errno = 77;
            int err = pthread_create(&t[made], &attr, body, (void *)(intptr_t)(i + k));
            if (errno != 77)
                return 20;
            pthread_attr_destroy(&attr);
            if (err == 0)
                made++;
            else if (err == EAGAIN)
                ++*refused;
            else
                return 21;
        }
        for (int k = 0; k < made; k++)
            sem_post(&held);
        for (int k = 0; k < made; k++)
            if (pthread_join(t[k], NULL) != 0)
                return 22;
        if (__atomic_load_n(&started, __ATOMIC_RELAXED) != before + made)
            return 23;
    }
    return 0;
}

static int lines(const char *file) {
    int n = 0;
    FILE *f = fopen(file, "r");
    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static long address_space(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld", &pages) != 1)
        pages = -1;
    if (f)
        fclose(f);
    return pages;
}

/* One failure or a few, from the very first thread of the process on. */
static int early(void) {
    int refused = 0, wrong = churn(5, &refused);
    /* n-th failures are over now, and so is what they broke */
    int later = 0;
    if (!wrong)
        wrong = churn(5, &later);
    return wrong ? wrong : later ? 30 : 0;
}

/* C11's way to say it. */
static int run_c11(void *arg) {
    return *(int *)arg;
}
static int c11(void) {
    int value = 7, result = 0, refused = 0;
    for (int i = 0; i < 20; i++) {
        thrd_t t;
        int r = thrd_create(&t, run_c11, &value);
        if (r == thrd_success) {
            if (thrd_join(t, &result) != thrd_success || result != 7)
                return 40;
        } else if (r == thrd_error || r == thrd_nomem) {
            refused++;
        } else {
            return 41;
        }
    }
    return 0;
}

/* Nothing leaks: many failures cost no more than a few. */
static int leak(void) {
    int refused = 0, wrong = churn(600, &refused); /* until caches and parked LWPs are as many as they become */
    int maps = lines("/proc/self/maps"), few = refused;
    long pages = address_space();
    if (!wrong)
        wrong = churn(600, &refused);
    if (wrong)
        return wrong;
    printf("# %d refused, then %d; mappings %d, then %d; pages %ld, then %ld\n", few, refused, maps,
           lines("/proc/self/maps"), pages, address_space());
    fflush(stdout);
    if (lines("/proc/self/maps") > maps + 30) /* caches vary */
        return 50;
    if (address_space() > pages + (64 << 20) / 4096)
        return 51;
    return 0;
}

int main(int argc, char **argv) {
    sem_init(&held, 0, 0);
    if (argc > 1)
        return argv[1][0] == 'e' ? early() : argv[1][0] == 'c' ? c11() : leak();

    for (unsigned p = 0; p < sizeof points / sizeof points[0]; p++) {
        char rules[64];
        for (int n = 1; n <= 12; n++) {
            snprintf(rules, sizeof rules, "%s:nth=%d", points[p], n);
            is(under_faults(rules, "early"), 0, "threads, while %s", rules);
        }
        snprintf(rules, sizeof rules, "%s:every=2", points[p]);
        is(under_faults(rules, "c11"), 0, "thrd_create, while %s", rules);
        snprintf(rules, sizeof rules, "%s:every=3", points[p]);
        is(under_faults(rules, "leak"), 0, "nothing leaks, while %s", rules);
    }
    is(under_faults("mmap:every=5,mprotect:every=7,malloc:every=11,clone:every=3", "leak"), 0,
       "nothing leaks, while all fail");
    return done();
}
