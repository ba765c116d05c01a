/* ring_N with POSIX threads: a token goes round through --threads N of them, by mailbox.h; ns a pass. */
#include "mailbox.h"

#include <string.h>

static struct mailbox *boxes;
static int threads;

static void *pass(void *arg) {
    long i = (long)arg;
    for (;;) {
        long token = mailbox_take(&boxes[i]);
        mailbox_put(&boxes[i + 1], token < 0 ? token : token + 1);
        if (token < 0)
            return NULL;
    }
}

static void round_trip(void) {
    mailbox_put(&boxes[0], 0);
    verify(mailbox_take(&boxes[threads - 1]) == threads - 1, "the token went astray");
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_cond_signal");
    double seconds = bench_seconds();
    threads = (int)bench_number("--threads", 503);
    bench_options_end();
    boxes = aligned_alloc(BENCH_LINE, (size_t)threads * sizeof *boxes);
    pthread_t *all = calloc((size_t)threads, sizeof *all);
    verify(threads >= 2 && boxes && all, "out of memory");
    for (int i = 0; i < threads; i++) {
        memset(&boxes[i], 0, sizeof boxes[i]);
        must(pthread_mutex_init(&boxes[i].mutex, NULL));
        must(pthread_cond_init(&boxes[i].changed, NULL));
    }
    for (long i = 0; i < threads - 1; i++)
        must(pthread_create(&all[i], NULL, pass, (void *)i));
    round_trip();
    unsigned long rounds = 0;
    uint64_t from = bench_now(), now;
    do {
        round_trip();
        rounds++;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    mailbox_put(&boxes[0], -1);
    verify(mailbox_take(&boxes[threads - 1]) == -1, "the end went astray");
    for (int i = 0; i < threads - 1; i++)
        must(pthread_join(all[i], NULL));
    char name[32];
    snprintf(name, sizeof name, "ring_%d", threads);
    bench_result(name, (double)(now - from) / ((double)rounds * threads), "ns", "");
    return 0;
}
