/*
 * Child first: a tree of threads that start each other so is walked depth first, and few of them live at once;
 * and such threads do not keep others from running.
 */
#include <mn.h>

#include "tap.h"

enum { FEW = 1000, PATIENCE = 20000000, BURN_US = 100, FEW_BURNT = 2000 };

static const struct mn_attr child_first = {.flags = MN_CHILD_FIRST};
static int live, most, wrong, other_ran; /* atomic */

static void *tree(void *arg) {
    long size = (long)arg, leaves = 0;
    int now = __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED), seen = __atomic_load_n(&most, __ATOMIC_RELAXED);
    while (now > seen && !__atomic_compare_exchange_n(&most, &seen, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (size == 1) {
        leaves = 1;
    } else {
        mn_thread below[10];
        for (int i = 0; i < 10; i++)
            if (mn_go_attr(&below[i], &child_first, tree, (void *)(size / 10)) != 0)
                __atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
        for (int i = 0; i < 10; i++) {
            void *part = NULL;
            if (mn_join(below[i], &part) != 0)
                __atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
            leaves += (long)part;
        }
    }
    __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
    return (void *)leaves;
}

static void *other(void *arg) {
    for (int i = 0; i < 10; i++)
        mn_yield(); /* behind those that are ready */
    __atomic_store_n(&other_ran, 1, __ATOMIC_RELAXED);
    return arg;
}

static void *nothing(void *arg) {
    return arg;
}

static void *burns(void *arg) {
    int64_t end = mn_now() + BURN_US * 1000;
    while (mn_now() < end)
        continue;
    return arg;
}

/* How many threads are started child first until another has run; each computes for a while.  The caller is
 * pinned: from another cpu it would start thousands more while the one of `other` stands still, which says
 * nothing. */
static long until_other_ran(void *(*fn)(void *), bool join, long patience) {
    mn_thread t, child;
    struct mn_attr here = {.flags = MN_PINNED};
    other_ran = 0;
    mn_go_attr(&t, &here, other, NULL);
    long n = 0;
    for (; n < patience && !__atomic_load_n(&other_ran, __ATOMIC_RELAXED); n++) {
        mn_go_attr(join ? &child : NULL, &child_first, fn, NULL);
        if (join)
            mn_join(child, NULL);
    }
    mn_join(t, NULL);
    return n;
}

static void *others_run(void *arg) {
    long n = until_other_ran(nothing, true, PATIENCE);
    ok(n < PATIENCE, "another thread ran after %ld threads that were started child first", n);
    n = until_other_ran(nothing, false, PATIENCE);
    ok(n < PATIENCE, "and after %ld that nobody waited for", n);
    /* It takes its ten turns in ten slices. */
    n = until_other_ran(burns, true, FEW_BURNT);
    ok(n < FEW_BURNT, "after %ld threads that ran for %d us", n, BURN_US);
    n = until_other_ran(burns, false, FEW_BURNT);
    ok(n < FEW_BURNT, "after %ld of these that nobody waited for", n);
    return arg;
}

static int run(void *arg) {
    (void)arg;
    /* A tool takes a millisecond for each thread.  Breadth first, thousands would live at once in either
     * tree. */
    long leaves = scale() < 1 ? 10000 : 100000;
    is((long)tree((void *)leaves), leaves, "every leaf ran once");
    ok(!wrong, "no call failed");
    ok(most < FEW, "few threads lived at once: %d", most);

    mn_thread t;
    is(mn_go_attr(&t, &(struct mn_attr){.flags = MN_PINNED}, others_run, NULL), 0, "mn_go_attr");
    is(mn_join(t, NULL), 0, "mn_join");
    return 0;
}

int main(void) {
    is(mn_run(run, NULL, NULL), 0, "mn_run");
    return done();
}
