/* lib/libmn/runtime/config.c: struct and environment, and what is said of nonsense. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "runtime/cpuset.h"
#include "runtime/topo.h"

static struct mn_config out;
static char complaint[128];

static const char *const variables[] = {"MN_WORKERS", "MN_CPUS", "MN_STACK",       "MN_SLICE_US",
                                        "MN_SPIN_US", "MN_PIN",  "MN_MAX_THREADS", "MN_VERBOSE"};
static void clear(void) {
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

static int read_env(const char *name, const char *value) {
    clear();
    setenv(name, value, 1);
    memset(complaint, 'x', sizeof complaint);
    return mni_config_read(&out, NULL, complaint);
}

Test(config, nothing_set) {
    clear();
    static const struct mn_config zero;
    cr_assert_eq(mni_config_read(&out, NULL, complaint), 0);
    cr_assert_eq(memcmp(&out, &zero, sizeof out), 0);
    cr_assert_eq(mni_config_read(&out, &zero, complaint), 0);
    cr_assert_eq(memcmp(&out, &zero, sizeof out), 0);
    cr_assert_eq(complaint[0], '\0');
}

Test(config, from_the_environment) {
    clear();
    setenv("MN_WORKERS", "3", 1);
    setenv("MN_CPUS", "0-2,5", 1);
    setenv("MN_STACK", "256k", 1);
    setenv("MN_SLICE_US", "500", 1);
    setenv("MN_SPIN_US", "-1", 1);
    setenv("MN_PIN", "no", 1);
    setenv("MN_MAX_THREADS", "1000000", 1);
    setenv("MN_VERBOSE", "1", 1);
    cr_assert_eq(mni_config_read(&out, NULL, complaint), 0);
    cr_assert_eq(out.workers, 3);
    cr_assert_str_eq(out.cpus, "0-2,5");
    cr_assert_eq(out.stack, MN_STACK_256K);
    cr_assert_eq(out.slice_us, 500);
    cr_assert_eq(out.spin_us, -1);
    cr_assert_eq(out.pin, -1);
    cr_assert_eq(out.max_threads, 1000000);
    cr_assert_eq(out.verbose, 1);
    /* The struct comes first, where it says anything. */
    struct mn_config mine = {
        .workers = 1, .cpus = "1", .stack = MN_STACK_16K, .spin_us = 5, .pin = 1, .verbose = 2};
    cr_assert_eq(mni_config_read(&out, &mine, complaint), 0);
    cr_assert_eq(out.workers, 1);
    cr_assert_str_eq(out.cpus, "1");
    cr_assert_eq(out.stack, MN_STACK_16K);
    cr_assert_eq(out.slice_us, 500);
    cr_assert_eq(out.spin_us, 5);
    cr_assert_eq(out.pin, 1);
    cr_assert_eq(out.verbose, 2);
}

Test(config, words) {
    static const struct {
        const char *word;
        enum mn_stack stack;
    } stacks[] = {{"16K", MN_STACK_16K},
                  {"64K", MN_STACK_64K},
                  {"256K", MN_STACK_256K},
                  {"1M", MN_STACK_1M},
                  {"1m", MN_STACK_1M}};
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
        cr_assert_eq(read_env("MN_STACK", stacks[i].word), 0);
        cr_assert_eq(out.stack, stacks[i].stack);
    }
    cr_assert_eq(read_env("MN_PIN", "auto"), 0);
    cr_assert_eq(out.pin, 0);
    cr_assert_eq(read_env("MN_PIN", "yes"), 0);
    cr_assert_eq(out.pin, 1);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        cr_assert_eq(read_env(variables[i], ""), 0, "%s is empty: as if it were not set", variables[i]);
}

