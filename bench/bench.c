/* bench.h: the parts that are not on any measured path. */
#include "bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static int argument_count;
static char **arguments;
static char *argument_used;
static const char *subject;

void bench_init(int argc, char **argv, const char *symbol) {
    argument_count = argc;
    arguments = argv;
    subject = symbol;
    argument_used = calloc((size_t)argc, 1);
    if (!argument_used)
        bench_fail("out of memory");
}

void bench_fail(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    fprintf(stderr, "%s: ", arguments ? arguments[0] : "bench");
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    _Exit(1); /* other threads may be in the middle of anything: no atexit handlers */
}

/* ---- options */

static int find_option(const char *option) {
    for (int i = 1; i < argument_count; i++)
        if (strcmp(arguments[i], option) == 0) {
            argument_used[i] = 1;
            return i;
        }
    return 0;
}

double bench_number(const char *option, double otherwise) {
    int i = find_option(option);
    if (i == 0)
        return otherwise;
    if (i + 1 >= argument_count)
        bench_fail("%s needs a number", option);
    char *end;
    double value = strtod(arguments[i + 1], &end);
    if (*end != 0 || end == arguments[i + 1] || value < 0)
        bench_fail("%s: not a number: %s", option, arguments[i + 1]);
    argument_used[i + 1] = 1;
    return value;
}

const char *bench_text(const char *option, const char *otherwise) {
    int i = find_option(option);
    if (i == 0)
        return otherwise;
    if (i + 1 >= argument_count)
        bench_fail("%s needs a value", option);
    argument_used[i + 1] = 1;
    return arguments[i + 1];
}

int bench_flag(const char *option) {
    return find_option(option) != 0;
}

void bench_options_end(void) {
    for (int i = 1; i < argument_count; i++)
        if (!argument_used[i])
            bench_fail("unknown option: %s", arguments[i]);
}

double bench_seconds(void) {
    return bench_number("--seconds", 0.3);
}

/* ---- time and work */

uint64_t bench_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

double bench_resident(int pid) {
    char name[64] = "/proc/self/status", line[256];
    if (pid)
        snprintf(name, sizeof name, "/proc/%d/status", pid);
    FILE *f = fopen(name, "re");
    verify(f != NULL, "%s: %s", name, strerror(errno));
    double kib = 0, n;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %lf", &n) == 1 || sscanf(line, "VmPTE: %lf", &n) == 1)
            kib += n;
    fclose(f);
    return kib * 1024;
}

void bench_sleep_until(uint64_t when) {
    struct timespec ts = {(time_t)(when / 1000000000u), (long)(when % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
}

double bench_steps_per_us(void) {
    enum { STEPS = 4000, TRIALS = 400 };
    static double rate;
    if (rate == 0)
        rate = bench_number("--steps-per-us", 0);
    if (rate != 0)
        return rate;
    /* The best trial is the one that nothing disturbed. */
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIALS; i++) {
        uint64_t t = bench_now();
        bench_work(STEPS);
        t = bench_now() - t;
        if (t > 0 && t < best)
            best = t;
    }
    rate = STEPS * 1000.0 / (double)best;
    return rate;
}

unsigned long bench_steps(double ns) {
    return ns == 0 ? 0 : (unsigned long)(bench_steps_per_us() * ns / 1000 + 0.5);
}

/* ---- the result line */

/* The name, without directories, of the mapped file that provides the program's main subject. */
static void provider(char *name, size_t size) {
    uintptr_t address = (uintptr_t)dlsym(RTLD_DEFAULT, subject);
    if (address == 0)
        bench_fail("%s: nobody provides it", subject);
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        bench_fail("/proc/self/maps: %s", strerror(errno));
    char line[4096];
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) != 2 || address < from || address >= to)
            continue;
        char *slash = strrchr(line, '/');
        if (!slash)
            bench_fail("%s lies in no file: %s", subject, line);
        slash[strcspn(slash, " \n")] = 0;
        snprintf(name, size, "%s", slash + 1);
        fclose(maps);
        return;
    }
    bench_fail("%s: its address is not mapped", subject);
}

const char *bench_provider(void) {
    static char text[512];
    char file[256];
    provider(file, sizeof file);
    snprintf(text, sizeof text, "function=%s model=%s", subject, file);
    return text;
}

