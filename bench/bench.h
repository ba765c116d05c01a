/*
 * What every benchmark program shares: options, time, calibrated work, a team of threads, the result line.
 *
 * A program answers one question.  It is an ordinary POSIX program: the model under test is whatever provides
 * the pthread functions when it runs, and nothing here or in a program asks which.  A program prints one line,
 *
 *     mutex_contended_4 31.52 ns share=0.913 threads=4 model=libc.so.6
 *
 * name, figure, unit, then key=value pairs.  model= is the file that the job's main function was bound to,
 * looked up in /proc/self/maps: the driver compares it with the library that it meant to measure.  A program
 * verifies its own work; when something is wrong it says what on standard error and exits with status 1,
 * without a result line.
 *
 * Threads are free to run on any CPU unless a program says otherwise: that is how programs use threads.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Two lines: the adjacent-line prefetcher makes neighbours out of pairs of lines. */
#define BENCH_LINE 128
#define BENCH_ALIGNED __attribute__((aligned(BENCH_LINE)))

/* Starts a program whose main subject is the named function ("pthread_mutex_lock"). */
void bench_init(int argc, char **argv, const char *symbol);

/* The number that follows an option on the command line, or the default. */
double bench_number(const char *option, double otherwise);
const char *bench_text(const char *option, const char *otherwise);
/* Whether an option without a value is there. */
int bench_flag(const char *option);
/* Ends the program when an option was given that nothing asked for. */
void bench_options_end(void);
/* --seconds: how long the measured window lasts. */
double bench_seconds(void);

/* The result.  extra: more "key=value" words, or "". */
void bench_result(const char *name, double figure, const char *unit, const char *extra);

/* What bench_result says of the subject: `function=... model=...`. */
const char *bench_provider(void);

/* Ends the program: the work it did was wrong, or it could not be done. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A call that has to succeed: pthread functions return an error, others -1 and errno. */
#define must(call)                                                                                             \
    do {                                                                                                       \
        int must_error_ = (call);                                                                              \
        if (__builtin_expect(must_error_ != 0, 0))                                                             \
            bench_fail("%s: returned %d", #call, must_error_);                                                 \
    } while (0)

/* What has to be true of the work that was done. */
#define verify(cond, ...)                                                                                      \
    do {                                                                                                       \
        if (__builtin_expect(!(cond), 0))                                                                      \
            bench_fail(__VA_ARGS__);                                                                           \
    } while (0)

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t bench_now(void);

/* The resident size and the page tables of a process (0: the caller), in bytes. */
double bench_resident(int pid);

/* Sleeps until CLOCK_MONOTONIC shows that many nanoseconds. */
void bench_sleep_until(uint64_t when);

/*
 * Work of a given length that needs neither memory nor the kernel: a chain of dependent multiplications.  It is
 * a number of cycles and not a time: a thread that is preempted in the middle has still to do the rest.
 */
static inline void bench_work(unsigned long steps) {
    unsigned long x = steps;
    for (unsigned long i = 0; i < steps; i++) {
        x = x * 6364136223846793005ul + 1442695040888963407ul;
        __asm__ volatile("" : "+r"(x));
    }
}

/*
 * How many steps take that many nanoseconds.  --steps-per-us fixes the rate, so that every model does exactly
 * the same work (the driver measures it once per run); otherwise it is the best of many short trials.
 */
unsigned long bench_steps(double ns);
double bench_steps_per_us(void);

/*
 * A team: threads that do the same thing for a fixed time.
 *
 * All of them start together: each spins on a flag (yielding, as there may be more of them than CPUs) until the
 * last one has arrived.  After a warm-up the calling thread, which sleeps all the while, reads every member's
 * counter, sleeps through the window and reads them again; then it raises `stop`.  A fixed time and not a fixed
 * count: with a fixed count the last part is run by the slow threads alone, and no share can be seen.  Each
 * counter has a cache line pair to itself, written by its thread only.
 *
 * A member's loop looks like this:
 *
 *     while (!bench_stopped(me)) {
 *         ... one unit of work ...
 *         bench_count(me);
 *     }
 */
struct bench_member {
    BENCH_ALIGNED unsigned long done; /* atomic; written by the member, read by the caller of bench_team */
    unsigned long checked;            /* atomic; passes through bench_checking, read by the other members */
    uint64_t check_until;
    int index;
    pthread_t thread;
    struct bench_team *team;
};

struct bench_team {
    BENCH_ALIGNED int stop;    /* atomic */
    BENCH_ALIGNED int arrived; /* atomic */
    int go;                    /* atomic */
    int threads;
    void (*loop)(struct bench_member *me);
    struct bench_member *members;

    /* Results. */
    double ns_per_unit;       /* length of the window / units of all members in it */
    double share;             /* the smallest member's units / the mean */
    unsigned long units;      /* in the window */
    unsigned long units_ever; /* with warm-up and the last moments: what totals are checked against */
};

static inline int bench_stopped(const struct bench_member *me) {
    return __atomic_load_n(&me->team->stop, __ATOMIC_RELAXED);
}

static inline void bench_count(struct bench_member *me) {
    /* One writer: a load and a store, no locked instruction. */
    __atomic_store_n(&me->done, __atomic_load_n(&me->done, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/*
 * What was timed may be too short to show a mistake.  After its loop a member may go on with a checked part:
 *
 *     bench_check_start(me);              all members have left their loops
 *     while (bench_checking(me)) {        for 10 ms, and until everyone has been in it often enough
 *         lock; ...; bench_linger(me); ...; unlock;
 *     }
 *
 * bench_linger() makes the inside of a section long, and now and then gives the CPU away, so that two threads
 * which are in it together are found out even where they share one CPU.
 */
void bench_check_start(struct bench_member *me);
int bench_checking(struct bench_member *me);

static inline void bench_linger(const struct bench_member *me) {
    bench_work(20);
    if (me->checked % 64 == 0)
        sched_yield();
}

void bench_team(struct bench_team *team, int threads, double seconds, void (*loop)(struct bench_member *me));

#endif