/* Each is refused, by the name of the variable; out is left alone. */
Test(config, nonsense_in_the_environment) {
    static const char *const bad[][2] = {
        {"MN_WORKERS", "two"},
        {"MN_WORKERS", "-1"},
        {"MN_WORKERS", "2 "},
        {"MN_WORKERS", "1025"},
        {"MN_WORKERS", "0x2"},
        {"MN_WORKERS", "99999999999999999999999999999"},
        {"MN_WORKERS", "18446744073709551617"},
        {"MN_WORKERS", "-"},
        {"MN_CPUS", "a"},
        {"MN_CPUS", "1-"},
        {"MN_CPUS", "3-1"},
        {"MN_CPUS", "1,,2"},
        {"MN_CPUS", "1,"},
        {"MN_CPUS", "8192"},
        {"MN_CPUS", "0-99999999999"},
        {"MN_CPUS", " 1"},
        {"MN_CPUS", "-1"},
        {"MN_STACK", "64"},
        {"MN_STACK", "32K"},
        {"MN_STACK", "64KB"},
        {"MN_SLICE_US", "-1"},
        {"MN_SLICE_US", "60000001"},
        {"MN_SPIN_US", "-2"},
        {"MN_SPIN_US", "1000001"},
        {"MN_SPIN_US", "1.5"},
        {"MN_PIN", "1"},
        {"MN_PIN", "maybe"},
        {"MN_MAX_THREADS", "-5"},
        {"MN_MAX_THREADS", "1073741825"},
        {"MN_VERBOSE", "yes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        out.workers = 77;
        cr_assert_eq(read_env(bad[i][0], bad[i][1]), -EINVAL, "%s=%s", bad[i][0], bad[i][1]);
        cr_assert(strncmp(complaint, bad[i][0], strlen(bad[i][0])) == 0, "%s", complaint);
        cr_assert(strstr(complaint, "not "), "%s", complaint);
        cr_assert_eq(out.workers, 77);
    }
    char *longest = malloc(100001);
    memset(longest, '9', 100000);
    longest[100000] = '\0';
    cr_assert_eq(read_env("MN_CPUS", longest), -EINVAL);
    cr_assert(strlen(complaint) < sizeof complaint);
    free(longest);
}

Test(config, nonsense_in_the_struct) {
    const struct {
        const char *field;
        struct mn_config c;
    } bad[] = {
        {"workers", {.workers = 1025}},
        {"cpus", {.cpus = ""}},
        {"cpus", {.cpus = "x"}},
        {"stack", {.stack = MN_STACK_1M + 1}},
        {"slice_us", {.slice_us = 60000001}},
        {"spin_us", {.spin_us = -2}},
        {"pin", {.pin = 2}},
        {"pin", {.pin = -2}},
        {"max_threads", {.max_threads = UINT64_MAX}},
        {"max_threads", {.max_threads = ((uint64_t)1 << 30) + 1}},
    };
    clear();
    setenv("MN_VERBOSE", "3", 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        out.verbose = 0;
        cr_assert_eq(mni_config_read(&out, &bad[i].c, complaint), -EINVAL, "%s", bad[i].field);
        cr_assert(strncmp(complaint, bad[i].field, strlen(bad[i].field)) == 0, "%s", complaint);
        cr_assert_eq(out.verbose, 3, "whether to say it is known");
    }
}

Test(config, cpu_lists) {
    struct mni_cpuset s;
    cr_assert_eq(mni_cpuset_parse(&s, "0-3,8"), 0);
    cr_assert_eq(mni_cpuset_count(&s), 5);
    cr_assert(mni_cpuset_has(&s, 3) && mni_cpuset_has(&s, 8) && !mni_cpuset_has(&s, 4));
    cr_assert_eq(mni_cpuset_parse(&s, "8191,63-64,64-65"), 0);
    cr_assert_eq(mni_cpuset_count(&s), 4);
    cr_assert_not(mni_cpuset_has(&s, 8192));
    cr_assert_eq(mni_cpuset_parse(&s, "0-8191"), 0);
    cr_assert_eq(mni_cpuset_count(&s), 8192);
}
