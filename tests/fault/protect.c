/* Mutexes with a priority ceiling whose owner may not be raised, or cannot be lowered: the error, and nothing
 * left of it. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "fault_child.h"
#include "tap.h"

static pthread_mutex_t m;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static const struct timespec past = {1, 0};

static void init(int type) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    pthread_mutexattr_setprioceiling(&a, 10);
    pthread_mutex_init(&m, &a);
}

/* The caller is an ordinary thread: 0, or the priority that it has got. */
static int raised(void) {
    struct sched_param p = {-1};
    sched_getparam(0, &p);
    return p.sched_priority;
}

static void *tries(void *arg) {
    int r = raised() ? 99 : pthread_mutex_trylock(&m);
    if (r == 0)
        pthread_mutex_unlock(&m);
    return (void *)(intptr_t)(r + (arg && raised() ? 100 : 0));
}

static int others_get(void) {
    pthread_t t;
    void *r = NULL;
    if (pthread_create(&t, NULL, tries, &m) != 0 || pthread_join(t, &r) != 0)
        return 98;
    return (int)(intptr_t)r;
}

/* The first attempt is refused; the second is not, and the second thread's neither. */
static int attempt(int (*lock)(void)) {
    init(PTHREAD_MUTEX_NORMAL);
    errno = 77;
    CHECK(lock() == EPERM && raised() == 0);
    CHECK(others_get() == 0);
    CHECK(lock() == 0 && raised() == 10);
    CHECK(others_get() == EBUSY);
    CHECK(pthread_mutex_unlock(&m) == 0 && raised() == 0);
    CHECK(pthread_mutex_destroy(&m) == 0 && errno == 77);
    return 0;
}
static int lock(void) {
    return pthread_mutex_lock(&m);
}
static int try(void) {
    return pthread_mutex_trylock(&m);
}
static int timed(void) {
    return pthread_mutex_timedlock(&m, &past);
}
static int locks(void) {
    return attempt(lock);
}
static int trylocks(void) {
    return attempt(try);
}
static int timedlocks(void) {
    return attempt(timed);
}

/* Unlock frees the mutex and says that the priority stays; the next one lowers it. */
static int unlocks(void) {
    int policy = -1;
    struct sched_param p;
    init(PTHREAD_MUTEX_NORMAL);
    CHECK(pthread_mutex_lock(&m) == 0);
    CHECK(pthread_mutex_unlock(&m) == EPERM && raised() == 10);
    CHECK(pthread_getschedparam(pthread_self(), &policy, &p) == 0);
    CHECK(policy == SCHED_OTHER && p.sched_priority == 0);
    CHECK(others_get() == 0);
    CHECK(pthread_mutex_lock(&m) == 0 && raised() == 10);
    CHECK(pthread_mutex_unlock(&m) == 0 && raised() == 0);
    return 0;
}

static void *fails_to_unlock(void *unused) {
    pthread_mutex_lock(&m);
    return (void *)(intptr_t)(pthread_mutex_unlock(&m) == EPERM && !unused);
}

/* A thread that ends so leaves its priority to no other. */
static int ends(void) {
    pthread_t t;
    void *r = NULL;
    init(PTHREAD_MUTEX_NORMAL);
    CHECK(pthread_create(&t, NULL, fails_to_unlock, NULL) == 0 && pthread_join(t, &r) == 0 && r != NULL);
    for (int i = 0; i < 5; i++)
        CHECK(others_get() == 0);
    return 0;
}

static int sets_ceiling(void) {
    int old = -1, now = -1;
    init(PTHREAD_MUTEX_RECURSIVE);
    CHECK(pthread_mutex_lock(&m) == 0);
    CHECK(pthread_mutex_setprioceiling(&m, 20, &old) == EPERM && raised() == 10 && old == -1);
    CHECK(pthread_mutex_getprioceiling(&m, &now) == 0 && now == 10);
    CHECK(pthread_mutex_setprioceiling(&m, 20, &old) == 0 && raised() == 20 && old == 10);
    CHECK(pthread_mutex_unlock(&m) == 0 && raised() == 0);
    return 0;
}

/* The wait ends with the mutex all the same. */
static int waits(void) {
    init(PTHREAD_MUTEX_ERRORCHECK);
    CHECK(pthread_mutex_lock(&m) == 0);
    CHECK(pthread_cond_timedwait(&c, &m, &past) == EPERM && raised() == 0);
    CHECK(others_get() == EBUSY);
    CHECK(pthread_mutex_unlock(&m) == 0 && raised() == 0);
    CHECK(pthread_mutex_lock(&m) == 0 && raised() == 10);
    CHECK(pthread_cond_timedwait(&c, &m, &past) == ETIMEDOUT && raised() == 10);
    CHECK(pthread_mutex_unlock(&m) == 0 && raised() == 0);
    CHECK(pthread_mutex_destroy(&m) == 0);
    return 0;
}

static const struct fault_case cases[] = {
    {"lock", locks, "sched_set:nth=1"},
    {"lock, not asked", locks, "sched_get:nth=1"},
    {"trylock", trylocks, "sched_set:nth=1"},
    {"timedlock", timedlocks, "sched_set:nth=1"},
    {"unlock", unlocks, "sched_set:nth=2"},
    {"a thread's end", ends, "sched_set:nth=2"},
    {"setprioceiling", sets_ceiling, "sched_set:nth=2"},
    {"cond_timedwait", waits, "sched_set:nth=3"},
};

static int privileged(void) {
    struct sched_param high = {.sched_priority = 99}, none = {0};
    return sched_setscheduler(0, SCHED_FIFO, &high) == 0 && sched_setscheduler(0, SCHED_OTHER, &none) == 0;
}

int main(int argc, char **argv) {
    if (argc < 2 && !privileged()) {
        skip("no permission for SCHED_FIFO");
        return done();
    }
    return fault_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
