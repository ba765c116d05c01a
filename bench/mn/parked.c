/*
 * parked_1m: what does a thread cost that waits, and what does it cost to wake it?
 *
 * --count threads start, and wait in mn_park; then they are woken, one after the other, and wait again.
 *   parked_1m               bytes a waiting thread: resident size and page tables, now less before
 *   parked_1m_create_first  ns a thread from the first start until all wait, the first time: all memory is new
 *   parked_1m_create        the same from recycled memory
 *   parked_1m_wake          ns a thread from the first wake-up until all have run and wait again; in the order
 *                           of creation
 *   parked_1m_wake_random   the same in random order
 *
 * Verified: how often each was woken.  Handles and counts are the program's own memory, and there before.
 */
#include "job.h"

static uint32_t count;
static struct one {
    mn_thread thread;
    uint32_t woken;
    uint32_t stop; /* written before the thread is woken, read after */
} * all;

/* How many have still to come to mn_park; the last one wakes the first thread. */
static struct { BENCH_ALIGNED unsigned long left; } ready; /* atomic */
static mn_thread first_thread;

static void arrive(void) {
    if (__atomic_sub_fetch(&ready.left, 1, __ATOMIC_ACQ_REL) == 0)
        must(mn_unpark(first_thread));
}

static void all_arrived(void) {
    while (__atomic_load_n(&ready.left, __ATOMIC_ACQUIRE) != 0)
        must(mn_park("arrivals"));
}

static void *body(void *arg) {
    struct one *me = arg;
    for (;;) {
        arrive();
        must(mn_park("its turn"));
        if (me->stop)
            return me;
        me->woken++;
    }
}

static double each(uint64_t from) {
    return (double)(bench_now() - from) / count;
}

static double create(void) {
    __atomic_store_n(&ready.left, count, __ATOMIC_RELAXED);
    uint64_t from = bench_now();
    for (uint32_t i = 0; i < count; i++)
        must(mn_go(&all[i].thread, body, &all[i]));
    all_arrived();
    return each(from);
}

static double wake(const uint32_t *order) {
    __atomic_store_n(&ready.left, count, __ATOMIC_RELAXED);
    uint64_t from = bench_now();
    if (order) {
        for (uint32_t i = 0; i < count; i++)
            must(mn_unpark(all[order[i]].thread));
    } else {
        for (uint32_t i = 0; i < count; i++)
            must(mn_unpark(all[i].thread));
    }
    all_arrived();
    return each(from);
}

static void end(uint32_t turns) {
    for (uint32_t i = 0; i < count; i++)
        all[i].stop = 1;
    for (uint32_t i = 0; i < count; i++)
        must(mn_unpark(all[i].thread));
    for (uint32_t i = 0; i < count; i++) {
        void *result;
        must(mn_join(all[i].thread, &result));
        verify(result == &all[i], "join returned another thread's result");
        verify(all[i].woken == turns, "thread %u was woken %u times, not %u", i, all[i].woken, turns);
        all[i].stop = 0;
    }
}

static int job(void *arg) {
    (void)arg;
    first_thread = mn_self();
    all = job_memory(count, sizeof *all);
    uint32_t *order = job_shuffled(count);
    double before = bench_resident(0);
    double first = create();
    double bytes = (bench_resident(0) - before) / count;
    end(0);
    double again = create();
    double in_order = wake(NULL);
    double mixed = wake(order);
    end(2);
    job_result("parked_1m", bytes, "B", "count=%u", count);
    job_result("parked_1m_create_first", first, "ns", NULL);
    job_result("parked_1m_create", again, "ns", NULL);
    job_result("parked_1m_wake", in_order, "ns", NULL);
    job_result("parked_1m_wake_random", mixed, "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_go");
    count = (uint32_t)bench_number("--count", 1000000);
    bench_options_end();
    return job_run(job);
}
