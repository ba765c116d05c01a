/*
 * request: what does an answer of one's own cost?
 *
 * A request carries the channel that its answer is to come by, made for it and freed after it: as Go programs
 * do calls.  ns from one request to the next, its channel's life included.
 *
 * Verified: each answer is its request's.
 */
#include "job.h"

struct request {
    long n;
    struct mn_chan *answer;
};

static double seconds;

static void *server(void *requests) {
    struct request q;
    int status;
    while ((status = mn_chan_recv(requests, &q)) == 0) {
        q.n++;
        must(mn_chan_send(q.answer, &q.n));
    }
    verify(status == -EPIPE, "mn_chan_recv: %d", status);
    return NULL;
}

static void ask(struct mn_chan *requests, long n) {
    struct request q = {.n = n};
    long got;
    int status;
    must(mn_chan_create(&q.answer, sizeof got, 1));
    must(mn_chan_send(requests, &q));
    must(mn_chan_recv(q.answer, &got));
    verify(got == n + 1, "another request's answer");
    while ((status = mn_chan_destroy(q.answer)) == -EBUSY)
        must(mn_yield());
    must(status);
}

static int job(void *arg) {
    (void)arg;
    struct mn_chan *requests;
    mn_thread t;
    must(mn_chan_create(&requests, sizeof(struct request), 0));
    must(mn_go(&t, server, requests));
    for (long i = 0; i < 1000; i++)
        ask(requests, i);
    unsigned long done = 0;
    uint64_t from = bench_now(), now;
    do {
        for (long i = 0; i < 64; i++)
            ask(requests, i);
        done += 64;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    must(mn_chan_close(requests));
    must(mn_join(t, NULL));
    must(mn_chan_destroy(requests));
    job_result("request", (double)(now - from) / (double)done, "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_chan_create", &seconds, job);
}
