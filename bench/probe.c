/*
 * probe: how far apart are two CPUs at this moment?
 *
 * Two threads, pinned to the first two CPUs that the process may use, bounce one cache line: the figure is ns
 * one way, the median of short batches.  On a virtual machine it jumps, from one second to the next, with where
 * the host runs the CPUs: figures of jobs that share memory between CPUs mean little without it.  The driver
 * takes it before and after.
 *
 * It also prints how fast bench_work() runs (steps_per_us=), which the driver passes to all jobs.  With one CPU
 * the distance is 0.
 */
#include "bench.h"

enum { BATCHES = 41, TURNS = 1000 };

static unsigned long ball BENCH_ALIGNED;

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    must(sched_setaffinity(0, sizeof set, &set));
}

static void bounce(unsigned long from) {
    for (unsigned long i = from; i < from + 2 * TURNS; i += 2) {
        while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != i)
            ;
        __atomic_store_n(&ball, i + 1, __ATOMIC_RELEASE);
    }
}

static void *partner(void *cpu) {
    pin(*(int *)cpu);
    for (unsigned long b = 0; b < BATCHES; b++)
        bounce(b * 2 * TURNS + 1);
    return NULL;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    bench_options_end();
    char extra[64];
    snprintf(extra, sizeof extra, "steps_per_us=%.1f", bench_steps_per_us());

    cpu_set_t allowed;
    must(sched_getaffinity(0, sizeof allowed, &allowed));
    int cpus[2], n = 0;
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &allowed))
            cpus[n++] = i;
    if (n < 2) {
        bench_result("probe", 0, "ns", extra);
        return 0;
    }
    pthread_t thread;
    double ns[BATCHES];
    must(pthread_create(&thread, NULL, partner, &cpus[1]));
    pin(cpus[0]);
    for (unsigned long b = 0; b < BATCHES; b++) {
        uint64_t t = bench_now();
        bounce(b * 2 * TURNS);
        ns[b] = (double)(bench_now() - t) / (2 * TURNS);
    }
    must(pthread_join(thread, NULL));
    qsort(ns, BATCHES, sizeof *ns, ascending);
    bench_result("probe", ns[BATCHES / 2], "ns", extra);
    return 0;
}
