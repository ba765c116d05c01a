/*
 * proc_skynet_1m: a tree of processes with a million leaves.
 *
 * Each process starts ten children until there are --count leaves; a leaf sends its number to its parent, a
 * parent the sum of what it was sent, and ends.  Seconds from the start of the root until the sum is there, the
 * second time; the processes are made of callbacks.
 *   proc_skynet_1m_memory   the process's resident size and page tables then, in MB
 *   proc_skynet_1m_stack    the same tree of stackful processes
 *
 * Verified: the sum.
 */
#include "proc.h"

struct node {
    mn_pid parent;
    uint64_t number, size, sum;
    unsigned left;
};

static const struct mn_handler handler;

static int grow(struct node *me) {
    struct node child = {.parent = mn_pid_self(), .size = me->size / 10};
    me->left = 10;
    for (unsigned i = 0; i < 10; i++) {
        child.number = me->number + i * child.size;
        start_handler(&handler, &child, sizeof child);
    }
    return MN_GO_ON;
}

static int init(void *state) {
    struct node *me = state;
    if (me->size > 1)
        return grow(me);
    post(me->parent, me->number);
    return MN_STOP;
}

static int message(void *state, struct mn_msg *m) {
    struct node *me = state;
    me->sum += m->tag;
    if (--me->left > 0)
        return MN_GO_ON;
    post(me->parent, me->sum);
    return MN_STOP;
}

static const struct mn_handler handler = {
    .state_size = sizeof(struct node), .init = init, .handle_message = message};

static int body(void *arg) {
    struct node me = *(struct node *)arg;
    free(arg);
    if (me.size == 1) {
        post(me.parent, me.number);
        return 0;
    }
    for (unsigned i = 0; i < 10; i++) {
        struct node *child = malloc(sizeof *child);
        verify(child != NULL, "out of memory");
        *child = (struct node){.parent = mn_pid_self(), .number = me.number + i * (me.size / 10), .size = me.size / 10};
        start(body, child);
    }
    for (unsigned i = 0; i < 10; i++)
        me.sum += take();
    post(me.parent, me.sum);
    return 0;
}

static uint64_t count;

static double tree(int handlers) {
    struct node root = {.parent = mn_pid_self(), .size = count};
    uint64_t from = bench_now();
    if (handlers) {
        start_handler(&handler, &root, sizeof root);
    } else {
        struct node *copy = malloc(sizeof *copy);
        verify(copy != NULL, "out of memory");
        *copy = root;
        start(body, copy);
    }
    uint64_t sum = take(), to = bench_now();
    verify(sum == count * (count - 1) / 2, "the sum is %lu", (unsigned long)sum);
    return (double)(to - from) / 1e9;
}

static int job(void *arg) {
    (void)arg;
    must(mn_attach());
    tree(1);
    double seconds = tree(1);
    job_result("proc_skynet_1m", seconds, "s", NULL);
    job_result("proc_skynet_1m_memory", bench_resident(0) / 1e6, "MB", NULL);
    tree(0);
    job_result("proc_skynet_1m_stack", tree(0), "s", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_spawn_handler");
    count = (uint64_t)bench_number("--count", 1000000);
    bench_options_end();
    verify(count == 10 || count == 1000 || count == 1000000, "--count: 10, 1000, or 1000000");
    return job_run(job);
}
