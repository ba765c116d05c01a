/* Scheduling of a new thread: inherited from its creator, or the attribute's, before the start routine runs. */
#include "life.h"

struct seen {
    int policy, prio, kernel_policy, kernel_prio, ran;
};

static void *look(void *arg) {
    struct seen *s = arg;
    struct sched_param p = {0};
    s->ran = 1;
    s->kernel_policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    sched_getparam(0, &p);
    s->kernel_prio = p.sched_priority;
    pthread_getschedparam(pthread_self(), &s->policy, &p);
    s->prio = p.sched_priority;
    return NULL;
}

static struct seen run(const pthread_attr_t *a) {
    struct seen s = {-1, -1, -1, -1, 0};
    must_join(must_create(a, look, &s));
    return s;
}

static int may_use_fifo(void) {
    struct sched_param p = {.sched_priority = 1};
    int may = sched_setscheduler(0, SCHED_FIFO, &p) == 0;
    p.sched_priority = 0;
    sched_setscheduler(0, SCHED_OTHER, &p);
    return may;
}

/* As an ordinary user: real time is refused with EPERM, and nothing has run. */
static int refused(void) {
    struct rlimit no = {0, 0};
    struct sched_param p = {.sched_priority = 5};
    struct seen s = {0};
    pthread_attr_t a;
    pthread_t t;
    setrlimit(RLIMIT_RTPRIO, &no);
    if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
        return 0;
    pthread_attr_init(&a);
    pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
    check(pthread_attr_setschedpolicy(&a, SCHED_FIFO) == 0);
    check(pthread_attr_setschedparam(&a, &p) == 0);
    for (int i = 0; i < 5; i++)
        check(pthread_create(&t, &a, look, &s) == EPERM);
    usleep(10000);
    check(!s.ran);
    check(pthread_create(&t, NULL, look, &s) == 0);
    check(pthread_join(t, NULL) == 0);
    check(s.ran && s.kernel_policy == SCHED_OTHER);
    return check_failed;
}

int main(void) {
    struct sched_param p = {0};
    pthread_attr_t a;
    struct seen s = run(NULL);
    is(s.policy, SCHED_OTHER, "policy inherited");
    is(s.kernel_policy, SCHED_OTHER, "as the kernel has it");

    static const int policies[] = {SCHED_BATCH, SCHED_IDLE};
    for (int i = 0; i < 2; i++) {
        pthread_attr_init(&a);
        int r = pthread_attr_setschedpolicy(&a, policies[i]);
        if (r) { /* POSIX's three only, as the libc has it */
            is(r, EINVAL, "policy %d in an attribute: EINVAL", policies[i]);
            pthread_attr_destroy(&a);
            continue;
        }
        pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
        s = run(&a);
        is(s.kernel_policy, policies[i], "policy %d from the attribute", policies[i]);
        pthread_attr_destroy(&a);
    }

    /* PTHREAD_INHERIT_SCHED is the default, and wins over a policy in the attribute. */
    pthread_attr_init(&a);
    int inherit = -1;
    pthread_attr_getinheritsched(&a, &inherit);
    is(inherit, PTHREAD_INHERIT_SCHED, "the default is to inherit");
    p.sched_priority = 7;
    is(pthread_attr_setschedpolicy(&a, SCHED_RR), 0, "attr_setschedpolicy");
    is(pthread_attr_setschedparam(&a, &p), 0, "attr_setschedparam");
    s = run(&a);
    is(s.kernel_policy, SCHED_OTHER, "a policy without PTHREAD_EXPLICIT_SCHED has no effect");

    is(in_child(refused), 0, "SCHED_FIFO is refused to an ordinary user, and the start routine does not run");

    if (!may_use_fifo()) {
        skip("no right to SCHED_FIFO");
        return done();
    }
    static const int rt[] = {SCHED_FIFO, SCHED_RR};
    pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
    for (int i = 0; i < 2; i++) {
        p.sched_priority = 3 + i;
        pthread_attr_setschedpolicy(&a, rt[i]);
        pthread_attr_setschedparam(&a, &p);
        s = run(&a);
        is(s.kernel_policy, rt[i], "explicit real-time policy %d", rt[i]);
        is(s.kernel_prio, 3 + i, "and its priority");
        is(s.policy, rt[i], "as pthread_getschedparam says");
        is(s.prio, 3 + i, "and its priority");
        s = run(NULL);
        is(s.kernel_policy, SCHED_OTHER, "the next thread does not get it");
        is(s.kernel_prio, 0, "nor the priority");
    }
    /* A creator that changed itself hands it down. */
    p.sched_priority = 2;
    is(pthread_setschedparam(pthread_self(), SCHED_RR, &p), 0, "the creator becomes SCHED_RR");
    s = run(NULL);
    is(s.kernel_policy, SCHED_RR, "its thread is, too");
    is(s.kernel_prio, 2, "with its priority");
    is(s.policy, SCHED_RR, "and says so");
    /* ... while an attribute can ask for SCHED_OTHER. */
    p.sched_priority = 0;
    pthread_attr_setschedpolicy(&a, SCHED_OTHER);
    pthread_attr_setschedparam(&a, &p);
    s = run(&a);
    is(s.kernel_policy, SCHED_OTHER, "SCHED_OTHER from a real-time creator");
    is(pthread_setschedparam(pthread_self(), SCHED_OTHER, &p), 0, "the creator is SCHED_OTHER again");
    s = run(NULL);
    is(s.kernel_policy, SCHED_OTHER, "and its next thread");
    pthread_attr_destroy(&a);
    return done();
}
