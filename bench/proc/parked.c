/*
 * proc_parked_1m, proc_parked_10m: what does a process cost that waits for a message?
 *
 * --count processes of callbacks, with a word of state each, and --stacks stackful ones; each is sent a
 * message, once all are alive.
 *   proc_parked_1m        bytes a process (resident size and page tables); _create, _wake: ns a process, from the first start or
 *                         message until all have started or answered
 *   proc_parked_10m       GB of all of 10,000,000 processes of callbacks and 1,000,000 stackful ones; likewise
 *
 * Verified: each was woken once; all were alive before.
 */
#include "proc.h"

static uint32_t count, stacks;
static struct tally begun, woken;
static mn_pid *all;

static int init(void *state) {
    (void)state;
    tally_add(&begun);
    return MN_GO_ON;
}

static int message(void *state, struct mn_msg *m) {
    uint64_t *turns = state;
    verify(m->tag == 7 && ++*turns == 1, "woken %lu times", (unsigned long)*turns);
    tally_add(&woken);
    return MN_GO_ON;
}

static const struct mn_handler handler = {
    .state_size = sizeof(uint64_t), .init = init, .handle_message = message};

static int body(void *arg) {
    tally_add(&begun);
    verify(take() == 7, "another message");
    tally_add(&woken);
    take();
    return arg != NULL;
}

static void await(const struct tally *t, uint64_t n) {
    while (tally_get(t) != n)
        must(mn_yield());
}

static int job(void *arg) {
    (void)arg;
    uint32_t n = count + stacks;
    all = job_memory(n, sizeof *all);
    double before = bench_resident(0);
    uint64_t from = bench_now();
    for (uint32_t i = 0; i < n; i++)
        all[i] = i < count ? start_handler(&handler, NULL, 0) : start(body, NULL);
    await(&begun, n);
    double create = (double)(bench_now() - from) / n, bytes = bench_resident(0) - before;
    for (uint32_t i = 0; i < n; i++)
        verify(mn_alive(all[i]), "process %u has ended", i);
    from = bench_now();
    for (uint32_t i = 0; i < n; i++)
        post(all[i], 7);
    await(&woken, n);
    double wake = (double)(bench_now() - from) / n;
    if (stacks) {
        double later = bench_resident(0) - before;
        job_result("proc_parked_10m", (later > bytes ? later : bytes) / 1e9, "GB", NULL);
        job_result("proc_parked_10m_create", create, "ns", NULL);
        job_result("proc_parked_10m_wake", wake, "ns", NULL);
    } else {
        job_result("proc_parked_1m", bytes / n, "B", NULL);
        job_result("proc_parked_1m_create", create, "ns", NULL);
        job_result("proc_parked_1m_wake", wake, "ns", NULL);
    }
    fflush(stdout);
    _Exit(0); /* ending millions of processes is no part of this */
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_spawn_handler");
    count = (uint32_t)bench_number("--count", 1000000);
    stacks = (uint32_t)bench_number("--stacks", 0);
    bench_options_end();
    return job_run(job);
}
