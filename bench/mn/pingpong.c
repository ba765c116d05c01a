/*
 * pingpong_same, pingpong_cross: what does it take to send a message and get an answer?
 *
 * Two threads and two channels without places: ns a round trip.  pingpong_same lets the runtime put them where
 * it likes.
 * --cross pins them to two CPUs, whose idle workers spin.
 *
 * Verified: every answer; with --cross, that each ran where it was pinned.
 */
#include "job.h"

static struct mn_chan *there, *back;
static int cross;
static double seconds;

static void *echo(void *arg) {
    unsigned long v = 0;
    int status;
    while ((status = mn_chan_recv(there, &v)) == 0) {
        v++;
        must(mn_chan_send(back, &v));
    }
    verify(status == -EPIPE, "mn_chan_recv: %d", status);
    verify(!cross || mn_cpu() == 1, "the far end runs on CPU %d", mn_cpu());
    return arg;
}

static void turns(unsigned long n) {
    for (unsigned long i = 0; i < n; i++) {
        unsigned long v = 0;
        must(mn_chan_send(there, &i));
        must(mn_chan_recv(back, &v));
        verify(v == i + 1, "another message came back");
    }
}

static void *near_end(void *arg) {
    unsigned long done = 0;
    turns(10000);
    uint64_t from = bench_now(), now;
    do {
        turns(64);
        done += 64;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    verify(!cross || mn_cpu() == 0, "the near end runs on CPU %d", mn_cpu());
    job_result(cross ? "pingpong_cross" : "pingpong_same", (double)(now - from) / (double)done, "ns", NULL);
    return arg;
}

static int job(void *arg) {
    (void)arg;
    struct mn_attr attr[2] = {{.cpu = 0}, {.cpu = 1}};
    if (cross) {
        verify(mn_workers() >= 2, "one worker: there is no other CPU");
        attr[0].flags = attr[1].flags = MN_PINNED | MN_CPU;
    }
    must(mn_chan_create(&there, sizeof(unsigned long), 0));
    must(mn_chan_create(&back, sizeof(unsigned long), 0));
    mn_thread t[2];
    must(mn_go_attr(&t[1], &attr[1], echo, NULL));
    must(mn_go_attr(&t[0], &attr[0], near_end, NULL));
    must(mn_join(t[0], NULL));
    must(mn_chan_close(there));
    must(mn_join(t[1], NULL));
    must(mn_chan_destroy(there));
    must(mn_chan_destroy(back));
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_chan_send");
    seconds = bench_seconds();
    cross = bench_flag("--cross");
    bench_options_end();
    return job_run_with(job, (struct mn_config){.spin_us = cross ? 1000000 : 0});
}