void bench_result(const char *name, double figure, const char *unit, const char *extra) {
    printf("%s %.*f %s%s%s %s\n", name, figure < 100 ? 3 : 1, figure, unit, *extra ? " " : "", extra,
           bench_provider());
    if (fflush(stdout) != 0)
        bench_fail("standard output: %s", strerror(errno));
}

/* ---- a team of threads */

static void *member_main(void *arg) {
    struct bench_member *me = arg;
    struct bench_team *team = me->team;
    __atomic_add_fetch(&team->arrived, 1, __ATOMIC_RELAXED);
    while (!__atomic_load_n(&team->go, __ATOMIC_ACQUIRE))
        sched_yield();
    team->loop(me);
    return me;
}

void bench_check_start(struct bench_member *me) {
    struct bench_team *team = me->team;
    __atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL); /* nobody checks while another still works */
    while (__atomic_load_n(&team->arrived, __ATOMIC_ACQUIRE) < 2 * team->threads)
        sched_yield();
    me->check_until = bench_now() + 10000000;
}

int bench_checking(struct bench_member *me) {
    enum { ENOUGH = 256 };
    const uint64_t patience = 500000000; /* a lock may let one of them wait for ever; it is not our subject */
    __atomic_store_n(&me->checked, me->checked + 1, __ATOMIC_RELAXED);
    uint64_t now = bench_now();
    if (now < me->check_until)
        return 1;
    for (int i = 0; i < me->team->threads; i++)
        if (__atomic_load_n(&me->team->members[i].checked, __ATOMIC_RELAXED) < ENOUGH)
            return now < me->check_until + patience;
    return 0;
}

/*
 * Reads all counters and the clock.  The caller may be preempted between two reads: then the picture is skewed,
 * and it is taken again.  Some skew is accepted in the end, on a machine too busy for better.
 */
static uint64_t snapshot(const struct bench_team *team, unsigned long *counts) {
    for (int attempt = 0;; attempt++) {
        uint64_t before = bench_now();
        for (int i = 0; i < team->threads; i++)
            counts[i] = __atomic_load_n(&team->members[i].done, __ATOMIC_RELAXED);
        uint64_t after = bench_now();
        if (after - before < 20000 || attempt == 100)
            return before + (after - before) / 2;
    }
}

void bench_team(struct bench_team *team, int threads, double seconds, void (*loop)(struct bench_member *me)) {
    memset(team, 0, sizeof *team);
    team->threads = threads;
    team->loop = loop;
    unsigned long *first = calloc((size_t)threads, sizeof *first),
                  *last = calloc((size_t)threads, sizeof *last);
    team->members = aligned_alloc(BENCH_LINE, (size_t)threads * sizeof *team->members);
    if (threads < 1 || !first || !last || !team->members)
        bench_fail("a team of %d: out of memory", threads);
    memset(team->members, 0, (size_t)threads * sizeof *team->members);

    for (int i = 0; i < threads; i++) {
        team->members[i].index = i;
        team->members[i].team = team;
        must(pthread_create(&team->members[i].thread, NULL, member_main, &team->members[i]));
    }
    while (__atomic_load_n(&team->arrived, __ATOMIC_RELAXED) < threads)
        sched_yield();

    double warm = seconds / 10 < 0.02 ? 0.02 : seconds / 10;
    uint64_t start = bench_now();
    __atomic_store_n(&team->go, 1, __ATOMIC_RELEASE); /* pairs with the acquire in member_main */
    bench_sleep_until(start + (uint64_t)(warm * 1e9));
    uint64_t from = snapshot(team, first);
    bench_sleep_until(from + (uint64_t)(seconds * 1e9));
    uint64_t to = snapshot(team, last);
    __atomic_store_n(&team->stop, 1, __ATOMIC_RELAXED);

    unsigned long least = ~0ul;
    for (int i = 0; i < threads; i++) {
        void *result;
        must(pthread_join(team->members[i].thread, &result));
        verify(result == &team->members[i], "join returned another thread's result");
        unsigned long n = last[i] - first[i];
        team->units += n;
        team->units_ever += team->members[i].done;
        least = n < least ? n : least;
    }
    verify(team->units > 0, "no thread did anything in %.3f s", (double)(to - from) / 1e9);
    team->ns_per_unit = (double)(to - from) / (double)team->units;
    team->share = (double)least * threads / (double)team->units;
    free(first);
    free(last);
}
