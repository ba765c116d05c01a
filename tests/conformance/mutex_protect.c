/* timeout: 60 */
/* Mutexes with a priority ceiling: what they are made of, and the priority of the thread that owns them. */
#include "protect.h"

#include <sys/prctl.h>

/* The libc takes NULL for the former ceiling, where its header says that it must not be. */
static int (*volatile set_ceiling)(pthread_mutex_t *, int, int *) = pthread_mutex_setprioceiling;
static const struct timespec past = {1, 0}, wrong = {1, 1000000000};

/* ---- objects */

static void objects(int type, int shared) {
    pthread_mutex_t m;
    int v = -1;
    is(protect_init(&m, type, 0, shared, 0), 0, "%s, shared %d: init", type_names[type], shared);
    is(pthread_mutex_getprioceiling(&m, &v), 0, "getprioceiling");
    is(v, sched_get_priority_min(SCHED_FIFO), "the lowest, by default");
    is(pthread_mutex_destroy(&m), 0, "destroy");
    is(protect_init(&m, type, 99, shared, 0), 0, "init with another ceiling");
    is((pthread_mutex_getprioceiling(&m, &v), v), 99, "getprioceiling");
    v = -1;
    is(pthread_mutex_setprioceiling(&m, 30, &v), 0, "setprioceiling");
    is(v, 99, "it gives the former one");
    is((pthread_mutex_getprioceiling(&m, &v), v), 30, "and is seen");
    is(set_ceiling(&m, 31, NULL), 0, "setprioceiling, the former one not wanted");
    v = -1;
    is(pthread_mutex_setprioceiling(&m, 0, &v), EINVAL, "setprioceiling, too low");
    is(pthread_mutex_setprioceiling(&m, 100, &v), EINVAL, "too high");
    is(pthread_mutex_setprioceiling(&m, 100 + 4096, &v), EINVAL, "much too high");
    is(pthread_mutex_setprioceiling(&m, -1, &v), EINVAL, "negative");
    is(v, -1, "nothing is given then");
    is((pthread_mutex_getprioceiling(&m, &v), v), 31, "the ceiling is what it was");
    is(pthread_mutex_consistent(&m), EINVAL, "consistent of what is not robust");
    is(pthread_mutex_destroy(&m), 0, "destroy");
    is(protect_init(&m, type, 10, shared, 1), ENOTSUP, "init, robust as well");
}

static void not_protected(void) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutexattr_t a;
    int v;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    for (int i = 0; i < 3; i++) {
        is(pthread_mutex_getprioceiling(&m, &v), EINVAL, "getprioceiling of a mutex without one");
        is(pthread_mutex_setprioceiling(&m, 10, &v), EINVAL, "setprioceiling");
        pthread_mutex_init(&m, &a);
        pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_NONE);
        pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    }
}

/* No init makes these: the libc aborts, or goes on. */
static void forged(void) {
    static const int kinds[] = {0x40, 0x40 | 1, 0x80 | 0x40 | 2, 0x40 | 0x10, 0x40 | 0x20, -1};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pthread_mutex_t m;
        pthread_cond_t c = PTHREAD_COND_INITIALIZER;
        int v, kind = kinds[i];
        memset(&m, 0, sizeof m);
        memcpy((char *)&m + 16, &kind, sizeof kind);
        is(pthread_mutex_lock(&m), EINVAL, "kind %#x: lock", kind);
        is(pthread_mutex_trylock(&m), EINVAL, "kind %#x: trylock", kind);
        is(pthread_mutex_timedlock(&m, &past), EINVAL, "kind %#x: timedlock", kind);
        if ((kind & 0x30) == 0)
            continue; /* a ceiling of 0: everything else works */
        is(pthread_mutex_unlock(&m), EINVAL, "kind %#x: unlock", kind);
        is(pthread_mutex_consistent(&m), EINVAL, "kind %#x: consistent", kind);
        is(pthread_mutex_getprioceiling(&m, &v), EINVAL, "kind %#x: getprioceiling", kind);
        is(pthread_mutex_setprioceiling(&m, 1, &v), EINVAL, "kind %#x: setprioceiling", kind);
        is(pthread_cond_timedwait(&c, &m, &past), EINVAL, "kind %#x: cond_timedwait", kind);
    }
}

