/* Thread-specific data: keys, values, destructors. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"

static pthread_key_t keys[PTHREAD_KEYS_MAX];

static void in_thread(void *(*body)(void *), void *arg) {
    pthread_t t;
    if (pthread_create(&t, NULL, body, arg) != 0 || pthread_join(t, NULL) != 0)
        ok(0, "create and join");
}

static void errors(void) {
    pthread_key_t k;
    is(pthread_key_delete(PTHREAD_KEYS_MAX), EINVAL, "delete of no key");
    is(pthread_key_delete((pthread_key_t)-1), EINVAL, "delete of -1");
    is(pthread_setspecific(PTHREAD_KEYS_MAX, &k), EINVAL, "set of no key");
    is(pthread_setspecific((pthread_key_t)-1, &k), EINVAL, "set of -1");
    ok(pthread_getspecific(PTHREAD_KEYS_MAX) == NULL, "get of no key");
    ok(pthread_getspecific((pthread_key_t)-1) == NULL, "get of -1");
    is(pthread_key_create(&k, NULL), 0, "create");
    ok(pthread_getspecific(k) == NULL, "NULL at first");
    is(pthread_setspecific(k, &k), 0, "set");
    ok(pthread_getspecific(k) == &k, "get");
    is(pthread_key_delete(k), 0, "delete");
    is(pthread_key_delete(k), EINVAL, "delete again");
    is(pthread_setspecific(k, &k), EINVAL, "set of a deleted key");
    ok(pthread_getspecific(k) == NULL, "get of a deleted key");
}

/* All keys, their values, none left, one back. */
static void all_keys(void) {
    int n = 0, err = 0;
    while (n < PTHREAD_KEYS_MAX && (err = pthread_key_create(&keys[n], NULL)) == 0)
        n++;
    ok(n >= PTHREAD_KEYS_MAX - 8, "%d keys", n);
    pthread_key_t extra = 0;
    is(pthread_key_create(&extra, NULL), EAGAIN, "no more");
    int bad = 0;
    for (int i = 0; i < n; i++)
        bad += pthread_setspecific(keys[i], &keys[i]) != 0;
    for (int i = 0; i < n; i++)
        bad += pthread_getspecific(keys[i]) != &keys[i];
    is(bad, 0, "each holds its own value");
    int spot = n / 2;
    is(pthread_key_delete(keys[spot]), 0, "one is deleted");
    is(pthread_key_create(&extra, NULL), 0, "and handed out again");
    ok(pthread_getspecific(extra) == NULL, "without its old value");
    keys[spot] = extra;
    for (int i = 0; i < n; i++)
        bad += pthread_key_delete(keys[i]) != 0;
    is(bad, 0, "all deleted");
}

static void *see_nothing(void *arg) {
    pthread_key_t k = *(pthread_key_t *)arg;
    return ok(pthread_getspecific(k) == NULL, "another thread sees NULL"), NULL;
}

static void per_thread(void) {
    pthread_key_t k;
    pthread_key_create(&k, NULL);
    pthread_setspecific(k, &k);
    in_thread(see_nothing, &k);
    ok(pthread_getspecific(k) == &k, "and main its own");
    pthread_key_delete(k);
}

/* ---- destructors */

static pthread_key_t key_a, key_b;
static int calls_a, calls_b, value_was_null, again;
static void *given;

static void destroy_a(void *value) {
    calls_a++;
    given = value;
    value_was_null = pthread_getspecific(key_a) == NULL;
    if (again-- > 0)
        pthread_setspecific(key_a, value);
}
static void destroy_b(void *value) {
    calls_b++;
    (void)value;
}
static void sets_b(void *value) {
    pthread_setspecific(key_b, value);
}

static void *set_a(void *arg) {
    pthread_setspecific(key_a, arg);
    return NULL;
}
static void *set_a_exit(void *arg) {
    pthread_setspecific(key_a, arg);
    pthread_exit(NULL);
}
static void *set_a_back(void *arg) {
    pthread_setspecific(key_a, arg);
    pthread_setspecific(key_a, NULL);
    return NULL;
}
static void *set_a_cancelled(void *arg) {
    pthread_setspecific(key_a, arg);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return NULL;
}
static void *set_a_delete(void *arg) {
    pthread_setspecific(key_a, arg);
    pthread_key_delete(key_a);
    return NULL;
}

static void *set_a_recycle(void *arg) {
    pthread_setspecific(key_a, arg);
    pthread_key_delete(key_a);
    pthread_key_create(&key_b, destroy_b); /* the lowest free number: the same */
    is((long)key_b, (long)key_a, "the number is handed out again");
    ok(pthread_getspecific(key_b) == NULL, "the old value is invisible");
    return NULL;
}

