/*
 * What a new thread has from its creator (signal mask, name, nice, affinity, timer slack) and what it never has
 * (alternate stack, pending signals, CPU time); and that nothing of it comes from a former thread.
 */
#include "life.h"

#include <sys/prctl.h>

struct seen {
    sigset_t mask, pending;
    stack_t alt;
    char name[16];
    int nice, slack, state, type;
    cpu_set_t cpus;
    double cpu;
    long tid;
};

static void look_at(struct seen *s) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    s->cpu = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    sigpending(&s->pending);
    sigaltstack(NULL, &s->alt);
    prctl(PR_GET_NAME, s->name);
    errno = 0;
    s->nice = getpriority(PRIO_PROCESS, 0);
    s->slack = prctl(PR_GET_TIMERSLACK);
    sched_getaffinity(0, sizeof s->cpus, &s->cpus);
    s->tid = gettid_raw();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &s->state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &s->type);
}

static void *look(void *arg) {
    look_at(arg);
    return arg;
}

static struct seen run(void) {
    struct seen s;
    memset(&s, 0xee, sizeof s);
    must_join(must_create(NULL, look, &s));
    return s;
}

static void burn(double secs) {
    struct timespec t;
    double end = 0;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
        if (end == 0)
            end = now + secs;
        if (now >= end)
            return;
    } while (1);
}

/* A thread that changes one thing of itself and ends; the next one must not find it. */
static char alt_memory[64 << 10];
static void nothing(int sig) {
    (void)sig;
}

static void *change_mask(void *arg) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return arg;
}
static void *change_alt(void *arg) {
    stack_t ss = {.ss_sp = alt_memory, .ss_size = sizeof alt_memory};
    sigaltstack(&ss, NULL);
    return arg;
}
static void *change_pending(void *arg) {
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pthread_kill(pthread_self(), SIGUSR1);
    return arg;
}
static void *change_name(void *arg) {
    pthread_setname_np(pthread_self(), "former-np");
    return arg;
}
static void *change_name_prctl(void *arg) {
    prctl(PR_SET_NAME, "former-prctl");
    return arg;
}
static void *change_name_proc(void *arg) {
    int fd = open("/proc/thread-self/comm", O_WRONLY);
    if (fd >= 0) {
        ok(write(fd, "former-proc", 11) == 11, "(wrote comm)");
        close(fd);
    }
    return arg;
}
static void *change_nice(void *arg) {
    setpriority(PRIO_PROCESS, 0, 7);
    return arg;
}
static void *change_nice_syscall(void *arg) {
    syscall(SYS_setpriority, PRIO_PROCESS, 0, 8);
    return arg;
}
static void *change_slack(void *arg) {
    prctl(PR_SET_TIMERSLACK, 123456);
    return arg;
}
static void *change_affinity(void *arg) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    return arg;
}
static void *change_affinity_np(void *arg) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return arg;
}
static void *change_policy(void *arg) {
    struct sched_param p = {0};
    sched_setscheduler(0, SCHED_BATCH, &p);
    return arg;
}
static void *change_cancel(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    return arg;
}
static void *change_cpu(void *arg) {
    burn(0.05);
    return arg;
}

static const struct {
    void *(*fn)(void *);
    const char *what;
} changes[] = {
    {change_mask, "the signal mask"},
    {change_alt, "an alternate stack"},
    {change_pending, "a pending signal"},
    {change_name, "its name by pthread_setname_np"},
    {change_name_prctl, "its name by prctl"},
    {change_name_proc, "its name through /proc"},
    {change_nice, "its nice value"},
    {change_nice_syscall, "its nice value by syscall()"},
    {change_slack, "its timer slack"},
    {change_affinity, "its affinity"},
    {change_affinity_np, "its affinity by pthread_setaffinity_np"},
    {change_policy, "its policy"},
    {change_cancel, "its cancelability"},
    {change_cpu, "50 ms of CPU time"},
};

/* All that must be as in a process that never did anything. */
static int plain(const struct seen *s, const struct seen *mine) {
    char why[200] = "";
    int policy = sched_getscheduler(0);
    if (memcmp(&s->mask, &mine->mask, 8))
        strcat(why, " mask");
    if (sigismember(&s->pending, SIGUSR1) != sigismember(&mine->pending, SIGUSR1))
        strcat(why, " pending");
    if (s->alt.ss_flags != SS_DISABLE)
        strcat(why, " altstack");
    if (strcmp(s->name, mine->name))
        strcat(why, " name");
    if (s->nice != mine->nice)
        strcat(why, " nice");
    if (s->slack != mine->slack)
        strcat(why, " slack");
    if (!CPU_EQUAL(&s->cpus, &mine->cpus))
        strcat(why, " affinity");
    if (s->state != PTHREAD_CANCEL_ENABLE || s->type != PTHREAD_CANCEL_DEFERRED)
        strcat(why, " cancel");
    if (s->cpu > 0.02)
        strcat(why, " cputime");
    if (policy != SCHED_OTHER)
        strcat(why, " policy");
    if (*why)
        fprintf(stderr, "# differs:%s (name %s nice %d slack %d cpu %g)\n", why, s->name, s->nice, s->slack,
                s->cpu);
    return !*why;
}

