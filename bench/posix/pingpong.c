/*
 * pingpong_same, pingpong_cross with POSIX threads: a number there, a number back, by mailbox.h; ns a round
 * trip.  Free to run anywhere, or with --cross each bound to a CPU of its own.  Verified: every answer.
 */
#include "mailbox.h"

static struct mailbox there = MAILBOX_INIT, back = MAILBOX_INIT;
static int cross;

static void *echo(void *arg) {
    if (cross)
        bind_to(1);
    for (;;) {
        long n = mailbox_take(&there);
        if (n < 0)
            return arg;
        mailbox_put(&back, n + 1);
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_cond_signal");
    double seconds = bench_seconds();
    cross = bench_flag("--cross");
    bench_options_end();
    pthread_t t;
    must(pthread_create(&t, NULL, echo, NULL));
    if (cross)
        bind_to(0);
    unsigned long done = 0;
    uint64_t from = 0, now;
    for (int warm = 1;;) {
        for (long i = 0; i < 64; i++) {
            mailbox_put(&there, i);
            verify(mailbox_take(&back) == i + 1, "another number came back");
        }
        now = bench_now();
        if (warm) {
            warm = 0;
            from = now;
            continue;
        }
        done += 64;
        if (now - from >= (uint64_t)(seconds * 1e9))
            break;
    }
    mailbox_put(&there, -1);
    must(pthread_join(t, NULL));
    bench_result(cross ? "pingpong_cross" : "pingpong_same", (double)(now - from) / (double)done, "ns", "");
    return 0;
}
