/* Names, scheduling, affinity, CPU clocks: of the caller, of another thread, of one that has ended. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "../tap.h"

static sem_t ready, leave;
static pid_t tid;

static void *wait_here(void *arg) {
    tid = (pid_t)syscall(SYS_gettid);
    sem_post(&ready);
    sem_wait(&leave);
    while (arg && !__atomic_load_n((int *)arg, __ATOMIC_RELAXED)) /* busy until told otherwise */
        ;
    return arg;
}

static pthread_t start(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, wait_here, NULL) != 0)
        abort();
    sem_wait(&ready);
    return t;
}

static void finish(pthread_t t) {
    sem_post(&leave);
    pthread_join(t, NULL);
}

/* What the kernel says the name is. */
static int comm_is(pid_t of, const char *want) {
    char path[64], got[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)of);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, got, sizeof got - 1);
    close(fd);
    if (n > 0)
        got[n - 1] = '\0';
    return strcmp(got, want) == 0;
}

static void names(void) {
    char name[32];
    pthread_t self = pthread_self();
    is(pthread_setname_np(self, "1234567890123456"), ERANGE, "a long name");
    is(pthread_setname_np(self, "12345678901234567890"), ERANGE, "a longer one");
    is(pthread_getname_np(self, name, 15), ERANGE, "a small buffer");
    is(pthread_getname_np(self, name, 0), ERANGE, "no buffer");
    is(pthread_setname_np(self, "123456789012345"), 0, "15 bytes");
    is(pthread_getname_np(self, name, 16), 0, "read back");
    ok(strcmp(name, "123456789012345") == 0, "the same");
    ok(comm_is((pid_t)syscall(SYS_gettid), "123456789012345"), "the kernel agrees");
    is(pthread_setname_np(self, ""), 0, "no name");
    is(pthread_getname_np(self, name, sizeof name), 0, "read back");
    ok(strcmp(name, "") == 0, "empty");
    is(pthread_setname_np(self, "new\nline"), 0, "a newline");
    pthread_getname_np(self, name, sizeof name);
    ok(strcmp(name, "new\nline") == 0, "is kept");

    pthread_t t = start();
    is(pthread_getname_np(t, name, sizeof name), 0, "another thread's");
    ok(strcmp(name, "new\nline") == 0, "it inherited its creator's");
    is(pthread_setname_np(t, "other"), 0, "set it");
    is(pthread_getname_np(t, name, sizeof name), 0, "read back");
    ok(strcmp(name, "other") == 0, "the same");
    ok(comm_is(tid, "other"), "the kernel agrees");
    is(pthread_setname_np(t, "123456789012345"), 0, "15 bytes");
    is(pthread_getname_np(t, name, 16), 0, "read back into 16");
    ok(strcmp(name, "123456789012345") == 0, "the same");
    is(pthread_setname_np(t, "1234567890123456"), ERANGE, "a long name");
    finish(t);
    t = start();
    pthread_getname_np(t, name, sizeof name);
    ok(strcmp(name, "new\nline") == 0, "the next thread has its creator's name, not its predecessor's");
    finish(t);
    prctl(PR_SET_NAME, "by prctl");
    t = start();
    pthread_getname_np(t, name, sizeof name);
    ok(strcmp(name, "by prctl") == 0, "also after prctl");
    finish(t);
}

