/*
 * yield_N with POSIX threads: --threads N threads call sched_yield in turn, all on one CPU, for a fixed time.
 * ns a yield; share= the smallest thread's part of the mean.  Verified: that each had a turn.
 */
#include "mailbox.h"

static void loop(struct bench_member *me) {
    while (!bench_stopped(me)) {
        sched_yield();
        bench_count(me);
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    double seconds = bench_seconds();
    int threads = (int)bench_number("--threads", 2);
    bench_options_end();
    bind_to(0); /* the threads inherit it */
    struct bench_team team;
    bench_team(&team, threads, seconds, loop);
    verify(team.share > 0 || threads > 100, "a thread had no turn");
    char name[32], extra[64];
    snprintf(name, sizeof name, "yield_%d", threads);
    snprintf(extra, sizeof extra, "share=%.3f", team.share);
    bench_result(name, team.ns_per_unit, "ns", extra);
    return 0;
}
