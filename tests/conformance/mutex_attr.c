/* pthread_mutexattr_*: values that are accepted, values that are not, and the libc's bits. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "../tap.h"

typedef int setter(pthread_mutexattr_t *, int);
typedef int getter(const pthread_mutexattr_t *, int *);

static void accepts(const char *name, setter *set, getter *get, const int *good, int n_good, const int *bad,
                    int n_bad) {
    pthread_mutexattr_t a;
    int v;
    pthread_mutexattr_init(&a);
    for (int i = 0; i < n_good; i++) {
        is(set(&a, good[i]), 0, "set%s %d", name, good[i]);
        is(get(&a, &v), 0, "get%s", name);
        is(v, good[i], "get%s gives it back", name);
    }
    for (int i = 0; i < n_bad; i++) {
        is(set(&a, bad[i]), EINVAL, "set%s %d", name, bad[i]);
        is((get(&a, &v), v), good[n_good - 1], "... changes nothing");
    }
}

static unsigned word(const void *attr) {
    unsigned v;
    memcpy(&v, attr, sizeof v);
    return v;
}

int main(void) {
    errno = 77;
    pthread_mutexattr_t a;
    int v;
    memset(&a, 0xff, sizeof a);
    is(pthread_mutexattr_init(&a), 0, "init");
    is((pthread_mutexattr_gettype(&a, &v), v), PTHREAD_MUTEX_DEFAULT, "default type");
    is((pthread_mutexattr_getpshared(&a, &v), v), PTHREAD_PROCESS_PRIVATE, "default pshared");
    is((pthread_mutexattr_getrobust(&a, &v), v), PTHREAD_MUTEX_STALLED, "default robustness");
    is((pthread_mutexattr_getprotocol(&a, &v), v), PTHREAD_PRIO_NONE, "default protocol");
    is((pthread_mutexattr_getprioceiling(&a, &v), v), sched_get_priority_min(SCHED_FIFO), "default ceiling");

    int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                   PTHREAD_MUTEX_ADAPTIVE_NP};
    int bad_types[] = {-1, 4, 0x80, 0x10};
    accepts("type", pthread_mutexattr_settype, pthread_mutexattr_gettype, types, 4, bad_types, 4);
    int shared[] = {PTHREAD_PROCESS_PRIVATE, PTHREAD_PROCESS_SHARED}, not_bool[] = {-1, 2};
    accepts("pshared", pthread_mutexattr_setpshared, pthread_mutexattr_getpshared, shared, 2, not_bool, 2);
    int robust[] = {PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_ROBUST};
    accepts("robust", pthread_mutexattr_setrobust, pthread_mutexattr_getrobust, robust, 2, not_bool, 2);
    int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT, PTHREAD_PRIO_PROTECT};
    int bad_protocols[] = {-1, 3};
    accepts("protocol", pthread_mutexattr_setprotocol, pthread_mutexattr_getprotocol, protocols, 3,
            bad_protocols, 2);
    int lo = sched_get_priority_min(SCHED_FIFO), hi = sched_get_priority_max(SCHED_FIFO);
    int ceilings[] = {lo, hi, 7}, bad_ceilings[] = {lo - 1, hi + 1, -1};
    accepts("prioceiling", pthread_mutexattr_setprioceiling, pthread_mutexattr_getprioceiling, ceilings, 3,
            bad_ceilings, 3);

    /* Values do not disturb each other, and stand where the libc has them. */
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    pthread_mutexattr_setprioceiling(&a, 42);
    ok(word(&a) == (1u | 0x80000000u | 0x40000000u | 0x20000000u | 42u << 12), "all bits: %#x", word(&a));
    is((pthread_mutexattr_gettype(&a, &v), v), PTHREAD_MUTEX_RECURSIVE, "type among others");
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    is((pthread_mutexattr_getprioceiling(&a, &v), v), 42, "ceiling after another type");
    is(pthread_mutexattr_destroy(&a), 0, "destroy");

    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_t m;
    pthread_mutex_init(&m, &a);
    is((long)((unsigned *)(void *)&m)[4], 0x80 | PTHREAD_MUTEX_ERRORCHECK, "the kind of a mutex, at byte 16");
    is(errno, 77, "errno untouched");
    return done();
}
