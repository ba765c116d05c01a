/* Every attribute of pthread_create does what it says, and is in force before the start routine runs. */
#include "life.h"

struct seen {
    size_t stack, guard;
    void *addr;
    int detach;
    uintptr_t local; /* an address in the thread's stack */
    cpu_set_t cpus;
    int cpu;
    sigset_t mask;
    long tid;
};

static void *look(void *arg) {
    struct seen *s = arg;
    char here;
    pthread_attr_t a;
    s->cpu = sched_getcpu();
    sched_getaffinity(0, sizeof s->cpus, &s->cpus);
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    s->tid = gettid_raw();
    if (pthread_getattr_np(pthread_self(), &a) == 0) {
        pthread_attr_getstack(&a, &s->addr, &s->stack);
        pthread_attr_getguardsize(&a, &s->guard);
        pthread_attr_getdetachstate(&a, &s->detach);
        pthread_attr_destroy(&a);
    }
    s->local = (uintptr_t)&here;
    return s;
}

/* Uses n bytes of stack for real. */
static void *use_stack(void *arg) {
    size_t n = (size_t)(uintptr_t)arg;
    volatile char *p = __builtin_alloca(n);
    for (size_t i = 0; i < n; i += 512)
        p[n - 1 - i] = 1;
    return (void *)(uintptr_t)p[n - 1];
}

static void stack_sizes(void) {
    static const size_t sizes[] = {16384, 20000, 65536, 1 << 20, 32 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pthread_attr_t a;
        struct seen s = {0};
        pthread_attr_init(&a);
        is(pthread_attr_setstacksize(&a, sizes[i]), 0, "attr_setstacksize %zu", sizes[i]);
        pthread_t t = must_create(&a, look, &s);
        ok(must_join(t) == &s, "a thread of stack size %zu runs", sizes[i]);
        /* The libc rounds down to pages here (19 KiB asked, 16 KiB + TLS given); never more than a page
         * less. */
        ok(s.stack + 4096 > sizes[i], "stack size seen inside, %zu, is what was asked, %zu", s.stack, sizes[i]);
        ok(s.local >= (uintptr_t)s.addr && s.local < (uintptr_t)s.addr + s.stack, "a local lies in that stack");
        if (sizes[i] >= 65536) {
            size_t most = sizes[i] - 16384;
            t = must_create(&a, use_stack, (void *)(uintptr_t)most);
            ok((uintptr_t)must_join(t) == 1, "%zu bytes of it can be used", most);
        }
        pthread_attr_destroy(&a);
    }
}

static void default_stack(void) {
    struct seen s = {0};
    pthread_attr_t a;
    size_t size = 0;
    pthread_getattr_default_np(&a);
    pthread_attr_getstacksize(&a, &size);
    must_join(must_create(NULL, look, &s));
    ok(s.stack + 4096 > size, "without attributes, the default size of %zu", size);
    ok(s.guard >= 4096, "without attributes, a guard of a page");
    is(s.detach, PTHREAD_CREATE_JOINABLE, "without attributes, joinable");
    pthread_attr_setstacksize(&a, 200 << 10);
    is(pthread_setattr_default_np(&a), 0, "setattr_default_np");
    must_join(must_create(NULL, look, &s));
    ok(s.stack + 4096 > 200 << 10 && s.stack <= 800 << 10, "the new default size is used (%zu)", s.stack);
    pthread_attr_setstacksize(&a, size);
    pthread_setattr_default_np(&a);
    pthread_attr_destroy(&a);
}

static void user_stack(void) {
    enum { SIZE = 128 << 10 };
    char *mem = mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t a;
    memset(mem, 0x5a, 3 * SIZE);
    pthread_attr_init(&a);
    is(pthread_attr_setstack(&a, mem + SIZE, SIZE), 0, "attr_setstack");
    for (int round = 0; round < 3; round++) {
        struct seen s = {0};
        must_join(must_create(&a, look, &s));
        ok(s.local - (uintptr_t)mem - SIZE < SIZE, "round %d: the thread runs on the caller's stack", round);
        if (round == 0) {
            ok((char *)s.addr >= mem + SIZE && (char *)s.addr + s.stack <= mem + 2 * SIZE,
               "getattr_np names the caller's stack");
        }
    }
    int outside = 0;
    for (size_t i = 0; i < SIZE; i++)
        outside += mem[i] != 0x5a || mem[2 * SIZE + i] != 0x5a;
    is(outside, 0, "nothing outside the caller's stack was written");
    ok(munmap(mem, 3 * SIZE) == 0, "the caller unmaps it after join");
    /* And another thread comes to no harm for it. */
    ok(must_join(must_create(NULL, do_nothing, mem)) == mem, "a thread after it");

    /* The size may be odd and the address need not be of a page. */
    char *block = malloc(SIZE);
    pthread_attr_setstack(&a, (void *)(((uintptr_t)block + 63) & ~(uintptr_t)63), SIZE - 4096 - 64);
    struct seen s = {0};
    must_join(must_create(&a, look, &s));
    ok(s.local - (uintptr_t)block < SIZE, "a stack from malloc");
    free(block);
    pthread_attr_destroy(&a);
}

