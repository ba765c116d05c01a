/* pthread_getattr_default_np, pthread_setattr_default_np: checks, and that threads are made by them. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "../tap.h"

static size_t default_stack(void) {
    pthread_attr_t d;
    size_t n;
    pthread_getattr_default_np(&d);
    pthread_attr_getstacksize(&d, &n);
    pthread_attr_destroy(&d);
    return n;
}

static void refused(void) {
    static char memory[1 << 16];
    pthread_attr_t a;
    size_t before = default_stack();
    pthread_attr_init(&a);
    pthread_attr_setstack(&a, memory, sizeof memory);
    is(pthread_setattr_default_np(&a), EINVAL, "a stack for everybody");
    pthread_attr_init(&a);
    *(int *)((char *)&a + 4) = SCHED_BATCH; /* no setter lets it through */
    is(pthread_setattr_default_np(&a), EINVAL, "a policy that no setter accepts");
    pthread_attr_init(&a);
    *(int *)&a = 5;
    is(pthread_setattr_default_np(&a), EINVAL, "a priority that the policy has not");
    pthread_attr_init(&a);
    *(size_t *)((char *)&a + 32) = 1000;
    is(pthread_setattr_default_np(&a), EINVAL, "too small a stack");
    is((long)default_stack(), (long)before, "nothing changed");
}

static int detached_now, cpus_now;
static size_t size_now, guard_now;
static sigset_t mask_now;
static void *look(void *arg) {
    pthread_attr_t a;
    cpu_set_t set;
    is(pthread_getattr_np(pthread_self(), &a), 0, "getattr_np");
    pthread_attr_getdetachstate(&a, &detached_now);
    pthread_attr_getstacksize(&a, &size_now);
    pthread_attr_getguardsize(&a, &guard_now);
    pthread_attr_destroy(&a);
    sched_getaffinity(0, sizeof set, &set);
    cpus_now = CPU_COUNT(&set);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_now);
    return arg;
}

int main(void) {
    pthread_attr_t was, a, got;
    pthread_t t;
    size_t n;
    is(pthread_getattr_default_np(&was), 0, "the default");
    refused();

    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 300 * 1024);
    pthread_attr_setguardsize(&a, 3 * 4096);
    cpu_set_t all, one, seen;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    pthread_attr_setaffinity_np(&a, sizeof one, &one);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_attr_setsigmask_np(&a, &mask);
    is(pthread_setattr_default_np(&a), 0, "a new default");
    pthread_attr_destroy(&a);
    is(pthread_getattr_default_np(&got), 0, "read back");
    pthread_attr_getstacksize(&got, &n);
    is((long)n, 300 * 1024, "its stack size");
    pthread_attr_getguardsize(&got, &n);
    is((long)n, 3 * 4096, "its guard size");
    pthread_attr_getaffinity_np(&got, sizeof seen, &seen);
    ok(CPU_EQUAL(&seen, &one), "its CPU set");
    is(pthread_attr_getsigmask_np(&got, &mask), 0, "its mask");
    ok(sigismember(&mask, SIGUSR2) == 1 && sigismember(&mask, SIGUSR1) == 0, "the mask");
    pthread_attr_destroy(&got);
    pthread_attr_init(&a);
    pthread_attr_getstacksize(&a, &n);
    is((long)n, 300 * 1024, "an attribute object without a stack size shows the default's");

    is(pthread_create(&t, NULL, look, NULL), 0, "a thread by the default");
    pthread_join(t, NULL);
    is((long)size_now, 300 * 1024, "has that stack");
    is((long)guard_now, 3 * 4096, "that guard");
    is(cpus_now, 1, "that CPU set");
    ok(sigismember(&mask_now, SIGUSR2) == 1, "that mask");
    is(pthread_create(&t, &a, look, NULL), 0, "a thread by an attribute object");
    pthread_join(t, NULL);
    is((long)size_now, 300 * 1024, "has the default's stack size");
    is((long)guard_now, 4096, "its own guard");
    is(cpus_now, CPU_COUNT(&all), "and inherits its CPUs");

    /* Stack size 0 keeps the size. */
    is(pthread_setattr_default_np(&a), 0, "a default without a stack size");
    is((long)default_stack(), 300 * 1024, "keeps the former one's");
    is(pthread_setattr_default_np(&was), 0, "the old default again");
    pthread_attr_getstacksize(&was, &n);
    is((long)default_stack(), (long)n, "it is");
    for (int i = 0; i < 1000; i++) {
        pthread_attr_setstacksize(&a, i & 1 ? 1 << 20 : 1 << 21);
        if (pthread_setattr_default_np(&a) != 0 || default_stack() != (i & 1 ? 1 << 20 : 1 << 21))
            return ok(0, "changed often, round %d", i), done();
    }
    ok(1, "changed often");
    pthread_attr_destroy(&was);
    return done();
}
