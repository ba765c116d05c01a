/* workers: 1 2 8 */
/* timeout: 200 */
/*
 * Memory and LWPs that run out: each call reports it, loses nothing, and works when there is some again.
 *
 * "life" is a program that uses everything once, run again and again with the first, second, ... call at one
 * point failing, until that call does not come.  "often" makes each call thousands of times while allocations
 * fail now and then: nothing may be left of those that failed.
 */
#include <mn.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "mn/fault_life.h"
#include "mn/procfs.h"
#include "tap.h"

static void *as_pointer(long n) {
    return (void *)(intptr_t)n;
}

/* What came back; anything but success and the two errors of want is wrong. */
static atomic_int failures, successes;

/* True: it worked. */
static bool works(const char *what, int r) {
    if (r >= 0) {
        atomic_fetch_add(&successes, 1);
        return true;
    }
    if (r != -ENOMEM && r != -EAGAIN)
        wrong(what, r);
    atomic_fetch_add(&failures, 1);
    return false;
}
static void must(const char *what, int r) {
    if (r < 0)
        wrong(what, r);
}

/* ---- each call, at least once */

enum { MANY = 300 };
static atomic_long begun, ended;

static void *work(void *arg) {
    atomic_fetch_add(&ended, 1);
    return arg;
}

static void go(unsigned flags, enum mn_stack stack) {
    struct mn_attr attr = {.flags = flags, .stack = stack};
    mn_thread t = 77;
    void *result = NULL;
    if (!works("mn_go_attr", mn_go_attr(flags & MN_DETACHED ? NULL : &t, &attr, work, as_pointer(5))))
        return;
    atomic_fetch_add(&begun, 1);
    if (flags & MN_DETACHED)
        return;
    must("mn_join", mn_join(t, &result));
    if (result != as_pointer(5))
        wrong("result", (long)(intptr_t)result);
}

/* many: more than there are descriptors and stacks for. */
static void threads(int many) {
    static const unsigned flags[] = {0,         MN_DETACHED,    MN_BOUND,          MN_BOUND | MN_DETACHED,
                                     MN_PINNED, MN_CHILD_FIRST, MN_CPU | MN_PINNED};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        go(flags[i], MN_STACK_DEFAULT);
    for (int stack = MN_STACK_16K; stack <= MN_STACK_1M; stack++)
        go(0, (enum mn_stack)stack);
    mn_thread all[MANY];
    bool there[MANY];
    for (int i = 0; i < many; i++)
        if ((there[i] = works("mn_go", mn_go(&all[i], work, NULL))))
            atomic_fetch_add(&begun, 1);
    for (int i = 0; i < many; i++)
        if (there[i])
            must("mn_join", mn_join(all[i], NULL));
}

