/* alone */
/*
 * Creation that fails for want of memory or LWPs: EAGAIN, nothing leaked, and it works again when there is
 * room.
 */
#include "life.h"

#include <sys/prctl.h>

static int ran;
static void *count_run(void *arg) {
    __sync_add_and_fetch(&ran, 1);
    return arg;
}

/* Creates until it fails, at most `most`; the threads sleep on `gate` until told. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *at_gate(void *arg) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return arg;
}

enum { MOST = 600 };
static pthread_t threads[MOST];

static int fill(const pthread_attr_t *a, int *error) {
    int n = 0;
    *error = 0;
    pthread_mutex_lock(&gate);
    while (n < MOST && (*error = pthread_create(&threads[n], a, at_gate, NULL)) == 0)
        n++;
    return n;
}

static void empty(int n) {
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++)
        check(pthread_join(threads[i], NULL) == 0);
}

/* The limit counts all processes of a user: one of our own, should this test run twice at a time. */
static int become_nobody(void) {
    unsigned id = 200000 + (unsigned)getpid() % 100000;
    return setgid(id) || setuid(id);
}

static int no_processes(void) {
    pthread_t t;
    int error;
    if (become_nobody()) {
        fprintf(stderr, "# cannot become another user\n");
        return 77;
    }
    prctl(PR_SET_DUMPABLE, 1); /* so that /proc/self is ours again */
    /* Once before, so that what is kept for good is there. */
    check(pthread_create(&t, NULL, count_run, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    struct rlimit limit = {20, 20}; /* this user has no other process */
    check(setrlimit(RLIMIT_NPROC, &limit) == 0);
    int n = fill(NULL, &error);
    check(error == EAGAIN);
    check(n >= 15 && n < 20);
    int fds = count_fds(), maps = count_maps(), tasks = count_tasks();
    for (int i = 0; i < 200; i++) {
        pthread_t untouched = (pthread_t)0x5a5a5a5a;
        ran = 0;
        check(pthread_create(&untouched, NULL, count_run, NULL) == EAGAIN);
        check(ran == 0);
    }
    check(count_fds() == fds);
    int more = count_maps() - maps;
    if (more > 4) /* a stack kept in a cache is no leak; two hundred are */
        fprintf(stderr, "# %d maps before 200 failures, %d after\n", maps, maps + more);
    check(more <= 4);
    check(count_tasks() == tasks);
    empty(n);
    settle_tasks(1 + (parked_allowed() ? n : 0));
    int again = fill(NULL, &error);
    check(error == EAGAIN);
    check(again >= n - 1 && again <= n + 1);
    if (again != n)
        fprintf(stderr, "# %d threads at first, %d after they ended\n", n, again);
    empty(again);
    return check_failed;
}

/* The same with an attribute: the failure path with a user's stack and with explicit attributes. */
static int no_processes_attr(void) {
    pthread_attr_t a;
    pthread_t t;
    int error;
    if (become_nobody())
        return 77;
    struct rlimit limit = {5, 5};
    check(setrlimit(RLIMIT_NPROC, &limit) == 0);
    int n = fill(NULL, &error);
    check(error == EAGAIN);
    static char stack[128 << 10] __attribute__((aligned(4096)));
    sigset_t mask;
    sigfillset(&mask);
    pthread_attr_init(&a);
    pthread_attr_setstack(&a, stack, sizeof stack);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_attr_setsigmask_np(&a, &mask);
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int i = 0; i < 50; i++)
        check(pthread_create(&t, &a, count_run, NULL) == EAGAIN);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    check(memcmp(&before, &after, 8) == 0);
    check(ran == 0);
    empty(n);
    check(settle_tasks(1) >= 1);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_JOINABLE);
    check(pthread_create(&t, &a, count_run, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    check(ran == 1);
    return check_failed;
}

/* What is kept of ended threads for later ones does not take the place of a thread that needs another kind. */
static int kept_ones_make_room(void) {
    pthread_attr_t small;
    pthread_t t;
    int error;
    if (become_nobody())
        return 77;
    struct rlimit limit = {12, 12};
    check(setrlimit(RLIMIT_NPROC, &limit) == 0);
    int n = fill(NULL, &error);
    check(error == EAGAIN);
    empty(n);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 << 10);
    int m = fill(&small, &error);
    check(error == EAGAIN);
    check(m >= n - 1);
    if (m < n - 1)
        fprintf(stderr, "# %d threads of one stack size, then %d of another\n", n, m);
    empty(m);
    check(pthread_create(&t, NULL, count_run, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    return check_failed;
}

static int no_memory(void) {
    pthread_attr_t a;
    pthread_t t;
    int error;
    void *value;
    check(pthread_create(&t, NULL, count_run, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    char *room = malloc(1 << 20); /* so that stdio and opendir still work */
    long long now = proc_field("/proc/self/status", "VmSize", 10) << 10;
    struct rlimit limit = {(rlim_t)now + (96 << 20), RLIM_INFINITY};
    check(setrlimit(RLIMIT_AS, &limit) == 0);
    free(room);
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 8 << 20);
    int n = fill(&a, &error);
    check(error == EAGAIN);
    check(n >= 6 && n <= 12);
    int fds = count_fds(), maps = count_maps();
    long long size = proc_field("/proc/self/status", "VmSize", 10);
    for (int i = 0; i < 200; i++) {
        ran = 0;
        check(pthread_create(&t, &a, count_run, NULL) == EAGAIN);
        check(ran == 0);
    }
    check(count_fds() == fds);
    check(count_maps() <= maps + 2);
    check(proc_field("/proc/self/status", "VmSize", 10) <= size + 1024);
    check(count_tasks() == n + 1);
    empty(n);
    int again = fill(&a, &error);
    check(error == EAGAIN);
    check(again >= n - 1);
    if (again < n)
        fprintf(stderr, "# %d threads at first, %d after they ended\n", n, again);
    empty(again);
    /* A stack that could never be had. */
    pthread_attr_setstacksize(&a, (size_t)1 << 46);
    check(pthread_create(&t, &a, count_run, NULL) == EAGAIN);
    pthread_attr_setstacksize(&a, 64 << 10);
    check(pthread_create(&t, &a, do_nothing, &ran) == 0);
    check(pthread_join(t, &value) == 0 && value == &ran);
    return check_failed;
}

int main(void) {
    if (sanitized()) {
        skip("limits of memory and LWPs do not go with the tool's own");
        return done();
    }
    errno = 0;
    if (geteuid() == 0) {
        is(in_child(no_processes), 0, "RLIMIT_NPROC used up: EAGAIN, nothing leaked, works again afterwards");
        is(in_child(no_processes_attr), 0, "the same with a user's stack, a mask, detached");
    } else {
        skip("RLIMIT_NPROC needs a user of its own, and root to become it");
    }
    if (geteuid() == 0)
        is(in_child(kept_ones_make_room), 0, "ended threads make room for others of another stack size");
    is(in_child(no_memory), 0, "RLIMIT_AS used up: EAGAIN, nothing leaked, works again afterwards");
    return done();
}