static void destructors(void) {
    int x;
    pthread_key_create(&key_a, destroy_a);
    in_thread(set_a, &x);
    is(calls_a, 1, "destructor called once");
    ok(given == &x && value_was_null, "with the value, which is NULL by then");
    in_thread(set_a_exit, &x);
    is(calls_a, 2, "after pthread_exit");
    in_thread(set_a_cancelled, &x);
    is(calls_a, 3, "after a cancellation");
    in_thread(set_a_back, &x);
    in_thread(set_a, NULL);
    is(calls_a, 3, "not for NULL");
    calls_a = 0;
    again = 1;
    in_thread(set_a, &x);
    is(calls_a, 2, "again when it sets a value");
    calls_a = 0;
    again = 1000;
    in_thread(set_a, &x);
    is(calls_a, PTHREAD_DESTRUCTOR_ITERATIONS, "but only so often");
    again = 0;
    calls_a = 0;
    in_thread(set_a_delete, &x);
    is(calls_a, 0, "not of a deleted key");
    pthread_key_create(&key_a, destroy_a);
    calls_b = 0;
    in_thread(set_a_recycle, &x);
    is(calls_a + calls_b, 0, "nor the next owner's");
    pthread_key_delete(key_b);

    /* A destructor that sets the value of a lower key: it takes another round. */
    pthread_key_t k;
    pthread_key_create(&key_b, destroy_b);
    pthread_key_create(&k, sets_b);
    key_a = k;
    calls_b = 0;
    in_thread(set_a, &x);
    is(calls_b, 1, "a value that a destructor set is destroyed too");
    pthread_key_delete(k);
    pthread_key_delete(key_b);
}

static int many_calls;
static void count(void *value) {
    (void)value;
    many_calls++;
}
static void *set_many(void *arg) {
    int n = *(int *)arg, bad = 0;
    for (int i = 0; i < n; i++)
        bad += pthread_setspecific(keys[i], &keys[i]) != 0;
    return is(bad, 0, "%d values", n), NULL;
}
static void *see_none(void *arg) {
    int n = *(int *)arg, seen = 0;
    for (int i = 0; i < n; i++)
        seen += pthread_getspecific(keys[i]) != NULL;
    return is(seen, 0, "the next thread sees none"), NULL;
}

static void many(void) {
    int n = 0;
    while (n < 900 && pthread_key_create(&keys[n], count) == 0)
        n++;
    for (int round = 0; round < 3; round++) {
        many_calls = 0;
        in_thread(set_many, &n);
        is(many_calls, n, "as many destructors");
        in_thread(see_none, &n);
    }
    for (int i = 0; i < n; i++)
        pthread_key_delete(keys[i]);
}

/* Main's destructors run when it leaves by pthread_exit. */
static int report[2];
static void main_destructor(void *value) {
    if (write(report[1], value, 1) != 1)
        abort();
}
static void *linger(void *arg) {
    const struct timespec nap = {0, 1000000};
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    while (state != 'Z') { /* main is there */
        FILE *f = fopen(path, "re");
        if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            _exit(98);
        fclose(f);
        nanosleep(&nap, NULL);
    }
    _exit(7);
    return arg;
}
static void main_leaves(void) {
    if (pipe(report) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        pthread_key_t k;
        pthread_t t;
        pthread_key_create(&k, main_destructor);
        pthread_setspecific(k, "M");
        pthread_create(&t, NULL, linger, NULL);
        pthread_exit(NULL);
    }
    int status;
    waitpid(pid, &status, 0);
    is(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7, "main left first");
    close(report[1]);
    char c = 0;
    is(read(report[0], &c, 1), 1, "its destructor ran");
    is(read(report[0], &c, 1), 0, "once");
}

/* A thread that the libc makes for itself: its values and destructors are ours all the same. */
static pthread_key_t timer_key, timer_high;
static int timer_calls;
static int timer_ran;
static void timer_destructor(void *value) {
    (void)value;
    __sync_add_and_fetch(&timer_calls, 1);
}
static void on_timer(union sigval v) {
    int good = pthread_getspecific(timer_key) == NULL;
    good &= pthread_setspecific(timer_key, v.sival_ptr) == 0;
    good &= pthread_setspecific(timer_high, v.sival_ptr) == 0;
    good &= pthread_getspecific(timer_key) == v.sival_ptr;
    __sync_add_and_fetch(&timer_ran, good ? 1 : 1000);
}
static void foreign(void) {
    timer_t timer;
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD};
    struct itimerspec once = {.it_value = {0, 1000000}};
    pthread_key_t fill[40];
    for (int i = 0; i < 40; i++)
        pthread_key_create(&fill[i], NULL);
    pthread_key_create(&timer_high, timer_destructor);
    pthread_key_create(&timer_key, timer_destructor);
    ev.sigev_value.sival_ptr = &timer;
    ev.sigev_notify_function = on_timer;
    if (timer_create(CLOCK_MONOTONIC, &ev, &timer) != 0 || timer_settime(timer, 0, &once, NULL) != 0) {
        skip("no SIGEV_THREAD timers here");
        return;
    }
    struct timespec step = {0, 2000000};
    for (int i = 0; i < 10000 && __sync_add_and_fetch(&timer_calls, 0) < 2; i++)
        nanosleep(&step, NULL);
    is(timer_ran, 1, "values in a thread of the libc's");
    is(timer_calls, 2, "their destructors ran");
    timer_delete(timer);
    pthread_key_delete(timer_key);
    pthread_key_delete(timer_high);
    for (int i = 0; i < 40; i++)
        pthread_key_delete(fill[i]);
}

static void on_signal(int sig) {
    (void)sig;
    given = pthread_getspecific(key_a);
}

int main(void) {
    errno = 77;
    errors();
    all_keys();
    per_thread();
    destructors();
    many();
    is(errno, 77, "errno is as it was");
    foreign();
    main_leaves();
    pthread_key_create(&key_a, NULL);
    pthread_setspecific(key_a, &errno);
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    ok(given == &errno, "a signal handler sees the value");
    return done();
}
