/*
 * The libc reads attribute objects that a program made with us, and the other way round (its own pthread_create
 * under our fall-back, SIGEV_THREAD timers, mq_notify): what one library writes, the other must read.  Run on
 * the plain libc, both are the same and the test is trivial.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "../tap.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* One library's functions. */
struct side {
    const char *name;
    int (*init)(pthread_attr_t *);
    int (*destroy)(pthread_attr_t *);
    int (*setdetachstate)(pthread_attr_t *, int);
    int (*getdetachstate)(const pthread_attr_t *, int *);
    int (*setguardsize)(pthread_attr_t *, size_t);
    int (*getguardsize)(const pthread_attr_t *, size_t *);
    int (*setstacksize)(pthread_attr_t *, size_t);
    int (*getstacksize)(const pthread_attr_t *, size_t *);
    int (*setstack)(pthread_attr_t *, void *, size_t);
    int (*getstack)(const pthread_attr_t *, void **, size_t *);
    int (*setstackaddr)(pthread_attr_t *, void *);
    int (*getstackaddr)(const pthread_attr_t *, void **);
    int (*setinheritsched)(pthread_attr_t *, int);
    int (*getinheritsched)(const pthread_attr_t *, int *);
    int (*setschedpolicy)(pthread_attr_t *, int);
    int (*getschedpolicy)(const pthread_attr_t *, int *);
    int (*setschedparam)(pthread_attr_t *, const struct sched_param *);
    int (*getschedparam)(const pthread_attr_t *, struct sched_param *);
    int (*setscope)(pthread_attr_t *, int);
    int (*getscope)(const pthread_attr_t *, int *);
    int (*setaffinity)(pthread_attr_t *, size_t, const cpu_set_t *);
    int (*getaffinity)(const pthread_attr_t *, size_t, cpu_set_t *);
    int (*setsigmask)(pthread_attr_t *, const sigset_t *);
    int (*getsigmask)(const pthread_attr_t *, sigset_t *);
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int (*join)(pthread_t, void **);
};

static struct side ours = {
    "program's",
    pthread_attr_init,
    pthread_attr_destroy,
    pthread_attr_setdetachstate,
    pthread_attr_getdetachstate,
    pthread_attr_setguardsize,
    pthread_attr_getguardsize,
    pthread_attr_setstacksize,
    pthread_attr_getstacksize,
    pthread_attr_setstack,
    pthread_attr_getstack,
    pthread_attr_setstackaddr,
    pthread_attr_getstackaddr,
    pthread_attr_setinheritsched,
    pthread_attr_getinheritsched,
    pthread_attr_setschedpolicy,
    pthread_attr_getschedpolicy,
    pthread_attr_setschedparam,
    pthread_attr_getschedparam,
    pthread_attr_setscope,
    pthread_attr_getscope,
    pthread_attr_setaffinity_np,
    pthread_attr_getaffinity_np,
    pthread_attr_setsigmask_np,
    pthread_attr_getsigmask_np,
    NULL,
    NULL,
};

static struct side libc_side(void) {
    void *h = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    struct side s = {.name = "libc's"};
#define GET(field, symbol) *(void **)&s.field = dlsym(h, symbol)
    GET(init, "pthread_attr_init");
    GET(destroy, "pthread_attr_destroy");
    GET(setdetachstate, "pthread_attr_setdetachstate");
    GET(getdetachstate, "pthread_attr_getdetachstate");
    GET(setguardsize, "pthread_attr_setguardsize");
    GET(getguardsize, "pthread_attr_getguardsize");
    GET(setstacksize, "pthread_attr_setstacksize");
    GET(getstacksize, "pthread_attr_getstacksize");
    GET(setstack, "pthread_attr_setstack");
    GET(getstack, "pthread_attr_getstack");
    GET(setstackaddr, "pthread_attr_setstackaddr");
    GET(getstackaddr, "pthread_attr_getstackaddr");
    GET(setinheritsched, "pthread_attr_setinheritsched");
    GET(getinheritsched, "pthread_attr_getinheritsched");
    GET(setschedpolicy, "pthread_attr_setschedpolicy");
    GET(getschedpolicy, "pthread_attr_getschedpolicy");
    GET(setschedparam, "pthread_attr_setschedparam");
    GET(getschedparam, "pthread_attr_getschedparam");
    GET(setscope, "pthread_attr_setscope");
    GET(getscope, "pthread_attr_getscope");
    GET(setaffinity, "pthread_attr_setaffinity_np");
    GET(getaffinity, "pthread_attr_getaffinity_np");
    GET(setsigmask, "pthread_attr_setsigmask_np");
    GET(getsigmask, "pthread_attr_getsigmask_np");
    GET(create, "pthread_create");
    GET(join, "pthread_join");
#undef GET
    return s;
}

static char memory[1 << 18] __attribute__((aligned(4096)));

