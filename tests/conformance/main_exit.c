/*
 * The initial thread leaves by pthread_exit while others run: the process lives on until its last thread ends,
 * then ends with code 0 through exit(), so that atexit handlers run and stdio is flushed.  And the process's
 * other ends.
 */
#include "life.h"

#include <stdatomic.h>
#include <sys/syscall.h>

#include "asleep.h"

static int out;
static void say(const char *s) {
    if (write(out, s, strlen(s)) < 0)
        _exit(99);
}
static void at_exit1(void) {
    say("atexit1 ");
}
static void at_exit2(void) {
    say("atexit2 ");
}
static void cleanup(void *s) {
    say(s);
}
static void tsd(void *s) {
    say(s);
}

/* Until the initial thread has left: its LWP, the process's first one, is dead then, and stays as a zombie. */
static void await_main_end(void) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    for (;;) {
        FILE *f = fopen(path, "re");
        if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            _exit(98);
        fclose(f);
        if (state == 'Z')
            return;
        usleep(1000);
    }
}

static pthread_t main_thread;
static void *outlive(void *arg) {
    await_main_end();
    say("other ");
    return arg;
}
static atomic_int joiner; /* its kernel id */
static void *join_main(void *arg) {
    void *value;
    atomic_store(&joiner, (int)syscall(SYS_gettid));
    int r = pthread_join(main_thread, &value);
    say(r == 0 && value == (void *)77 ? "main-joined " : "main-not-joined ");
    return arg;
}

static int leave_with_others(void) {
    pthread_key_t key;
    atexit(at_exit1);
    atexit(at_exit2);
    pthread_key_create(&key, tsd);
    pthread_setspecific(key, "main-tsd ");
    must_create(NULL, outlive, NULL);
    pthread_cleanup_push(cleanup, (void *)"main-cleanup ");
    pthread_exit((void *)5);
    pthread_cleanup_pop(0);
    return 1;
}

/* The others are threads that came after some that ended, and may have their LWPs. */
static int leave_with_later_ones(void) {
    atexit(at_exit1);
    for (int i = 0; i < 3; i++)
        must_join(must_create(NULL, do_nothing, NULL));
    must_create(NULL, outlive, NULL);
    pthread_exit(NULL);
}

static int leave_alone(void) {
    atexit(at_exit1);
    pthread_exit((void *)5);
}

static int leave_alone_after_threads(void) {
    atexit(at_exit1);
    for (int i = 0; i < 3; i++)
        must_join(must_create(NULL, do_nothing, NULL));
    pthread_exit(NULL);
}

/* exit() takes its time, longer than an idle LWP stays around. */
static void slow_handler(void) {
    usleep(2600000);
    say("slow ");
}
static int leave_alone_slowly(void) {
    atexit(at_exit1);
    atexit(slow_handler);
    for (int i = 0; i < 3; i++)
        must_join(must_create(NULL, do_nothing, NULL));
    pthread_exit(NULL);
}

static int leave_joined(void) {
    main_thread = pthread_self();
    atexit(at_exit1);
    must_create(NULL, join_main, NULL);
    while (!atomic_load(&joiner))
        usleep(1000);
    wait_asleep(atomic_load(&joiner));
    pthread_exit((void *)77);
}

static void *detached_last(void *arg) {
    pthread_detach(pthread_self());
    await_main_end();
    say("detached-last ");
    pthread_exit(arg);
}
static int leave_to_detached(void) {
    atexit(at_exit1);
    must_create(NULL, detached_last, NULL);
    pthread_exit(NULL);
}

static void *exits(void *arg) {
    await_main_end();
    exit((int)(uintptr_t)arg);
}
static int leave_then_exit(void) {
    atexit(at_exit1);
    must_create(NULL, exits, (void *)42);
    pthread_exit(NULL);
}