/* ---- a thread below the ceiling: SCHED_FIFO, 5 -------------------------------------------------------------
 */

static void *tries(void *m) {
    int r = pthread_mutex_trylock(m);
    if (r == 0)
        pthread_mutex_unlock(m);
    return (void *)(intptr_t)r;
}

/* What another thread, of priority 3, gets from trylock. */
static long other_gets(pthread_mutex_t *m) {
    return (long)(intptr_t)must_join(start(FIFO + 3, tries, m));
}

static int kind_type, kind_shared;

static void *below(void *unused) {
    pthread_mutex_t m, n, o;
    int type = kind_type, v;
    struct timespec far = {4000000000, 0};
    protect_init(&m, type, 10, kind_shared, 0);
    protect_init(&n, type, 20, kind_shared, 0);
    protect_init(&o, type, 10, kind_shared, 0);
    is(kernel(0), FIFO + 5, "%s, shared %d: a thread of priority 5", type_names[type], kind_shared);
    is(pthread_mutex_lock(&m), 0, "lock");
    is(kernel(0), FIFO + 10, "raises it to the ceiling");
    is(own(pthread_self()), FIFO + 5, "its own priority is what it was");
    is(other_gets(&m), EBUSY, "the mutex is locked");
    is(pthread_mutex_destroy(&m), EBUSY, "and in use");
    is(pthread_mutex_unlock(&m), 0, "unlock");
    is(kernel(0), FIFO + 5, "lowers it");
    is(other_gets(&m), 0, "the mutex is free");
    is(pthread_mutex_trylock(&m), 0, "trylock");
    is(kernel(0), FIFO + 10, "raises it");
    is(pthread_mutex_unlock(&m), 0, "unlock");
    is(kernel(0), FIFO + 5, "lowers it");
    is(pthread_mutex_timedlock(&m, &far), 0, "timedlock");
    is(kernel(0), FIFO + 10, "raises it");
    is(pthread_mutex_unlock(&m), 0, "unlock");
    is(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &far), 0, "clocklock");
    is(kernel(0), FIFO + 10, "raises it");

    /* Several, given up in any order. */
    is(pthread_mutex_lock(&n), 0, "lock another");
    is(kernel(0), FIFO + 20, "the higher ceiling");
    is(pthread_mutex_unlock(&m), 0, "unlock the first");
    is(kernel(0), FIFO + 20, "the higher ceiling still");
    is(pthread_mutex_lock(&m), 0, "lock it again: its ceiling is below the thread's priority of the moment");
    is(pthread_mutex_lock(&o), 0, "and a third with the same ceiling");
    is(pthread_mutex_unlock(&n), 0, "unlock the one with the higher ceiling");
    is(kernel(0), FIFO + 10, "the lower ceiling");
    is(pthread_mutex_unlock(&m), 0, "unlock one of the two that have it");
    is(kernel(0), FIFO + 10, "the other has it, too");
    is(pthread_mutex_unlock(&o), 0, "unlock the other");
    is(kernel(0), FIFO + 5, "none");

    pthread_mutex_lock(&m);
    if (type == PTHREAD_MUTEX_RECURSIVE) {
        is(pthread_mutex_lock(&m), 0, "lock again");
        is(pthread_mutex_trylock(&m), 0, "trylock again");
        is(pthread_mutex_unlock(&m), 0, "unlock");
        is(pthread_mutex_setprioceiling(&m, 15, &v), 0, "setprioceiling by the owner");
        is(v, 10, "the former one");
        is(kernel(0), FIFO + 15, "the new ceiling is in force");
        is(pthread_mutex_setprioceiling(&m, 3, &v), 0, "setprioceiling to less than the owner's priority");
        is(kernel(0), FIFO + 5, "the owner has its own priority");
        is(pthread_mutex_setprioceiling(&m, 10, &v), 0, "and back");
        is(pthread_mutex_unlock(&m), 0, "unlock");
        is(kernel(0), FIFO + 10, "still raised");
    } else if (type == PTHREAD_MUTEX_ERRORCHECK) {
        is(pthread_mutex_lock(&m), EDEADLK, "lock again");
        is(pthread_mutex_setprioceiling(&m, 15, &v), EDEADLK, "setprioceiling by the owner");
    }
    is(pthread_mutex_unlock(&m), 0, "unlock");
    is(kernel(0), FIFO + 5, "lowers it");
    if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) {
        is(pthread_mutex_unlock(&m), EPERM, "unlock once more");
        is(kernel(0), FIFO + 5, "changes nothing");
    }
    is(pthread_mutex_destroy(&m), 0, "destroy");
    is(pthread_mutex_destroy(&n) + pthread_mutex_destroy(&o), 0, "destroy the others");
    return unused;
}