static struct event detached_done = EVENT_INIT;
static void *detached(void *arg) {
    look(arg);
    event_set(&detached_done);
    return NULL;
}

static void detach_state(void) {
    static struct seen s;
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    s.detach = -1;
    must_create(&a, detached, &s);
    event_wait(&detached_done);
    is(s.detach, PTHREAD_CREATE_DETACHED, "a thread created detached says so");
    pthread_attr_destroy(&a);
}

static void affinity(void) {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        pthread_attr_t a;
        struct seen s = {0};
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_attr_init(&a);
        is(pthread_attr_setaffinity_np(&a, sizeof one, &one), 0, "attr_setaffinity_np to CPU %d", cpu);
        must_join(must_create(&a, look, &s));
        is(s.cpu, cpu, "the start routine runs on CPU %d from the outset", cpu);
        ok(CPU_EQUAL(&s.cpus, &one), "and its mask is that CPU");
        pthread_attr_destroy(&a);
        must_join(must_create(NULL, look, &s));
        ok(CPU_EQUAL(&s.cpus, &all), "the next thread has the creator's mask again");
    }
    /* A mask without an allowed CPU is refused by the kernel, and the start routine never runs. */
    pthread_attr_t a;
    pthread_t t;
    static struct seen s;
    CPU_ZERO(&one);
    CPU_SET(CPU_SETSIZE - 1, &one);
    pthread_attr_init(&a);
    pthread_attr_setaffinity_np(&a, sizeof one, &one);
    int maps = count_maps(), tasks = count_tasks();
    is(pthread_create(&t, &a, look, &s), EINVAL, "an affinity that cannot be: EINVAL");
    is(s.tid, 0, "and the start routine has not run");
    (void)maps;
    if (!parked_allowed())
        ok(settle_tasks(tasks) <= tasks, "and no task is left");
    pthread_attr_destroy(&a);
}

static void initial_mask(void) {
    sigset_t want, mine;
    pthread_attr_t a;
    struct seen s = {0};
    sigemptyset(&want);
    sigaddset(&want, SIGUSR1);
    sigaddset(&want, SIGRTMIN + 3);
    pthread_attr_init(&a);
    is(pthread_attr_setsigmask_np(&a, &want), 0, "attr_setsigmask_np");
    must_join(must_create(&a, look, &s));
    ok(sigismember(&s.mask, SIGUSR1) == 1 && sigismember(&s.mask, SIGRTMIN + 3) == 1, "the attribute's mask");
    ok(sigismember(&s.mask, SIGUSR2) == 0 && sigismember(&s.mask, SIGTERM) == 0, "and nothing else");
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    ok(sigismember(&mine, SIGUSR1) == 0, "the creator's own mask is as before");

    /* Clearing it: the creator's mask again. */
    is(pthread_attr_setsigmask_np(&a, NULL), 0, "attr_setsigmask_np(NULL)");
    is(pthread_attr_getsigmask_np(&a, &mine), PTHREAD_ATTR_NO_SIGMASK_NP, "no mask set");
    sigemptyset(&want);
    sigaddset(&want, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &want, NULL);
    must_join(must_create(&a, look, &s));
    ok(sigismember(&s.mask, SIGUSR2) == 1 && sigismember(&s.mask, SIGUSR1) == 0,
       "the creator's mask inherited");
    pthread_sigmask(SIG_UNBLOCK, &want, NULL);
    pthread_attr_destroy(&a);
}

/* Attributes are read by create, not kept: the object may be destroyed, or serve again. */
static void reuse_of_attr(void) {
    pthread_attr_t a;
    pthread_t t[8];
    struct seen s[8];
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 256 << 10);
    for (int i = 0; i < 8; i++)
        t[i] = must_create(&a, look, &s[i]);
    pthread_attr_destroy(&a);
    memset(&a, 0xff, sizeof a);
    int distinct = 1;
    for (int i = 0; i < 8; i++)
        must_join(t[i]);
    for (int i = 0; i < 8; i++)
        distinct &= s[i].stack + 4096 > 256 << 10 && s[i].stack <= 1 << 20; /* a used one may be up to four times it */
    ok(distinct, "one attribute object serves eight threads (the last has %zu)", s[7].stack);
}

int main(void) {
    errno = 77;
    stack_sizes();
    default_stack();
    user_stack();
    detach_state();
    affinity();
    initial_mask();
    reuse_of_attr();
    return done();
}
