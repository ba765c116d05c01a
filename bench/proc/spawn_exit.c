/*
 * proc_spawn_exit, proc_spawn_exit_handler: what does a process take that starts and ends at once?
 *
 * One at a time: the starter gives way until it has run.  ns a process, stackful ones and those made of
 * callbacks.
 *
 * Verified: each ran once, with its own argument; none lives in the end.
 */
#include "proc.h"

static struct tally ran, sum;
static mn_pid last;

static int body(void *arg) {
    __atomic_add_fetch(&sum.n, (uint64_t)arg, __ATOMIC_RELAXED);
    tally_add(&ran);
    return 0;
}

static int init(void *state) {
    body(*(void **)state);
    return MN_STOP;
}

static int message(void *state, struct mn_msg *m) {
    (void)state;
    (void)m;
    return MN_STOP;
}

static const struct mn_handler handler = {
    .state_size = sizeof(void *), .init = init, .handle_message = message};

static uint64_t started;

static void one(int handlers) {
    void *arg = (void *)++started;
    last = handlers ? start_handler(&handler, &arg, sizeof arg) : start(body, arg);
    while (tally_get(&ran) != started)
        must(mn_yield());
}

static void measure(int handlers, double seconds) {
    started = 0;
    ran.n = sum.n = 0;
    for (int i = 0; i < 1000; i++)
        one(handlers);
    uint64_t before = started, from = bench_now(), now;
    do {
        for (int i = 0; i < 64; i++)
            one(handlers);
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    while (mn_alive(last))
        must(mn_yield());
    verify(sum.n == started * (started + 1) / 2, "arguments were mixed up");
    job_result(handlers ? "proc_spawn_exit_handler" : "proc_spawn_exit",
               (double)(now - from) / (double)(started - before), "ns", NULL);
}

static int job(void *arg) {
    measure(0, *(double *)arg);
    measure(1, *(double *)arg);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_spawn");
    double seconds = bench_seconds();
    bench_options_end();
    int status = mn_run((int (*)(void *))job, &seconds, NULL);
    verify(status >= 0, "mn_run: %d", status);
    return status;
}
