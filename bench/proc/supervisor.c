/*
 * supervisor_restart: how long is nobody there when a supervised process ends?
 *
 * A child ends by itself, over and over; us from its mn_proc_exit to the first line of the next one.  Median.
 *
 * Verified: each was started once, by the same supervisor.
 */
#include <mn/sup.h>
#include <stdlib.h>

#include "proc.h"

enum { SAMPLES = 20000 };

static uint64_t ended, *spans;
static struct tally starts;

static int child(void *arg) {
    uint64_t now = bench_now(), n = tally_add(&starts);
    (void)arg;
    if (n > 1)
        spans[n - 2] = now - ended;
    if (n == SAMPLES + 1)
        return mn_park("the end");
    ended = bench_now();
    mn_proc_exit(MN_REASON_USER);
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int job(void *arg) {
    static const struct mn_child spec = {.id = "child", .fn = child};
    mn_pid sup;
    (void)arg;
    spans = job_memory(SAMPLES, sizeof *spans);
    must(mn_sup_start(&sup, &(struct mn_sup){.intensity = 1000000, .children = &spec, .nchildren = 1}));
    while (tally_get(&starts) != SAMPLES + 1)
        must(mn_sleep(1000000));
    must(mn_sup_stop(sup, MN_FOREVER));
    verify(tally_get(&starts) == SAMPLES + 1, "%lu starts", (unsigned long)tally_get(&starts));
    qsort(spans, SAMPLES, sizeof *spans, compare);
    job_result("supervisor_restart", (double)spans[SAMPLES / 2] / 1e3, "us", "p99=%.2f",
               (double)spans[SAMPLES * 99 / 100] / 1e3);
    free(spans);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_sup_start");
    bench_options_end();
    return job_run(job);
}
