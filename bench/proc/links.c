/*
 * link_cascade_1m: how long does an exit take to go through a million links?
 *
 * --count processes of callbacks, each linked to the one before; the first is sent an exit signal.  Seconds
 * until all have ended.
 *
 * Verified: each ended once, with that reason; none is alive.
 */
#include "proc.h"

static uint32_t count;
static struct tally begun, ended;
static mn_pid *all;

static const struct mn_handler handler;

static int init(void *state) {
    const uint32_t *me = state;
    all[*me] = mn_pid_self();
    tally_add(&begun);
    post(all[*me], 1);
    return MN_GO_ON;
}

/* Starts the next one. */
static int message(void *state, struct mn_msg *m) {
    uint32_t next = *(uint32_t *)state + 1;
    verify(m->type == MN_MSG, "a message of type %u", m->type);
    if (next == count)
        return MN_GO_ON;
    struct mn_spawn_attr attr = {.flags = MN_SPAWN_LINK};
    must(mn_spawn_handler(NULL, &handler, &next, sizeof next, &attr));
    return MN_GO_ON;
}

static void terminate(void *state, int64_t reason) {
    (void)state;
    verify(reason == MN_REASON_USER + 5, "ended for reason %ld", (long)reason);
    tally_add(&ended);
}

static const struct mn_handler handler = {
    .state_size = sizeof(uint32_t), .init = init, .handle_message = message, .terminate = terminate};

static int job(void *arg) {
    (void)arg;
    all = job_memory(count, sizeof *all);
    uint32_t zero = 0;
    start_handler(&handler, &zero, sizeof zero);
    while (tally_get(&begun) != count)
        must(mn_sleep(1000000));
    must(mn_sleep(20000000)); /* the last one's own message */
    uint64_t from = bench_now();
    must(mn_exit_signal(all[0], MN_REASON_USER + 5));
    while (tally_get(&ended) != count)
        must(mn_yield());
    double took = (double)(bench_now() - from) / 1e9;
    for (uint32_t i = 0; i < count; i++)
        while (mn_alive(all[i]))
            must(mn_yield());
    verify(tally_get(&ended) == count, "one ended twice");
    job_result("link_cascade_1m", took, "s", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_exit_signal");
    count = (uint32_t)bench_number("--count", 1000000);
    bench_options_end();
    return job_run(job);
}