static void *policy_look(void *arg) {
    *(int *)arg = sched_getscheduler(0);
    return NULL;
}

/* A creator that is special: its threads are as special as itself. */
static void *special_creator(void *arg) {
    struct seen s, mine;
    sigset_t set;
    stack_t ss = {.ss_sp = alt_memory, .ss_size = sizeof alt_memory};
    cpu_set_t one;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    pthread_kill(pthread_self(), SIGUSR1);
    sigaltstack(&ss, NULL);
    prctl(PR_SET_NAME, "special");
    setpriority(PRIO_PROCESS, 0, 3);
    prctl(PR_SET_TIMERSLACK, 77777);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    burn(0.05);
    look_at(&mine);
    for (int i = 0; i < 3; i++) { /* the second and third may be a former thread's LWP */
        s = run();
        ok(memcmp(&s.mask, &set, 8) == 0, "thread %d: the creator's signal mask", i);
        ok(sigismember(&s.pending, SIGUSR1) == 0, "the creator's pending signal is not the new thread's");
        is(s.alt.ss_flags, SS_DISABLE, "the creator's alternate stack is not inherited");
        ok(!strcmp(s.name, "special"), "the name is the creator's (%.15s)", s.name);
        is(s.nice, 3, "the nice value is the creator's");
        is(s.slack, 77777, "the timer slack is the creator's");
        ok(CPU_EQUAL(&s.cpus, &one), "the affinity is the creator's");
        is(s.state, PTHREAD_CANCEL_ENABLE, "cancelability is not inherited");
        is(s.type, PTHREAD_CANCEL_DEFERRED, "nor its type");
        ok(s.cpu < 0.02, "the CPU clock starts near zero (%.6f)", s.cpu);
        ok(s.tid != mine.tid, "another tid");
    }
    return NULL;
}

int main(void) {
    struct seen mine, s;
    signal(SIGUSR1, nothing);
    look_at(&mine);
    s = run();
    ok(plain(&s, &mine), "a first thread is plain");
    must_join(must_create(NULL, special_creator, NULL));
    for (int i = 0; i < 4; i++) {
        s = run();
        ok(plain(&s, &mine), "thread %d after the special ones is plain again", i);
    }
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        must_join(must_create(NULL, changes[i].fn, NULL));
        int good = 1, policy = 0;
        for (int k = 0; k < 3; k++) {
            s = run();
            good &= plain(&s, &mine);
            must_join(must_create(NULL, policy_look, &policy));
            good &= policy == SCHED_OTHER;
        }
        ok(good, "a thread changed %s: later ones do not have it", changes[i].what);
    }
    /* A change by the id of a thread that has ended, whether the kernel still knows it or not. */
    for (int i = 0; i < 3; i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        s = run();
        switch (i) {
        case 0: setpriority(PRIO_PROCESS, (id_t)s.tid, 7); break;
        case 1: sched_setaffinity((pid_t)s.tid, sizeof one, &one); break;
        case 2: syscall(SYS_setpriority, PRIO_PROCESS, s.tid, 8); break;
        }
        int good = 1;
        for (int k = 0; k < 3; k++) {
            s = run();
            good &= plain(&s, &mine);
        }
        ok(good, "a change (%d) by the id of a thread that has ended is not in later ones", i);
    }
    /* The creator's own change shows at once, although a plain LWP may be parked. */
    prctl(PR_SET_NAME, "renamed");
    s = run();
    ok(!strcmp(s.name, "renamed"), "the creator's new name (%.15s)", s.name);
    pthread_setname_np(pthread_self(), "renamed-np");
    s = run();
    ok(!strcmp(s.name, "renamed-np"), "the creator's new name by pthread_setname_np (%.15s)", s.name);
    prctl(PR_SET_TIMERSLACK, 99999);
    s = run();
    is(s.slack, 99999, "the creator's new timer slack");
    setpriority(PRIO_PROCESS, 0, 5);
    s = run();
    is(s.nice, 5, "the creator's new nice value");
    CPU_CLR(sched_getcpu(), &mine.cpus);
    if (CPU_COUNT(&mine.cpus)) {
        sched_setaffinity(0, sizeof mine.cpus, &mine.cpus);
        s = run();
        ok(CPU_EQUAL(&s.cpus, &mine.cpus), "the creator's new affinity");
    }
    return done();
}
