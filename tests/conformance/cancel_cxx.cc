/* not under: clang */ /* it sees no way for some calls to throw, so no destructor runs; on the libc as well */
/* Cancellation and pthread_exit unwind through C++: destructors run, catch (...) must rethrow. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <thread>

extern "C" {
#include "cancel.h"
}

static volatile int destroyed, caught, ready;

struct witness {
    int value;
    explicit witness(int v) : value(v) {}
    ~witness() { destroyed = destroyed * 10 + value; }
};

static void *sleeps(void *) {
    witness outer(1);
    try {
        witness inner(2);
        set(&ready, 1);
        for (;;)
            pause();
    } catch (...) {
        caught = 1;
        throw;
    }
}

/* The compiler must not see that it throws nothing: only calls that may throw are covered by a destructor. */
static void spin() {
    for (;;)
        asm volatile("" ::: "memory");
}
static void (*volatile call_spin)() = spin;

static void *spins(void *) {
    witness outer(3);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    set(&ready, 1);
    call_spin();
    return nullptr;
}

static void *exits(void *arg) {
    witness outer(4);
    try {
        witness inner(5);
        pthread_exit(arg);
    } catch (...) {
        caught = 1;
        throw;
    }
}

static void *reads(void *arg) {
    witness outer(6);
    FILE *f = static_cast<FILE *>(arg);
    set(&ready, 1);
    return fgetc(f) == EOF ? arg : nullptr;
}

static void *swallows(void *) {
    try {
        pthread_testcancel();
        set(&ready, 1);
        for (;;)
            pause();
    } catch (...) { /* no rethrow: the program is wrong, and is stopped */
    }
    return nullptr;
}

static void *cancel(void *(*body)(void *), void *arg) {
    pthread_t t;
    void *result = nullptr;
    ready = destroyed = caught = 0;
    pthread_create(&t, nullptr, body, arg);
    ok(wait_for(&ready, 1), "ready");
    usleep(20000);
    is(pthread_cancel(t), 0, "cancel");
    is(join_soon(t, &result), 0, "join");
    return result;
}

int main() {
    ok(cancel(sleeps, nullptr) == PTHREAD_CANCELED, "cancelled in a point");
    is(destroyed, 21, "destructors ran, the innermost first");
    is(caught, 1, "catch (...) saw it and passed it on");
    ok(cancel(spins, nullptr) == PTHREAD_CANCELED, "cancelled asynchronously");
    is(destroyed, 3, "the destructor ran");
    int p[2];
    if (pipe(p))
        return 1;
    FILE *f = fdopen(p[0], "r");
    ok(cancel(reads, f) == PTHREAD_CANCELED, "cancelled inside stdio");
    is(destroyed, 6, "the destructor ran");
    is(ftrylockfile(f), 0, "stdio's lock was released");

    pthread_t t;
    void *result = nullptr;
    destroyed = caught = 0;
    pthread_create(&t, nullptr, exits, p);
    is(join_soon(t, &result), 0, "join");
    ok(result == p, "pthread_exit: result");
    is(destroyed, 54, "pthread_exit: destructors ran");
    is(caught, 1, "pthread_exit: catch (...) saw it and passed it on");

    /* A catch (...) that ends the unwinding: "FATAL: exception not rethrown" and SIGABRT. */
    ready = 0;
    pid_t child = fork();
    if (child == 0) {
        close(2);
        signal(SIGABRT, SIG_DFL);
        pthread_create(&t, nullptr, swallows, nullptr);
        wait_for(&ready, 1);
        pthread_cancel(t);
        pthread_join(t, nullptr);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "catch (...) without rethrow stops the program");

    /* std::thread's own frames are no obstacle. */
    ready = destroyed = 0;
    pthread_t handle;
    std::thread thread([&] {
        witness w(7);
        handle = pthread_self();
        set(&ready, 1);
        for (;;)
            pause();
    });
    wait_for(&ready, 1);
    is(pthread_cancel(handle), 0, "cancel a std::thread");
    thread.join();
    is(destroyed, 7, "std::thread: the destructor ran");
    return done();
}
