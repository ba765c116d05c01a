/*
 * C++ and faults of processes: destructors of the frames do not run, and what the C++ library knew of the
 * exceptions that were on their way there is not another thread's.
 */
#include <mn.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <stdexcept>

#include "tap.h"

namespace {

int destroyed, wrong;
int *volatile nowhere;

struct Guard {
    ~Guard() {
        __sync_add_and_fetch(&destroyed, 1);
    }
};

/* UndefinedBehaviourSanitizer would find it first. */
__attribute__((noinline, no_sanitize("undefined"))) void fault() {
    *nowhere = 1;
}

int in_catch(void *) {
    Guard guard;
    try {
        throw std::runtime_error("one");
    } catch (std::exception &) {
        mn_yield();
        fault();
    }
    return 0;
}

int catches(void *) {
    for (int i = 0; i < 20; i++) {
        try {
            Guard guard;
            mn_yield();
            throw i;
        } catch (int n) {
            mn_yield();
            if (n != i || std::uncaught_exceptions() != 0)
                __sync_add_and_fetch(&wrong, 1);
        }
    }
    if (std::uncaught_exceptions() != 0 || std::current_exception())
        __sync_add_and_fetch(&wrong, 1);
    return 0;
}

int64_t end_of(int (*fn)(void *)) {
    mn_ref ref;
    mn_spawn_attr opt{};
    opt.flags = MN_SPAWN_MONITOR;
    opt.monitor = &ref;
    mn_match match{};
    match.fields = MN_MATCH_REF;
    mn_msg *m;
    if (mn_spawn_opt(nullptr, &opt, fn, nullptr) < 0)
        return -1;
    match.ref = ref;
    if (mn_receive_match(&m, &match) < 0)
        return -1;
    int64_t reason = mn_msg_reason(m);
    mn_msg_free(m);
    return reason;
}

int first(void *) {
    mn_attach();
    for (int i = 0; i < 100; i++) {
        if (end_of(in_catch) != MN_REASON_SEGV || destroyed != 0)
            wrong++;
        mn_pid other;
        mn_spawn(&other, catches, nullptr);
        if (end_of(catches) != MN_REASON_NORMAL)
            wrong++;
        while (mn_alive(other))
            mn_yield();
        if (destroyed != 40)
            wrong++;
        destroyed = 0;
    }
    is(wrong, 0, "processes fault in a catch block, others throw and catch");
    return 0;
}

} // namespace

int main() {
    if (mn_trap_faults(&destroyed) == -ENOTSUP) {
        skip("no libunwind, or a sanitizer that reports faults itself");
        return done();
    }
    is(mn_run(first, nullptr, nullptr), 0, "it ends");
    return done();
}
