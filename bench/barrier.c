/*
 * barrier_N: how long does it take N threads to meet?
 *
 * --threads N threads wait at one barrier again and again.  The figure is ns a meeting.
 *
 * Verified: each meeting has exactly one serial thread, and no thread leaves a meeting before all have come:
 * each publishes the number of its meeting before it waits, and looks at a neighbour's after.
 */
#include "bench.h"

enum { MOST = 1024 };

static pthread_barrier_t barrier BENCH_ALIGNED;
static struct {
    unsigned long at BENCH_ALIGNED; /* atomic: the meeting this thread goes to */
    unsigned long serial;
    pthread_t thread;
} members[MOST];
static int threads;
static unsigned long last BENCH_ALIGNED = ~0ul; /* atomic: the meeting after which all stop */
static uint64_t window_ns;
static double result_ns;

/*
 * How all agree on the last meeting: the first member, before it goes to meeting m + 1, announces m + 2. Nobody
 * can have come out of m + 1 by then, and whoever comes out of it sees the announcement, which the barrier
 * orders.
 */
static void *member(void *arg) {
    long me = (long)arg;
    long neighbour = (me + 1) % threads;
    unsigned long meeting = 0, start = 0;
    uint64_t from = bench_now(), until = from + 20000000; /* warm-up, then the window */
    int window = 0;
    while (meeting < __atomic_load_n(&last, __ATOMIC_RELAXED)) {
        if (me == 0 && meeting % 64 == 0 && last == ~0ul) {
            uint64_t now = bench_now();
            if (now >= until) {
                if (window++ == 1) {
                    result_ns = (double)(now - from) / (double)(meeting - start);
                    __atomic_store_n(&last, meeting + 2, __ATOMIC_RELAXED);
                }
                from = now;
                start = meeting;
                until = now + window_ns;
            }
        }
        __atomic_store_n(&members[me].at, ++meeting, __ATOMIC_RELAXED);
        int r = pthread_barrier_wait(&barrier);
        if (r == PTHREAD_BARRIER_SERIAL_THREAD)
            members[me].serial++;
        else
            verify(r == 0, "pthread_barrier_wait returned %d", r);
        unsigned long other = __atomic_load_n(&members[neighbour].at, __ATOMIC_RELAXED);
        verify(other == meeting || other == meeting + 1, "left meeting %lu when another was at %lu", meeting,
               other);
    }
    return (void *)meeting;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_barrier_wait");
    window_ns = (uint64_t)(bench_seconds() * 1e9);
    threads = (int)bench_number("--threads", 4);
    bench_options_end();
    verify(threads >= 1 && threads <= MOST, "--threads: 1 to %d", MOST);

    must(pthread_barrier_init(&barrier, NULL, (unsigned)threads));
    for (long i = 0; i < threads; i++)
        must(pthread_create(&members[i].thread, NULL, member, (void *)i));
    unsigned long serial = 0;
    for (long i = 0; i < threads; i++) {
        void *meetings;
        must(pthread_join(members[i].thread, &meetings));
        verify((unsigned long)meetings == last, "a thread went to %lu meetings of %lu", (unsigned long)meetings,
               last);
        serial += members[i].serial;
    }
    verify(serial == last, "%lu serial threads in %lu meetings", serial, last);
    must(pthread_barrier_destroy(&barrier));

    char name[64], extra[64];
    snprintf(name, sizeof name, "barrier_%d", threads);
    snprintf(extra, sizeof extra, "threads=%d meetings=%lu", threads, last);
    bench_result(name, result_ns, "ns", extra);
    return 0;
}
