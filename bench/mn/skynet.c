/*
 * skynet_1m: a tree of threads, ten below each, a million leaves; sums go up.  Seconds for the whole tree,
 * 1,111,111 threads.  The first tree makes the memory, the second is timed. skynet_1m          child first: few
 * threads live at once skynet_1m_parent   parent first: nearly all do skynet_1m_first    child first, the first
 * tree
 *
 * Verified: the sum.
 */
#include "job.h"

static const struct mn_attr child_first = {.flags = MN_CHILD_FIRST}, parent_first;
static const struct mn_attr *how;

struct node {
    long number, size;
};

static void *tree(void *arg) {
    struct node me = *(struct node *)arg;
    if (me.size == 1)
        return (void *)me.number;
    struct node below[10];
    mn_thread threads[10];
    for (int i = 0; i < 10; i++) {
        below[i] = (struct node){me.number + i * (me.size / 10), me.size / 10};
        must(mn_go_attr(&threads[i], how, tree, &below[i]));
    }
    long sum = 0;
    for (int i = 0; i < 10; i++) {
        void *part;
        must(mn_join(threads[i], &part));
        sum += (long)part;
    }
    return (void *)sum;
}

static double once(const struct mn_attr *attr) {
    struct node root = {0, 1000000};
    mn_thread t;
    void *sum;
    how = attr;
    uint64_t from = bench_now();
    must(mn_go_attr(&t, attr, tree, &root));
    must(mn_join(t, &sum));
    from = bench_now() - from;
    verify((long)sum == 499999500000, "wrong sum: %ld", (long)sum);
    return (double)from / 1e9;
}

static int job(void *arg) {
    (void)arg;
    double first = once(&child_first), second = once(&child_first);
    once(&parent_first);
    job_result("skynet_1m", second, "s", NULL);
    job_result("skynet_1m_parent", once(&parent_first), "s", NULL);
    job_result("skynet_1m_first", first, "s", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_go");
    bench_options_end();
    return job_run(job);
}