static void affinity(void) {
    cpu_set_t all, one, got;
    char small[1], big[512];
    is(pthread_getaffinity_np(pthread_self(), sizeof all, &all), 0, "affinity");
    sched_getaffinity(0, sizeof got, &got);
    ok(CPU_EQUAL(&all, &got), "is the kernel's");
    is(pthread_getaffinity_np(pthread_self(), sizeof small, (cpu_set_t *)(void *)small), EINVAL,
       "too small a set");
    memset(big, 0xff, sizeof big);
    is(pthread_getaffinity_np(pthread_self(), sizeof big, (cpu_set_t *)(void *)big), 0, "a large set");
    ok(memcmp(big, &all, sizeof all) == 0 && big[511] == 0, "is filled up with zeros");
    CPU_ZERO(&one);
    is(pthread_setaffinity_np(pthread_self(), sizeof one, &one), EINVAL, "no CPU");
    CPU_SET(CPU_SETSIZE - 1, &one);
    is(pthread_setaffinity_np(pthread_self(), sizeof one, &one), EINVAL, "a CPU that is not there");
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    pthread_t t = start();
    is(pthread_setaffinity_np(t, sizeof one, &one), 0, "another thread's");
    is(pthread_getaffinity_np(t, sizeof got, &got), 0, "read back");
    ok(CPU_EQUAL(&got, &one), "the same");
    sched_getaffinity(tid, sizeof got, &got);
    ok(CPU_EQUAL(&got, &one), "the kernel agrees");
    finish(t);
    t = start();
    pthread_getaffinity_np(t, sizeof got, &got);
    ok(CPU_EQUAL(&got, &all), "the next thread inherits its creator's, not its predecessor's");
    finish(t);
    is(pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0, "the caller's");
    t = start();
    pthread_getaffinity_np(t, sizeof got, &got);
    ok(CPU_EQUAL(&got, &one), "is inherited");
    finish(t);
    pthread_setaffinity_np(pthread_self(), sizeof all, &all);
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setaffinity_np(&a, sizeof one, &one);
    is(pthread_create(&t, &a, wait_here, NULL), 0, "a thread with a CPU set");
    sem_wait(&ready);
    pthread_getaffinity_np(t, sizeof got, &got);
    ok(CPU_EQUAL(&got, &one), "runs there");
    finish(t);
    CPU_ZERO(&one);
    CPU_SET(CPU_SETSIZE - 1, &one);
    pthread_attr_setaffinity_np(&a, sizeof one, &one);
    is(pthread_create(&t, &a, wait_here, NULL), EINVAL, "no thread for a CPU that is not there");
    pthread_attr_destroy(&a);
}

static void policies(void) {
    struct sched_param p = {.sched_priority = 99};
    int policy = -1;
    pthread_t self = pthread_self();
    is(pthread_getschedparam(self, &policy, &p), 0, "policy and priority");
    is(policy, SCHED_OTHER, "SCHED_OTHER");
    is(p.sched_priority, 0, "0");
    static const struct {
        int policy, priority, want;
    } rows[] = {{SCHED_OTHER, 1, EINVAL},  {SCHED_OTHER, -1, EINVAL}, {SCHED_FIFO, 0, EINVAL},
                {SCHED_FIFO, 100, EINVAL}, {SCHED_RR, 0, EINVAL},     {-1, 0, EINVAL},
                {77, 0, EINVAL},           {SCHED_OTHER, 0, 0},       {SCHED_BATCH, 0, 0},
                {SCHED_OTHER, 0, 0}};
    pthread_t t = start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        p.sched_priority = rows[i].priority;
        is(pthread_setschedparam(t, rows[i].policy, &p), rows[i].want, "policy %d priority %d", rows[i].policy,
           rows[i].priority);
    }
    p.sched_priority = 0;
    is(pthread_setschedparam(t, SCHED_BATCH, &p), 0, "SCHED_BATCH");
    is(pthread_getschedparam(t, &policy, &p), 0, "read back");
    is(policy, SCHED_BATCH, "the same");
    is(sched_getscheduler(tid), SCHED_BATCH, "the kernel agrees");
    is(pthread_setschedprio(t, 5), EINVAL, "a priority that it has not");
    is(pthread_setschedprio(t, 0), 0, "one that it has");
    finish(t);
    t = start();
    pthread_getschedparam(t, &policy, &p);
    is(policy, SCHED_OTHER, "the next thread inherits its creator's policy, not its predecessor's");

    p.sched_priority = 10;
    int err = pthread_setschedparam(t, SCHED_RR, &p);
    if (err == EPERM) {
        skip("no permission for SCHED_RR");
    } else {
        is(err, 0, "SCHED_RR");
        is(pthread_setschedprio(t, 11), 0, "a new priority");
        is(pthread_setschedprio(t, 1000), EINVAL, "no such priority");
        pthread_getschedparam(t, &policy, &p);
        ok(policy == SCHED_RR && p.sched_priority == 11, "read back");
    }
    finish(t);
    if (err == 0) {
        pthread_attr_t a;
        pthread_attr_init(&a);
        pthread_attr_setschedpolicy(&a, SCHED_RR);
        p.sched_priority = 3;
        pthread_attr_setschedparam(&a, &p);
        is(pthread_create(&t, &a, wait_here, NULL), 0, "a schedule that is not asked for");
        sem_wait(&ready);
        pthread_getschedparam(t, &policy, &p);
        ok(policy == SCHED_OTHER && p.sched_priority == 0, "is inherited");
        finish(t);
        pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
        is(pthread_create(&t, &a, wait_here, NULL), 0, "an explicit one");
        sem_wait(&ready);
        pthread_getschedparam(t, &policy, &p);
        ok(policy == SCHED_RR && p.sched_priority == 3, "is set");
        pthread_attr_t seen;
        pthread_getattr_np(t, &seen);
        pthread_attr_getschedpolicy(&seen, &policy);
        pthread_attr_getschedparam(&seen, &p);
        ok(policy == SCHED_RR && p.sched_priority == 3, "and shown by pthread_getattr_np");
        pthread_attr_destroy(&seen);
        finish(t);
        pthread_attr_destroy(&a);
    }
}

