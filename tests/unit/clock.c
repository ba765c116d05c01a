/* lib/base/clock.h */
#include "unit.h"

#include "clock.h"

static int64_t ns_of(struct timespec t) {
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

Test(clock, now_is_monotonic_time) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t now = clock_now_ns();
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert(now >= (uint64_t)ns_of(before) && now <= (uint64_t)ns_of(after));
}

Test(clock, deadline) {
    static const uint64_t spans[] = {0, 1, 999999999, 1000000000, 1000000001, 3600 * 1000000000ull};
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    for (unsigned c = 0; c < 2; c++)
        for (unsigned i = 0; i < sizeof spans / sizeof spans[0]; i++) {
            struct timespec before, after, got;
            clock_gettime(clocks[c], &before);
            got = clock_deadline(clocks[c], spans[i]);
            clock_gettime(clocks[c], &after);
            cr_assert(clock_valid(&got));
            cr_assert(ns_of(got) >= ns_of(before) + (int64_t)spans[i]);
            cr_assert(ns_of(got) <= ns_of(after) + (int64_t)spans[i]);
        }
}

Test(clock, valid) {
    cr_assert(clock_valid(&(struct timespec){0, 0}));
    cr_assert(clock_valid(&(struct timespec){-5, 999999999}),
              "a negative second is a deadline that has passed");
    cr_assert_not(clock_valid(&(struct timespec){0, -1}));
    cr_assert_not(clock_valid(&(struct timespec){0, 1000000000}));
}

Test(clock, supported) {
    cr_assert(clock_supported(CLOCK_REALTIME) && clock_supported(CLOCK_MONOTONIC));
    cr_assert_not(clock_supported(CLOCK_PROCESS_CPUTIME_ID));
    cr_assert_not(clock_supported(CLOCK_BOOTTIME));
    cr_assert_not(clock_supported(-1));
}