static void crossed(const struct side *w, const struct side *r) {
    pthread_attr_t a;
    int n;
    size_t size;
    void *addr;
    char base[2][sizeof a];
    memset(&a, 0xa5, sizeof a);
    is(w->init(&a), 0, "%s init", w->name);
    memcpy(base[0], &a, sizeof a);
    memset(&a, 0xa5, sizeof a);
    r->init(&a);
    memcpy(base[1], &a, sizeof a);
    ok(memcmp(base[0], base[1], sizeof a) == 0, "init: the same bytes");
    w->init(&a);
    r->getstacksize(&a, &size);
    size_t mine;
    w->getstacksize(&a, &mine);
    is((long)size, (long)mine, "the default stack size is the same");

    for (int state = 0; state < 2; state++) {
        w->setdetachstate(&a, state);
        r->getdetachstate(&a, &n);
        is(n, state, "%s detach state %d", w->name, state);
        w->setinheritsched(&a, state);
        r->getinheritsched(&a, &n);
        is(n, state, "inherit-sched %d", state);
    }
    w->setguardsize(&a, 12345);
    r->getguardsize(&a, &size);
    is((long)size, 12345, "guard size");
    w->setstacksize(&a, 123456);
    r->getstacksize(&a, &size);
    is((long)size, 123456, "stack size");
    w->setstack(&a, memory, sizeof memory);
    r->getstack(&a, &addr, &size);
    ok(addr == memory && size == sizeof memory, "stack");
    w->setstackaddr(&a, memory + 4096);
    r->getstackaddr(&a, &addr);
    ok(addr == memory + 4096, "stack address");
    w->setschedpolicy(&a, SCHED_RR);
    r->getschedpolicy(&a, &n);
    is(n, SCHED_RR, "policy");
    struct sched_param p = {.sched_priority = 7};
    w->setschedparam(&a, &p);
    p.sched_priority = 0;
    r->getschedparam(&a, &p);
    is(p.sched_priority, 7, "priority");
    w->setscope(&a, PTHREAD_SCOPE_SYSTEM);
    r->getscope(&a, &n);
    is(n, PTHREAD_SCOPE_SYSTEM, "scope");
    cpu_set_t cpus, got;
    CPU_ZERO(&cpus);
    CPU_SET(1, &cpus);
    CPU_SET(77, &cpus);
    w->setaffinity(&a, sizeof cpus, &cpus);
    memset(&got, 0xff, sizeof got);
    is(r->getaffinity(&a, sizeof got, &got), 0, "affinity");
    ok(CPU_EQUAL(&got, &cpus), "the CPU set");
    sigset_t mask, seen;
    sigfillset(&mask);
    w->setsigmask(&a, &mask);
    is(r->getsigmask(&a, &seen), 0, "signal mask");
    ok(sigismember(&seen, SIGUSR1) == 1 && sigismember(&seen, SIGTERM) == 1, "its members");
    memcpy(base[0], &a, sizeof a);
    is(r->destroy(&a), 0, "destroyed by the other");

    /* The flag bits: the same calls in both leave the same flags. */
    pthread_attr_t b;
    r->init(&b);
    r->setdetachstate(&b, 1);
    r->setinheritsched(&b, 1);
    r->setstack(&b, memory, sizeof memory);
    r->setschedpolicy(&b, SCHED_RR);
    p.sched_priority = 7;
    r->setschedparam(&b, &p);
    ok(memcmp(base[0] + 8, (char *)&b + 8, 4) == 0, "the same flags");
    r->destroy(&b);
}

static void *body(void *arg) {
    sigset_t *mask = arg;
    pthread_sigmask(SIG_SETMASK, NULL, mask);
    char here;
    return (void *)(long)(&here >= memory && &here < memory + sizeof memory);
}

/* The libc's creation honours an attribute object of ours. */
static void created(const struct side *w, const struct side *c) {
    pthread_attr_t a;
    pthread_t t;
    sigset_t mask, seen;
    void *result = NULL;
    w->init(&a);
    w->setstack(&a, memory, sizeof memory);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    w->setsigmask(&a, &mask);
    is(c->create(&t, &a, body, &seen), 0, "the libc creates with the %s attributes", w->name);
    is(c->join(t, &result), 0, "joined");
    is((long)result, 1, "on the stack given");
    ok(sigismember(&seen, SIGUSR2) == 1 && sigismember(&seen, SIGUSR1) == 0, "with the mask given");
    w->destroy(&a);
}

/* A timer's thread is made by the libc, by an attribute object of the program's. */
static size_t timer_stack;
static int timer_blocked, timer_ran;
static void on_timer(union sigval v) {
    pthread_attr_t a;
    sigset_t mask;
    (void)v;
    if (pthread_getattr_np(pthread_self(), &a) == 0) {
        pthread_attr_getstacksize(&a, &timer_stack);
        pthread_attr_destroy(&a);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    timer_blocked = sigismember(&mask, SIGUSR2);
    __atomic_store_n(&timer_ran, 1, __ATOMIC_RELEASE);
}

static void timers(void) {
    pthread_attr_t a;
    timer_t timer;
    sigset_t mask;
    struct itimerspec once = {.it_value = {0, 1000000}};
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 192 * 1024);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_attr_setsigmask_np(&a, &mask);
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD};
    ev.sigev_notify_function = on_timer;
    ev.sigev_notify_attributes = &a;
    if (timer_create(CLOCK_MONOTONIC, &ev, &timer) != 0 || timer_settime(timer, 0, &once, NULL) != 0) {
        skip("no SIGEV_THREAD timers here");
        return;
    }
    pthread_attr_destroy(&a); /* the libc has a copy */
    struct timespec step = {0, 2000000};
    for (int i = 0; i < 1000 && !__atomic_load_n(&timer_ran, __ATOMIC_ACQUIRE); i++)
        nanosleep(&step, NULL);
    is(timer_ran, 1, "a timer's thread");
    is((long)timer_stack, 192 * 1024, "has the stack asked for");
    is(timer_blocked, 1, "and the signal mask");
    timer_delete(timer);
}

int main(void) {
    struct side theirs = libc_side();
    crossed(&ours, &theirs);
    crossed(&theirs, &ours);
    created(&ours, &theirs);
    timers();
    return done();
}