/* A chain: each thread creates the next and ends. */
enum { CHAIN = 20 };
static void *chain(void *arg) {
    long n = (long)(uintptr_t)arg;
    if (n == CHAIN)
        await_main_end();
    if (n > 0)
        must_create(NULL, chain, (void *)(uintptr_t)(n - 1));
    else
        say("end-of-chain ");
    return NULL;
}
static int leave_to_chain(void) {
    atexit(at_exit1);
    must_create(NULL, chain, (void *)CHAIN);
    pthread_exit(NULL);
}

static int flushed(void) {
    FILE *f = fdopen(out, "w");
    fprintf(f, "buffered ");
    must_create(NULL, outlive, NULL);
    pthread_exit(NULL);
}

/* Leaving while the process has a thread that was cancelled, and dies of it last. */
static void *cancel_me(void *arg) {
    (void)arg;
    pthread_cleanup_push(cleanup, (void *)"cancelled ");
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}
static pthread_t victim;
static void *canceller(void *arg) {
    await_main_end();
    pthread_cancel(victim);
    return arg;
}
static int leave_to_cancelled(void) {
    atexit(at_exit1);
    victim = must_create(NULL, cancel_me, NULL);
    must_create(NULL, canceller, NULL);
    pthread_exit(NULL);
}

/* From a non-main thread of a forked child: it is the child's initial thread. */
static int fork_result;
static void *fork_in_thread(void *arg) {
    pid_t pid = fork();
    if (pid == 0) {
        atexit(at_exit1);
        must_create(NULL, outlive, NULL);
        pthread_exit(arg);
    }
    fork_result = reaped(pid);
    return NULL;
}
static int leave_in_forked(void) {
    must_join(must_create(NULL, fork_in_thread, NULL));
    return fork_result;
}

/* main returns while a thread runs: exit, not pthread_exit. */
static void *too_late(void *arg) {
    pause(); /* exit() does not wait for it: the alarm below would end the process */
    say("too-late ");
    return arg;
}
static int return_early(void) {
    atexit(at_exit1);
    must_create(NULL, too_late, NULL);
    exit(9);
}

static void run(int (*fn)(void), int status, const char *text, const char *what) {
    int fds[2];
    char got[1000];
    size_t n = 0;
    if (pipe(fds))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        out = fds[1];
        alarm(50); /* a hang is another status */
        exit(fn());
    }
    close(fds[1]);
    for (ssize_t k; (k = read(fds[0], got + n, sizeof got - 1 - n)) > 0;)
        n += (size_t)k;
    got[n] = 0;
    close(fds[0]);
    is(reaped(pid), status, "%s: the process's status", what);
    int good = !strcmp(got, text);
    ok(good, "%s: what ran, in order", what);
    if (!good)
        printf("#   got  %s\n#   want %s\n", got, text), fflush(stdout);
}

int main(void) {
    run(leave_with_others, 0, "main-cleanup main-tsd other atexit2 atexit1 ",
        "pthread_exit in main, a thread runs");
    run(leave_with_later_ones, 0, "other atexit1 ", "pthread_exit in main, a thread runs, others were");
    run(leave_alone, 0, "atexit1 ", "pthread_exit in main, alone, no thread ever");
    run(leave_alone_after_threads, 0, "atexit1 ", "pthread_exit in main, alone, threads were");
    run(leave_alone_slowly, 0, "slow atexit1 ", "pthread_exit in main, alone, a handler takes its time");
    run(leave_joined, 0, "main-joined atexit1 ", "a thread joins main");
    run(leave_to_detached, 0, "detached-last atexit1 ", "a detached thread is the last");
    run(leave_then_exit, 42, "atexit1 ", "main left, a thread calls exit(42)");
    run(leave_to_chain, 0, "end-of-chain atexit1 ", "main left, a chain of threads");
    run(flushed, 0, "other buffered ", "main left: stdio is flushed at the end");
    run(leave_to_cancelled, 0, "cancelled atexit1 ", "main left, a cancelled thread is the last");
    run(leave_in_forked, 0, "other atexit1 ", "pthread_exit of the only thread of a forked child");
    run(return_early, 9, "atexit1 ", "exit while a thread runs");
    return done();
}