static void add(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void defers(void) {
    atomic_int ran = 0;
    int noted = 0;
    for (int i = 0; i < 5; i++)
        noted += works("mn_defer", mn_defer(add, &ran));
    for (int i = 0; i < noted; i++)
        must("mn_undefer", mn_undefer(true));
    if (atomic_load(&ran) != noted || mn_undefer(true) != -ENOENT)
        wrong("deferred functions", atomic_load(&ran));
}

static void channels(void) {
    static const size_t capacities[] = {0, 1, 100, MN_CHAN_UNBOUNDED};
    struct mn_chan *ch[4] = {NULL};
    struct mn_case cases[4];
    long n = 7, got;
    int there = 0;
    for (int i = 0; i < 4; i++)
        if (works("mn_chan_create", mn_chan_create(&ch[there], sizeof n, capacities[i])))
            there++;
    for (int i = 0; i < there; i++) {
        cases[i] = (struct mn_case){.kind = MN_CASE_RECV, .channel = ch[i], .data = &got};
        if (mn_chan_capacity(ch[i]) == MN_CHAN_UNBOUNDED) {
            long sent = 0, received = 0;
            for (long k = 0; k < 2000; k++)
                if (works("mn_chan_send", mn_chan_send(ch[i], &k)))
                    sent++;
            while (mn_chan_try_recv(ch[i], &got) == 0)
                received++;
            if (sent != received)
                wrong("elements lost", sent - received);
        }
        n = i;
        if (mn_chan_capacity(ch[i]) && works("mn_chan_send", mn_chan_send(ch[i], &n))) {
            int r = mn_select(cases, i + 1, MN_FOREVER);
            if (works("mn_select", r)) {
                if (r != i || got != i)
                    wrong("mn_select", r);
            } else {
                must("mn_chan_try_recv", mn_chan_try_recv(ch[i], &got));
            }
        }
    }
    for (int i = 0; i < there; i++)
        must("mn_chan_destroy", mn_chan_destroy(ch[i]));
    /* More cases than a thread has room for, none of which can happen. */
    struct mn_case many[200] = {{0}};
    int r = mn_select(many, 200, mn_now());
    if (r != -ETIMEDOUT)
        works("mn_select", r);
}

static void *value(void *arg) {
    return arg;
}

static void futures(void) {
    struct mn_future *f;
    void *got = NULL;
    if (works("mn_future_create", mn_future_create(&f))) {
        must("mn_future_set", mn_future_set(f, &got));
        must("mn_future_get", mn_future_get(f, &got));
        mn_future_release(f);
    }
    if (works("mn_async", mn_async(&f, NULL, value, as_pointer(9)))) {
        if (works("mn_future_get", mn_future_get(f, &got)) && got != as_pointer(9))
            wrong("mn_async", (long)(intptr_t)got);
        mn_future_release(f);
    }
}

static int scope_work(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void scopes(void) {
    struct mn_scope *s;
    atomic_int ran = 0;
    int there = 0;
    if (!works("mn_scope_open", mn_scope_open(&s, 0)))
        return;
    for (int i = 0; i < 10; i++)
        there += works("mn_scope_go", mn_scope_go(s, scope_work, &ran));
    there +=
        works("mn_scope_go_attr", mn_scope_go_attr(s, &(struct mn_attr){.flags = MN_BOUND}, scope_work, &ran));
    must("mn_scope_wait", mn_scope_wait(s));
    must("mn_scope_close", mn_scope_close(s));
    if (atomic_load(&ran) != there)
        wrong("threads of a scope", atomic_load(&ran));
}

static void locals(void) {
    mn_key key[40];
    for (int i = 0; i < 40; i++)
        must("mn_key_create", mn_key_create(&key[i], NULL));
    for (int i = 0; i < 40; i++) {
        bool set = works("mn_local_set", mn_local_set(key[i], &key[i]));
        if (mn_local_get(key[i]) != (set ? &key[i] : NULL))
            wrong("mn_local_get", i);
    }
    for (int i = 0; i < 40; i++)
        must("mn_key_delete", mn_key_delete(key[i]));
}

static atomic_int turned; /* how many are about to park */

static void *parked(void *arg) {
    atomic_fetch_add(&turned, 1);
    must("mn_park", mn_park("a dump"));
    return arg;
}

static void dump(void) {
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    works("mn_dump", mn_dump(fd));
    close(fd);
}

/* What allocates nothing, but waits: ends of waits for no reason (futex, eintr), and those who wait in a
 * crowd. */
static struct mn_mutex mutex;
static struct mn_cond cond;
static struct mn_sem sem, arrived;
static struct mn_rwlock rwlock;
static struct mn_event event;
static long turns; /* guarded by the mutex */
enum { CROWD = 6, TURNS = 5 };

static void *one_of_crowd(void *arg) {
    must("mn_sem_wait", mn_sem_wait(&sem));
    for (int i = 0; i < TURNS; i++) {
        must("mn_mutex_lock", mn_mutex_lock(&mutex));
        turns++;
        must("mn_cond_broadcast", mn_cond_broadcast(&cond));
        must("mn_mutex_unlock", mn_mutex_unlock(&mutex));
        must("mn_rwlock", i % 5 ? mn_rwlock_rdlock(&rwlock) : mn_rwlock_wrlock(&rwlock));
        if (i % 4 == 0)
            mn_sleep_until(mn_now() + 20000);
        must("mn_rwlock_unlock", mn_rwlock_unlock(&rwlock));
    }
    must("mn_sem_post", mn_sem_post(&arrived)); /* it may be cancelled from here on */
    int r = mn_event_wait(&event);
    if (r != 0 && r != -ECANCELED)
        wrong("mn_event_wait", r);
    r = mn_park_until("a deadline", mn_now() + 10000);
    if (r != -ETIMEDOUT && r != -ECANCELED)
        wrong("mn_park_until", r);
    r = mn_park("a cancellation");
    if (r != -ECANCELED)
        wrong("mn_park", r);
    return arg;
}

static void waits(void) {
    mn_thread t[CROWD];
    int there = 0;
    turns = 0;
    must("mn_event_reset", mn_event_reset(&event));
    for (int i = 0; i < CROWD; i++) {
        struct mn_attr attr = {.flags = i % 3 == 2 ? MN_BOUND : i % 3 == 1 ? MN_PINNED : 0};
        there += works("mn_go_attr", mn_go_attr(&t[there], &attr, one_of_crowd, &t[there]));
    }
    for (int i = 0; i < there; i++)
        must("mn_sem_post", mn_sem_post(&sem));
    must("mn_mutex_lock", mn_mutex_lock(&mutex));
    while (turns < (long)there * TURNS)
        must("mn_cond_wait", mn_cond_wait(&cond, &mutex));
    must("mn_mutex_unlock", mn_mutex_unlock(&mutex));
    for (int i = 0; i < there; i++)
        must("mn_sem_wait", mn_sem_wait(&arrived));
    must("mn_event_set", mn_event_set(&event));
    for (int i = 0; i < there; i++) {
        void *result = NULL;
        int r = mn_join_until(t[i], &result, mn_now() + 1000);
        if (r != -ETIMEDOUT)
            wrong("mn_join_until", r);
        must("mn_cancel", mn_cancel(t[i]));
        must("mn_join", mn_join(t[i], &result));
        if (result != &t[i])
            wrong("result", i);
    }
}

static void calls(void) {
    if (mn_self())
        defers();
    channels();
    futures();
    scopes();
    locals();
}

static void waits_and_calls(void) {
    waits();
    dump();
    calls();
}

/* The argument: what a thread does. */
static void (*const all_calls)(void) = calls, (*const all)(void) = waits_and_calls, (*const a_dump)(void) = dump;

static void *in_thread(void *what) {
    (*(void (*const *)(void))what)();
    return NULL;
}

static void in_a_thread(unsigned flags, void (*const *what)(void)) {
    mn_thread t;
    if (works("mn_go_attr", mn_go_attr(&t, &(struct mn_attr){.flags = flags}, in_thread, (void *)(uintptr_t)what)))
        must("mn_join", mn_join(t, NULL));
}

/* ---- the lives: what is done in a thread, and then by a foreign LWP */

static int everything(void *arg) {
    threads(MANY);
    all();
    in_a_thread(0, &all_calls); /* the first one is the program's main thread */
    in_a_thread(MN_BOUND, &all);
    return (int)(intptr_t)arg;
}

static void foreign_everything(void) {
    threads(MANY / 3);
    all();
}

/* Dumps alone, with threads that wait: for who reads others' memory hundreds of times. */
static int dumps(void *arg) {
    mn_thread t[3];
    int there = 0;
    atomic_store(&turned, 0);
    for (int i = 0; i < 3; i++)
        there += works("mn_go", mn_go(&t[there], parked, NULL));
    while (atomic_load(&turned) < there)
        mn_yield();
    dump();
    in_a_thread(MN_BOUND, &a_dump);
    for (int i = 0; i < there; i++) {
        must("mn_unpark", mn_unpark(t[i]));
        must("mn_join", mn_join(t[i], NULL));
    }
    return (int)(intptr_t)arg;
}

static const struct life {
    const char *name;
    int (*fn)(void *);
    void (*foreign)(void);
} lives[] = {{"life", everything, foreign_everything}, {"dumps", dumps, dump}};

/* ---- as a whole */

static long once(const struct life *l) {
    atomic_store(&begun, 0);
    atomic_store(&ended, 0);
    int r = mn_run(l->fn, as_pointer(100), NULL);
    if (works("mn_run", r) && r != 100)
        wrong("mn_run returned", r);
    if (works("mn_start", mn_start(NULL))) {
        l->foreign();
        must("mn_stop", mn_stop(MN_FOREVER));
    }
    if (mn_workers() != 0)
        wrong("workers are left", mn_workers());
    if (atomic_load(&begun) != atomic_load(&ended))
        wrong("threads that did not run", atomic_load(&begun) - atomic_load(&ended));
    if (!settles_at(count_lwps, 1))
        wrong("LWPs are left", count_lwps());
    return count_maps();
}

/* Twice: whatever failed in the first, the second has nothing more in the end than a process where nothing
 * failed. */
static int life(const struct life *l, long most) {
    long fds = count_fds() + 4; /* libunwind keeps two pipes, once there was a dump */
    once(l);
    if (count_fds() > fds)
        fds = count_fds();
    long maps = once(l);
    if (count_fds() > fds)
        wrong("descriptors are left", count_fds() - fds);
    if (most && maps > most + 8) /* arenas of malloc, libraries that one CPU did not need */
        wrong("mappings are left", maps - most);
    return most ? 0 : (int)maps;
}

/* Guards are there however they came to be: what lies at the lower end of a slot of 64 KiB cannot be read. */
static void *guarded(void *arg) {
    char here;
    struct iovec mine = {&here, 1}, there = {(void *)(((uintptr_t)&here & ~(uintptr_t)0xffff) + 8192), 1};
    if (process_vm_readv(getpid(), &mine, 1, &there, 1, 0) >= 0)
        return NULL;
    mn_park("the others");
    return errno == EFAULT || errno == EPERM || errno == ENOSYS ? arg : NULL;
}

static int guards_main(void *arg) {
    enum { GUARDED = 200 };
    static mn_thread t[GUARDED];
    const struct mn_attr attr = {.stack = MN_STACK_64K};
    long bad = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < GUARDED; i++)
            must("mn_go_attr", mn_go_attr(&t[i], &attr, guarded, &t[i]));
        for (int i = 0; i < GUARDED; i++)
            mn_unpark(t[i]);
        for (int i = 0; i < GUARDED; i++) {
            void *result = NULL;
            must("mn_join", mn_join(t[i], &result));
            bad += result != &t[i];
        }
    }
    (void)arg;
    return bad != 0;
}

