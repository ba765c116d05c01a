/* job.h: what is not on a measured path. */
#include "job.h"

#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

int job_run_with(int (*job)(void *), struct mn_config config) {
    int status = mn_run(job, NULL, &config);
    verify(status >= 0, "mn_run: %d (%s)", status, strerror(-status));
    return status;
}

int job_run(int (*job)(void *)) {
    return job_run_with(job, (struct mn_config){.workers = 0});
}

int job_main(int argc, char **argv, const char *function, double *seconds, int (*job)(void *)) {
    bench_init(argc, argv, function);
    *seconds = bench_seconds();
    bench_options_end();
    return job_run(job);
}

void job_result(const char *name, double figure, const char *unit, const char *extra, ...) {
    char text[200] = "";
    int n = 0;
    if (extra) {
        va_list ap;
        va_start(ap, extra);
        n = vsnprintf(text, sizeof text - 32, extra, ap);
        va_end(ap);
    }
    snprintf(text + n, sizeof text - (size_t)n, "%sworkers=%u", n ? " " : "", mn_workers());
    bench_result(name, figure, unit, text);
}

double job_cpu_seconds(void) {
    struct rusage r;
    must(getrusage(RUSAGE_SELF, &r));
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

struct job_count *job_counts(int n) {
    struct job_count *c = aligned_alloc(BENCH_LINE, (size_t)n * sizeof *c);
    verify(c != NULL, "out of memory");
    memset(c, 0, (size_t)n * sizeof *c);
    return c;
}

unsigned long job_sum(const struct job_count *counts, int n) {
    unsigned long sum = 0;
    for (int i = 0; i < n; i++)
        sum += __atomic_load_n(&counts[i].n, __ATOMIC_RELAXED);
    return sum;
}

double job_share(const struct job_count *counts, int n) {
    unsigned long least = ~0ul;
    for (int i = 0; i < n; i++)
        if (counts[i].n < least)
            least = counts[i].n;
    unsigned long sum = job_sum(counts, n);
    return sum ? (double)least * n / (double)sum : 0;
}

unsigned long job_handoffs(void) {
    struct mn_stats_cpu s[64];
    unsigned long sum = 0;
    int n = mn_stats(s, 64, sizeof *s);
    for (int i = 0; i < n && i < 64; i++)
        sum += s[i].handoffs;
    return sum;
}

/* The counts and the time; taken again if it took long (see bench.c). */
static uint64_t picture(const struct job_watch *w, unsigned long *to) {
    for (int attempt = 0;; attempt++) {
        uint64_t from = bench_now();
        for (int i = 0; i < w->n; i++)
            to[i] = __atomic_load_n(&w->counts[i].n, __ATOMIC_RELAXED);
        uint64_t end = bench_now();
        if (end - from < 20000 || attempt == 100)
            return from + (end - from) / 2;
    }
}

static void *watcher(void *arg) {
    struct job_watch *w = arg;
    uint64_t warm = (uint64_t)((w->seconds / 10 < 0.02 ? 0.02 : w->seconds / 10) * 1e9);
    int windows = (int)(w->seconds / w->span + 0.5);
    bench_sleep_until(bench_now() + warm);
    unsigned long units = 0;
    uint64_t first = picture(w, w->before), now = first;
    w->share = 1;
    for (int i = 0; i < (windows < 1 ? 1 : windows); i++) {
        bench_sleep_until(now + (uint64_t)(w->span * 1e9));
        now = picture(w, w->after);
        unsigned long least = ~0ul, sum = 0;
        for (int k = 0; k < w->n; k++) {
            unsigned long part = w->after[k] - w->before[k];
            sum += part;
            least = part < least ? part : least;
        }
        double share = sum ? (double)least * w->n / (double)sum : 0;
        w->share = share < w->share ? share : w->share;
        units += sum;
        unsigned long *swap = w->before;
        w->before = w->after;
        w->after = swap;
    }
    w->ns_per_unit = units ? (double)(now - first) / (double)units : 0;
    __atomic_store_n(w->stop, 1, __ATOMIC_RELAXED);
    return w;
}

void job_watch(struct job_watch *w) {
    w->before = calloc((size_t)w->n, sizeof *w->before);
    w->after = calloc((size_t)w->n, sizeof *w->after);
    verify(w->before && w->after, "out of memory");
    /* It may run on any CPU: the thread that calls this may be on a worker that is bound to one. */
    pthread_attr_t attr;
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    must(pthread_attr_init(&attr));
    must(pthread_attr_setaffinity_np(&attr, sizeof all, &all));
    must(pthread_create(&w->thread, &attr, watcher, w));
    must(pthread_attr_destroy(&attr));
}

void job_watched(struct job_watch *w) {
    must(pthread_join(w->thread, NULL));
    verify(w->ns_per_unit > 0, "nothing was done");
    free(w->before);
    free(w->after);
}

void job_watch_threads(struct job_watch *w, void *(*body)(void *count)) {
    mn_thread *all = job_memory((size_t)w->n, sizeof *all);
    job_watch(w);
    for (int i = 0; i < w->n; i++)
        must(mn_go(&all[i], body, &w->counts[i]));
    for (int i = 0; i < w->n; i++)
        must(mn_join(all[i], NULL));
    job_watched(w);
    free(all);
}

uint32_t *job_shuffled(uint32_t n) {
    uint32_t *order = job_memory(n, sizeof *order);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    unsigned long x = 1;
    for (uint32_t i = n - 1; i > 0; i--) {
        x = x * 6364136223846793005ul + 1442695040888963407ul;
        uint32_t k = (uint32_t)((x >> 33) % (i + 1)), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    return order;
}

void *job_memory(size_t n, size_t size) {
    void *p = malloc(n * size);
    verify(p != NULL, "out of memory");
    memset(p, 0xff, n * size); /* calloc's pages would be faulted in while something is timed */
    memset(p, 0, n * size);
    return p;
}
