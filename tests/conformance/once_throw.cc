/* A C++ exception through std::call_once, pthread_once and call_once: as if the call had not been made. */
#include <pthread.h>
#include <threads.h>

#include <mutex>
#include <stdexcept>
#include <thread>

#include "tap.h"

struct Destroyed {
    int &count;
    ~Destroyed() { count++; }
};

static int runs, destroyed;

static void twice_in_vain() {
    Destroyed d{destroyed};
    if (++runs < 3)
        throw std::runtime_error("not yet");
}

template <class Call> static void retry(const char *what, Call call) {
    runs = destroyed = 0;
    int caught = 0;
    for (int i = 0; i < 5; i++) {
        try {
            call();
        } catch (const std::runtime_error &) {
            caught++;
        }
    }
    is(caught, 2, "%s: the exception reaches the caller", what);
    is(runs, 3, "%s: run until it succeeds", what);
    is(destroyed, 3, "%s: destructors inside ran", what);
}

int main() {
    std::once_flag flag;
    pthread_once_t control = PTHREAD_ONCE_INIT;
    once_flag c11 = ONCE_FLAG_INIT;
    retry("std::call_once", [&] { std::call_once(flag, twice_in_vain); });
    retry("pthread_once", [&] { pthread_once(&control, twice_in_vain); });
    retry("call_once", [&] { call_once(&c11, twice_in_vain); });

    /* Several threads, each of which fails but one. */
    std::once_flag shared;
    std::mutex mutex;
    int tries = 0, caught = 0;
    std::thread threads[6];
    for (auto &t : threads)
        t = std::thread([&] {
            try {
                std::call_once(shared, [&] {
                    std::this_thread::yield();
                    if (++tries < 4)
                        throw 1;
                });
            } catch (int) {
                std::lock_guard<std::mutex> hold(mutex);
                caught++;
            }
        });
    for (auto &t : threads)
        t.join();
    is(tries, 4, "threads: run until it succeeds");
    is(caught, 3, "threads: each failure has its catcher");
    return done();
}
