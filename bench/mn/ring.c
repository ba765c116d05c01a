/*
 * ring_N: what does it take to pass a message on?
 *
 * A token goes round through --threads N threads, each with a channel of one place to the next.  ns a pass.
 *
 * Verified: each thread adds one to the token on its way.
 */
#include "job.h"

static struct mn_chan **links;
static int threads;
static double seconds;

static void *pass(void *arg) {
    long i = (long)arg;
    long token = 0;
    int status;
    while ((status = mn_chan_recv(links[i], &token)) == 0) {
        token++;
        must(mn_chan_send(links[i + 1], &token));
    }
    verify(status == -EPIPE, "mn_chan_recv: %d", status);
    must(mn_chan_close(links[i + 1]));
    return NULL;
}

static void rounds(int n) {
    for (int i = 0; i < n; i++) {
        long token = 0;
        must(mn_chan_send(links[0], &token));
        must(mn_chan_recv(links[threads - 1], &token));
        verify(token == threads - 1, "the token went astray: %ld", token);
    }
}

static int job(void *arg) {
    (void)arg;
    links = job_memory((size_t)threads, sizeof *links);
    mn_thread *all = job_memory((size_t)threads, sizeof *all);
    for (int i = 0; i < threads; i++)
        must(mn_chan_create(&links[i], sizeof(long), 1));
    for (long i = 0; i < threads - 1; i++)
        must(mn_go(&all[i], pass, (void *)i));
    rounds(20);
    unsigned long done = 0;
    uint64_t from = bench_now(), now;
    do {
        rounds(4);
        done += 4;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    must(mn_chan_close(links[0]));
    for (int i = 0; i < threads - 1; i++)
        must(mn_join(all[i], NULL));
    for (int i = 0; i < threads; i++)
        must(mn_chan_destroy(links[i]));
    char name[32];
    snprintf(name, sizeof name, "ring_%d", threads);
    job_result(name, (double)(now - from) / ((double)done * threads), "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_chan_send");
    seconds = bench_seconds();
    threads = (int)bench_number("--threads", 503);
    verify(threads >= 2, "--threads: at least 2");
    bench_options_end();
    return job_run(job);
}