/* ---- locks that fail ---------------------------------------------------------------------------------------
 */

static pthread_mutex_t mutex;

static void *locks(void *unused) {
    is(pthread_mutex_trylock(&mutex), EBUSY, "trylock of what another has");
    is(kernel(0), FIFO + 5, "leaves the priority");
    is(pthread_mutex_timedlock(&mutex, &past), ETIMEDOUT, "timedlock");
    if (under_ours()) /* the libc's stays raised */
        is(kernel(0), FIFO + 5, "leaves the priority");
    is(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past), ETIMEDOUT, "clocklock");
    is(pthread_mutex_timedlock(&mutex, &wrong), EINVAL, "timedlock until no time");
    if (under_ours())
        is(kernel(0), FIFO + 5, "leaves the priority");
    return unused;
}

static void *above(void *unused) {
    protect_init(&mutex, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    is(pthread_mutex_lock(&mutex), EINVAL, "lock by a thread above the ceiling");
    is(pthread_mutex_trylock(&mutex), EINVAL, "trylock");
    is(pthread_mutex_timedlock(&mutex, &past), EINVAL, "timedlock");
    is(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past), EINVAL, "clocklock");
    is(kernel(0), FIFO + 11, "leave the priority");
    is(other_gets(&mutex), 0, "and the mutex");
    is(set_ceiling(&mutex, 11, NULL), 0, "setprioceiling asks for no priority");
    is(pthread_mutex_lock(&mutex), 0, "lock at the ceiling");
    is(kernel(0), FIFO + 11, "leaves the priority");
    as(FIFO + 5, locks, NULL);
    is(pthread_mutex_unlock(&mutex), 0, "unlock");
    is(kernel(0), FIFO + 11, "leaves the priority");
    return unused;
}

/* ---- changes of the owner's own priority -------------------------------------------------------------------
 */

static pthread_t owner;

static void *changes(void *unused) {
    is(own(owner), FIFO + 5, "another thread sees the owner's own priority");
    is(pthread_setschedprio(owner, 7), 0, "and changes it");
    is(own(owner), FIFO + 7, "read back");
    return unused;
}

static void *reads(void *unused) {
    is(own(pthread_self()), FIFO + 5, "a new thread inherits its creator's own priority");
    if (under_ours()) /* the libc leaves the ceiling to it, for ever */
        is(kernel(0), FIFO + 5, "and runs at that");
    return unused;
}