static void clocks(void) {
    clockid_t clock;
    struct timespec before, after, now;
    is(pthread_getcpuclockid(pthread_self(), &clock), 0, "the caller's CPU clock");
    is(clock_gettime(clock, &before), 0, "runs");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    ok(now.tv_sec - before.tv_sec < 2, "is the caller's");
    pthread_t t;
    int stop = 0;
    pthread_create(&t, NULL, wait_here, &stop);
    sem_wait(&ready);
    is(pthread_getcpuclockid(t, &clock), 0, "another thread's");
    is(clock_gettime(clock, &before), 0, "runs");
    ok(before.tv_sec == 0, "has used little");
    sem_post(&leave);
    struct timespec step = {0, 5000000};
    int grew = 0;
    for (int i = 0; i < 400 && !grew; i++) {
        clock_gettime(clock, &after);
        grew = after.tv_nsec > before.tv_nsec || after.tv_sec > before.tv_sec;
        nanosleep(&step, NULL);
    }
    ok(grew, "counts what the thread does");
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(t, NULL);
}

/* Programs of before 2021 bind to pthread_yield; today's header makes it sched_yield. */
static void yields(void) {
    int (*yield)(void);
    *(void **)&yield = dlvsym(RTLD_DEFAULT, "pthread_yield", "GLIBC_2.2.5");
    ok(yield != NULL && yield() == 0, "pthread_yield by its name");
    is(sched_yield(), 0, "sched_yield");
}

static void *nothing(void *arg) {
    return arg;
}

/* A thread that has ended and waits to be joined: still a valid handle, but there is nothing to act on. */
static void ended(void) {
    pthread_t t;
    struct sched_param p = {0};
    clockid_t clock;
    int policy;
    pthread_create(&t, NULL, wait_here, NULL);
    sem_wait(&ready);
    pid_t gone = tid;
    sem_post(&leave);
    struct timespec step = {0, 1000000}; /* an LWP that is kept for another thread stays: then 100 ms must do */
    for (int i = 0; i < 100 && syscall(SYS_tgkill, getpid(), gone, 0) == 0; i++)
        nanosleep(&step, NULL);
    is(pthread_getschedparam(t, &policy, &p), ESRCH, "getschedparam of an ended thread");
    is(pthread_setschedparam(t, SCHED_OTHER, &p), ESRCH, "setschedparam");
    is(pthread_setschedprio(t, 0), ESRCH, "setschedprio");
    is(pthread_getcpuclockid(t, &clock), ESRCH, "getcpuclockid");
    pthread_join(t, NULL);
}

