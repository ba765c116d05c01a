/*
 * C++ exceptions in green threads: what the C++ library knows of a thread's exceptions stays with the thread when it
 * blocks inside handlers, nested ones, and destructors that run while its stack is unwound.  Built three ways: the C++
 * library asks libmn (exceptions), comes first in the order of look-up (exceptions_first), is linked statically
 * (exceptions_static).
 */
#include <mn.h>

#include <cxxabi.h>
#include <dlfcn.h>
#include <exception>
#include <stdexcept>
#include <string>

#include "tap.h"

namespace {

enum { THREADS = 40, ROUNDS = 50 };

int wrong, destroyed;

void check(bool right) {
    if (!right)
        __sync_add_and_fetch(&wrong, 1);
}

void pause(unsigned seed) {
    for (unsigned i = 0; i < 1 + seed % 3; i++)
        mn_yield();
}

/* Blocks while the stack is unwound: one exception is on its way. */
struct Guard {
    unsigned seed;
    int expected;
    ~Guard() {
        check(std::uncaught_exceptions() == expected);
        pause(seed);
        check(std::uncaught_exceptions() == expected);
        /* One of its own, inside. */
        try {
            throw static_cast<int>(seed);
        } catch (int i) {
            pause(seed + 1);
            check(i == static_cast<int>(seed) && std::uncaught_exceptions() == expected);
        }
        __sync_add_and_fetch(&destroyed, 1);
    }
};

std::string current() {
    try {
        throw;
    } catch (const std::exception &e) {
        return e.what();
    } catch (int i) {
        return std::to_string(i);
    }
}

void nested(unsigned seed, const std::string &name) {
    try {
        Guard g{seed, 1};
        throw std::runtime_error(name);
    } catch (const std::exception &outer) {
        pause(seed);
        check(outer.what() == name && std::uncaught_exceptions() == 0);
        check(current() == name);
        try {
            pause(seed + 1);
            throw static_cast<int>(seed);
        } catch (int inner) {
            pause(seed + 2);
            check(inner == static_cast<int>(seed) && current() == std::to_string(seed));
        }
        pause(seed);
        check(current() == name);
        try {
            throw; /* on, from inside the handler */
        } catch (const std::exception &again) {
            pause(seed + 1);
            check(again.what() == name);
        }
        std::exception_ptr kept = std::current_exception();
        pause(seed);
        try {
            std::rethrow_exception(kept);
        } catch (const std::exception &again) {
            pause(seed);
            check(again.what() == name);
        }
        check(current() == name);
    }
    check(!std::current_exception() && std::uncaught_exceptions() == 0);
}

void *thread(void *arg) {
    auto id = static_cast<unsigned>(reinterpret_cast<uintptr_t>(arg));
    for (unsigned i = 0; i < ROUNDS; i++)
        nested(id * 7 + i, "thread " + std::to_string(id) + "." + std::to_string(i));
    return arg;
}

/* mn_exit: destructors run, innermost first, also out of a handler; then what was deferred. */
std::string order;
struct Named {
    const char *name;
    ~Named() {
        mn_yield();
        order += name;
    }
};
void deferred(void *) {
    order += "d";
}
__attribute__((noinline)) void leave() {
    Named c{"c"};
    try {
        throw 1;
    } catch (int) {
        Named inner{"h"};
        mn_exit(const_cast<char *>("result"));
    }
}
/* The exception of forced unwinding is no object: gcc binds the reference to NULL, and its own tool complains. */
__attribute__((no_sanitize("undefined"))) void *leaver(void *) {
    Named a{"a"};
    mn_defer(deferred, nullptr);
    try {
        Named b{"b"};
        leave();
    } catch (abi::__forced_unwind &) {
        order += "f";
        throw;
    }
    order += "never";
    return nullptr;
}

int run(void *) {
    mn_thread t[THREADS];
    int failed = 0, joined = 0;
    for (uintptr_t i = 0; i < THREADS; i++)
        failed += mn_go(&t[i], thread, reinterpret_cast<void *>(i)) != 0;
    nested(1000, "main");
    for (uintptr_t i = 0; i < THREADS; i++) {
        void *result = nullptr;
        joined += mn_join(t[i], &result) == 0 && result == reinterpret_cast<void *>(i);
    }
    is(failed, 0, "threads start");
    is(joined, THREADS, "and end");
    is(wrong, 0, "each saw its own exceptions, and their number");
    is(destroyed, THREADS * ROUNDS + 2, "destructors ran while stacks were unwound");
    mn_thread l;
    void *result = nullptr;
    mn_go(&l, leaver, nullptr);
    mn_join(l, &result);
    ok(result && !strcmp(static_cast<char *>(result), "result"), "mn_exit gives its result");
    ok(order == "hcbfad", "and unwinds: %s", order.c_str());
    order.clear();
    struct mn_attr bound = {};
    bound.flags = MN_BOUND;
    mn_go_attr(&l, &bound, leaver, nullptr);
    mn_join(l, nullptr);
    ok(order == "hcbfad", "in a thread with its own LWP, too: %s", order.c_str());
    return 0;
}

} // namespace

int main() {
    /* Which of the two it is: the test is to test what it says. */
    void *ours = dlsym(dlopen("libmn.so.0", RTLD_LAZY | RTLD_NOLOAD), "__cxa_get_globals");
#ifdef STDCXX_FIRST
    ok(ours && dlsym(RTLD_DEFAULT, "__cxa_get_globals") != ours, "the C++ library does not ask libmn");
#else
    ok(ours && dlsym(RTLD_DEFAULT, "__cxa_get_globals") == ours, "the C++ library asks libmn");
#endif
    nested(1, "before");
    is(mn_run(run, nullptr, nullptr), 0, "the runtime runs");
    nested(1, "after");
    is(wrong, 0, "outside the runtime");
    return done();
}