static void *changed(void *unused) {
    pthread_attr_t a;
    pthread_mutex_t n;
    struct sched_param p;
    owner = pthread_self();
    protect_init(&mutex, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    protect_init(&n, PTHREAD_MUTEX_NORMAL, 20, 0, 0);
    pthread_mutex_lock(&mutex);
    pthread_getattr_np(owner, &a);
    pthread_attr_getschedparam(&a, &p);
    is(p.sched_priority, 5, "pthread_getattr_np of an owner tells its own priority");
    pthread_attr_destroy(&a);
    must_join(must_create(NULL, reads, NULL));
    as(FIFO + 1, changes, NULL);
    is(kernel(0), FIFO + 10, "the ceiling stays in force");
    pthread_mutex_lock(&n);
    pthread_mutex_unlock(&n);
    is(kernel(0), FIFO + 10, "also after another");
    is(pthread_mutex_unlock(&mutex), 0, "unlock");
    is(kernel(0), FIFO + 7, "lowers it to the new priority");
    pthread_mutex_lock(&mutex);
    is(pthread_setschedprio(owner, 15), 0, "the owner's own above the ceiling");
    is(kernel(0), FIFO + 15, "is the higher one");
    is(pthread_setschedprio(owner, 4), 0, "and below");
    is(kernel(0), FIFO + 10, "the ceiling is");
    is(set_own(owner, RR + 6), 0, "another policy");
    is(kernel(0), RR + 10, "at the ceiling");
    is(own(owner), RR + 6, "is its own");
    is(pthread_setschedprio(owner, 100), EINVAL, "no such priority");
    is(set_own(owner, 77 * 1000 + 5), EINVAL, "no such policy");
    is(own(owner), RR + 6, "its own is what it was");
    if (under_ours()) { /* the libc asks the kernel for the new policy with the ceiling, or for nothing */
        is(pthread_setschedprio(owner, 0), EINVAL, "no such priority for its policy");
        is(set_own(owner, OTHER + 1), EINVAL, "an ordinary policy has none");
        is(set_own(owner, OTHER), 0, "an ordinary policy");
        is(kernel(0), FIFO + 10, "under a ceiling");
        is(own(owner), OTHER, "is its own");
        is(set_own(owner, RR + 6), 0, "and back");
    }
    is(pthread_mutex_unlock(&mutex), 0, "unlock");
    is(kernel(0), RR + 6, "lowers it to its own");
    is(pthread_mutex_lock(&mutex), 0, "lock with this policy");
    is(kernel(0), RR + 10, "the policy stays");
    if (under_ours()) { /* the libc believes what it was told last */
        p.sched_priority = 8;
        sched_setscheduler(0, SCHED_FIFO, &p);
        is(pthread_mutex_unlock(&mutex), 0, "unlock after sched_setscheduler");
        is(kernel(0), FIFO + 8, "keeps what that has set");
        sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
        pthread_mutex_lock(&mutex);
        is(kernel(0), (SCHED_FIFO | SCHED_RESET_ON_FORK) * 1000L + 10, "the flag for children stays");
        pthread_mutex_unlock(&mutex);
        is(kernel(0), (SCHED_FIFO | SCHED_RESET_ON_FORK) * 1000L + 8, "before and after");
    } else {
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

/* ---- ordinary threads: ours only ----------------------------------------------------------------------------
 * The libc asks the kernel for SCHED_OTHER with the ceiling as its priority: EINVAL from the first lock; the
 * second succeeds, since it counts a mutex that it did not get. */

static void *ordinary(void *unused) {
    protect_init(&mutex, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    int nicer = nice(3);
    prctl(PR_SET_TIMERSLACK, 777);
    for (int i = 0; i < 2; i++) {
        is(pthread_mutex_lock(&mutex), 0, "lock");
        is(kernel(0), FIFO + 10, "makes it SCHED_FIFO at the ceiling");
        is(own(pthread_self()), OTHER, "SCHED_OTHER is its own");
        is(pthread_mutex_unlock(&mutex), 0, "unlock");
        is(kernel(0), OTHER, "SCHED_OTHER again");
        is(getpriority(PRIO_PROCESS, (id_t)gettid_raw()), nicer, "as nice");
        is(prctl(PR_GET_TIMERSLACK), 777, "with its timer slack");
    }
    struct sched_param p = {0};
    sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p);
    is(pthread_mutex_lock(&mutex), 0, "SCHED_BATCH, with a flag for children: lock");
    is(kernel(0), (SCHED_FIFO | SCHED_RESET_ON_FORK) * 1000L + 10, "SCHED_FIFO, with it");
    is(pthread_mutex_unlock(&mutex), 0, "unlock");
    is(kernel(0), (SCHED_BATCH | SCHED_RESET_ON_FORK) * 1000L, "SCHED_BATCH again, with it");
    return unused;
}

static void *plain(void *lock) {
    long before = kernel(0);
    if (lock)
        pthread_mutex_lock(lock);
    if (lock == &mutex)
        pthread_mutex_unlock(lock);
    return (void *)before;
}

/* A thread that has ended, as owner or not, leaves its priority to nobody. */
static void ends(void) {
    long ceilings = 0, worst = OTHER;
    protect_init(&mutex, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    for (int i = 0; i < 60; i++) {
        pthread_mutex_t never;
        protect_init(&never, types[i % 4], 10, 0, 0);
        pthread_mutex_t *m = i % 3 == 0 ? &mutex : i % 3 == 1 ? &never : NULL;
        long got = (long)(intptr_t)must_join(must_create(NULL, plain, m));
        worst = got > worst ? got : worst;
        ceilings += m == &never && pthread_mutex_trylock(m) == EBUSY;
    }
    is(worst, OTHER, "no thread begins with a ceiling");
    is(ceilings, 20, "what a thread owned as it ended stays locked");
}

/* ---- without the privilege ---------------------------------------------------------------------------------
 */

static void *refused(void *arg) {
    const long *from = arg;
    check(kernel(0) == *from);
    pthread_mutex_t m;
    protect_init(&m, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    int want = *from == OTHER && !under_ours() ? EINVAL : EPERM;
    check(pthread_mutex_lock(&m) == want);
    check(kernel(0) == *from);
    if (under_ours()) { /* see `ordinary` */
        check(pthread_mutex_lock(&m) == want);
        check(pthread_mutex_trylock(&m) == want);
        check(pthread_mutex_timedlock(&m, &past) == want);
        check(kernel(0) == *from && own(pthread_self()) == *from);
        check(pthread_mutex_destroy(&m) == 0);
        protect_init(&m, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    }
    check(set_ceiling(&m, 5, NULL) == 0);
    if (*from != OTHER) {
        check(pthread_mutex_lock(&m) == 0); /* at the ceiling already */
        check(pthread_mutex_unlock(&m) == 0);
    }
    return NULL;
}

static int without_privilege(void) {
    static long fifo = FIFO + 5, other = OTHER;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_RTPRIO, &none);
    int raised = privileged() && set_own(pthread_self(), FIFO + 5) == 0;
    if (setuid(65534) != 0 && getuid() == 0)
        return 99;
    if (raised)
        refused(&fifo);
    as(OTHER, refused, &other);
    return check_failed;
}

int main(void) {
    errno = 77;
    for (int i = 0; i < 8; i++)
        objects(types[i % 4], i / 4);
    not_protected();
    if (under_ours())
        forged();
    is(errno, 77, "errno untouched");
    is(in_child(without_privilege), 0, "a thread that may not be raised");
    if (!privileged()) {
        skip("no permission for SCHED_FIFO");
        return done();
    }
    for (int i = 0; i < 8; i++) {
        kind_type = types[i % 4];
        kind_shared = i / 4;
        as(FIFO + 5, below, NULL);
    }
    as(FIFO + 11, above, NULL);
    as(FIFO + 5, changed, NULL);
    if (under_ours()) {
        must_join(must_create(NULL, ordinary, NULL));
        ends();
    }
    return done();
}