/* The handle is good for everything as soon as pthread_create has returned. */
static void at_once(void) {
    int bad = 0;
    cpu_set_t all, got;
    struct sched_param p;
    int policy;
    char name[16];
    sched_getaffinity(0, sizeof all, &all);
    for (int i = 0; i < 300; i++) {
        pthread_t t;
        clockid_t clock;
        pthread_attr_t a;
        if (pthread_create(&t, NULL, wait_here, NULL) != 0)
            abort();
        switch (i % 6) {
        case 0:
            bad += pthread_setname_np(t, "at once") != 0 || pthread_getname_np(t, name, sizeof name) != 0;
            bad += strcmp(name, "at once") != 0;
            break;
        case 1:
            bad += pthread_setaffinity_np(t, sizeof all, &all) != 0;
            break;
        case 2:
            bad += pthread_getschedparam(t, &policy, &p) != 0 || policy != SCHED_OTHER;
            break;
        case 3:
            bad += pthread_getcpuclockid(t, &clock) != 0 || clock_getres(clock, NULL) != 0;
            break;
        case 4:
            bad += pthread_getattr_np(t, &a) != 0;
            pthread_attr_destroy(&a);
            break;
        case 5:
            bad += pthread_getaffinity_np(t, sizeof got, &got) != 0 || !CPU_EQUAL(&got, &all);
            break;
        }
        sem_wait(&ready);
        finish(t);
    }
    is(bad, 0, "right after pthread_create");
}

static pthread_t main_thread;
static void *about_main(void *arg) {
    char name[16];
    struct sched_param p;
    int policy;
    clockid_t clock;
    pthread_attr_t a;
    cpu_set_t set;
    is(pthread_setname_np(main_thread, "the main one"), 0, "main's name, from another thread");
    is(pthread_getname_np(main_thread, name, sizeof name), 0, "read back");
    ok(strcmp(name, "the main one") == 0, "the same");
    is(pthread_getschedparam(main_thread, &policy, &p), 0, "main's policy");
    is(pthread_getaffinity_np(main_thread, sizeof set, &set), 0, "main's affinity");
    is(pthread_setaffinity_np(main_thread, sizeof set, &set), 0, "set");
    is(pthread_getcpuclockid(main_thread, &clock), 0, "main's clock");
    is(pthread_getattr_np(main_thread, &a), 0, "main's attributes");
    void *base;
    size_t size;
    pthread_attr_getstack(&a, &base, &size);
    ok((char *)arg >= (char *)base && (char *)arg < (char *)base + size, "its stack");
    pthread_attr_destroy(&a);
    return NULL;
}

int main(void) {
    sem_init(&ready, 0, 0);
    sem_init(&leave, 0, 0);
    errno = 77;
    is(pthread_getconcurrency(), 0, "concurrency level");
    is(pthread_setconcurrency(-1), EINVAL, "a negative one");
    is(pthread_setconcurrency(4), 0, "a new one");
    is(pthread_getconcurrency(), 4, "is remembered");
    ok(pthread_equal(pthread_self(), pthread_self()) != 0, "equal to itself");
    pthread_t t;
    pthread_create(&t, NULL, nothing, NULL);
    ok(pthread_equal(t, pthread_self()) == 0, "not equal to another");
    pthread_join(t, NULL);
    names();
    affinity();
    policies();
    clocks();
    yields();
    at_once();
    ended();
    main_thread = pthread_self();
    char here;
    pthread_create(&t, NULL, about_main, &here);
    pthread_join(t, NULL);
    return done();
}