static void all_of(void (*const *parts)(void), int rounds) {
    for (int i = 0; i < rounds; i++)
        for (void (*const *part)(void) = parts; *part; part++)
            (*part)();
}

static void (*const parts[])(void) = {defers, channels, futures, scopes, locals, NULL};

static int often_main(void *arg) {
    (void)arg;
    all_of(parts, 20);
    size_t before = mallinfo2().uordblks;
    all_of(parts, 100);
    size_t after = mallinfo2().uordblks;
    printf("# %d calls failed, %d did not; malloc has given out %zu bytes, then %zu\n", atomic_load(&failures),
           atomic_load(&successes), before, after);
    return !(atomic_load(&failures) > 15 && after < before + 40000);
}

/* The runtime may fail to start under such rules; it is tried until it does. */
static int often(void) {
    for (int i = 0; i < 100; i++) {
        int r = mn_run(often_main, NULL, NULL);
        if (works("mn_run", r))
            return r;
    }
    wrong("mn_run never works", 0);
    return 1;
}

static char said[256]; /* by the last life, in its last line */

/* Runs this program with the rules.  Its exit code, or 1000 + a signal; *hits: how many calls failed on
 * purpose. */
static int under(const char *rules, const char *what, long maps, long *hits) {
    int err[2], status = 0;
    char most[32];
    snprintf(most, sizeof most, "%ld", maps);
    if (pipe2(err, O_CLOEXEC) < 0)
        return 98;
    pid_t pid = fork();
    if (pid == 0) {
        if (rules)
            setenv("ODONATA_FAULT", rules, 1);
        dup2(err[1], 1);
        dup2(err[1], 2);
        alarm(60);
        execl("/proc/self/exe", "fault-test", what, most, (char *)NULL);
        _exit(97);
    }
    close(err[1]);
    FILE *f = fdopen(err[0], "r");
    char line[256];
    *hits = 0;
    said[0] = '\0';
    while (f && fgets(line, sizeof line, f)) {
        bool hit = strstr(line, "fault") != NULL;
        *hits += hit;
        if (hit)
            continue;
        printf("%s%s", *line == '#' ? "" : "# ", line);
        line[strcspn(line, "\n")] = '\0';
        snprintf(said, sizeof said, "%s", line);
    }
    fclose(f);
    fflush(stdout);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void each(const char *point, long maps) {
    long hits = 1, bad = 0;
    int n;
    bool peeks = strstr(point, "peek");
    bool few = peeks || strstr(point, "madvise") || strstr(point, "futex") || strstr(point, "eintr");
    for (n = 1; hits && n < 400; n++) {
        char rules[64];
        snprintf(rules, sizeof rules, "%s:nth=%d,trace", point, n);
        int r = under(rules, peeks ? "dumps" : "life", maps, &hits);
        if (r != 0) {
            ok(0, "%s: status %d; it said: %s", rules, r, said);
            bad++;
        }
        /* The first ones are what starts the runtime; then it goes on in larger steps: sooner where few places make
         * the calls, in loops. */
        if (n >= (few ? 12 : 60))
            n += n / 6;
    }
    ok(bad == 0, "%s: each of the first calls fails once (looked at %d)", point, n);
}

int main(int argc, char **argv) {
    for (unsigned i = 0; i < sizeof lives / sizeof *lives; i++)
        if (argc > 2 && !strcmp(argv[1], lives[i].name))
            return life(&lives[i], atol(argv[2]));
    if (argc > 1 && !strcmp(argv[1], "often"))
        return often();
    if (argc > 1 && !strcmp(argv[1], "guards"))
        return mn_run(guards_main, NULL, NULL);
    long hits;
    int maps = under(NULL, "life", 0, &hits);
    ok(maps > 30 && maps < 250, "without failures there are %d mappings", maps);
    static const char *const points[] = {"mmap",    "malloc",   "clone", "madvise", "madvise:from=1,mprotect",
                                         "timerfd", "affinity", "hwloc", "futex",   "eintr",
                                         "peek", "peek:from=1,peek_pipe", "peek:from=1,peek_copy"};
    for (unsigned i = 0; i < sizeof points / sizeof *points; i++)
        each(points[i], maps);
    static const char *const rules[] = {"malloc:every=61,clone:every=7",
                                        "malloc:every=97,mmap:every=41,clone:every=5",
                                        "malloc:every=83,madvise:every=2,mprotect:every=3"};
    static const char *const wakes[] = {"futex:every=2", "eintr:every=3", "futex:every=2,eintr:every=3"};
    static const char *const guards[] = {"vector_refused:from=1", "vector_refused:nth=2", "vector_part:every=2",
                                         "madvise:from=1", "madvise:nth=3", "map_count:nth=1,madvise:from=1"};
    for (unsigned i = 0; i < sizeof guards / sizeof *guards; i++) {
        char rules_i[64];
        snprintf(rules_i, sizeof rules_i, "%s,trace", guards[i]);
        is(under(rules_i, "guards", 0, &hits), 0, "each stack has its guard: %s", guards[i]);
        ok(hits > 0, "though calls failed");
    }
    for (unsigned i = 0; i < sizeof wakes / sizeof *wakes; i++)
        is(under(wakes[i], "life", maps, &hits), 0, "waits that end for no reason: %s", wakes[i]);
    few_workers();
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
        is(under(rules[i], "often", 0, &hits), 0, "nothing is lost when calls fail often: %s", rules[i]);
    return done();
}
