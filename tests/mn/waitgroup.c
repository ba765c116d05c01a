/* Wait groups. */
#include "sync.h"

static struct mn_waitgroup g = MN_WAITGROUP_INIT;
static int result, begun, wrong, finished;

static void *does(void *arg) {
    if (arg)
        mn_yield();
    add(&finished, 1);
    mn_waitgroup_done(&g);
    return NULL;
}

static void *waits(void *arg) {
    add(&begun, 1);
    int r = mn_waitgroup_wait(&g);
    if (r != 0 || (arg && get(&finished) != (int)(intptr_t)arg))
        add(&wrong, 1);
    set(&result, r);
    return NULL;
}

static void *waits_10ms(void *arg) {
    (void)arg;
    int64_t deadline = after_ms(10);
    result = mn_waitgroup_wait_until(&g, deadline);
    if (!late(deadline))
        result = 1;
    return NULL;
}

/* The group lies in memory that the waiter frees at once. */
static void *does_on_heap(void *arg) {
    mn_waitgroup_done(arg);
    return NULL;
}

static void test(void) {
    const char *k = kind_name[kind];
    struct runner r[8], w[3];
    mn_waitgroup_init(&g);
    is(mn_waitgroup_wait(&g), 0, "%s: nothing to wait for", k);
    is(mn_waitgroup_done(&g), -EINVAL, "%s: done with nothing", k);
    is(mn_waitgroup_add(&g, INT32_MAX), 0, "%s: the most", k);
    is(mn_waitgroup_add(&g, 1), -EOVERFLOW, "%s: one more", k);
    is(mn_waitgroup_add(&g, INT32_MIN), -EINVAL, "%s: less than nothing", k);
    is(mn_waitgroup_destroy(&g), -EBUSY, "%s: destroy with things to do", k);
    is(mn_waitgroup_add(&g, -INT32_MAX), 0, "%s: all done", k);
    is((long)mn_waitgroup_count(&g), 0, "%s: count", k);
    mn_waitgroup_add(&g, 1);
    is(mn_waitgroup_wait_until(&g, 1), -ETIMEDOUT, "%s: a deadline that had passed", k);
    start(&r[0], waits_10ms, NULL);
    finish(&r[0]);
    is(result, -ETIMEDOUT, "%s: a deadline passes", k);
    mn_waitgroup_done(&g);
    is(mn_waitgroup_destroy(&g), 0, "%s: destroy", k);

    wrong = finished = begun = 0;
    for (int round = 1; round <= (int)(200 * scale()); round++) {
        mn_waitgroup_add(&g, 8);
        for (int i = 0; i < 3; i++)
            start(&w[i], waits, (void *)(intptr_t)(round * 8));
        for (int i = 0; i < 8; i++)
            start(&r[i], does, i % 2 ? &g : NULL);
        for (int i = 0; i < 3; i++)
            finish(&w[i]);
        for (int i = 0; i < 8; i++)
            finish(&r[i]);
    }
    ok(wrong == 0, "%s: three wait for eight, %d wrong", k, wrong);
    for (int round = 0; round < (int)(300 * scale()); round++) {
        struct mn_waitgroup *heap = calloc(1, sizeof *heap);
        mn_waitgroup_add(heap, 2);
        for (int i = 0; i < 2; i++)
            start(&r[i], does_on_heap, heap);
        wrong += mn_waitgroup_wait(heap) != 0;
        memset(heap, 0xff, sizeof *heap);
        free(heap);
        for (int i = 0; i < 2; i++)
            finish(&r[i]);
    }
    ok(wrong == 0, "%s: freed by the waiter", k);
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    mn_waitgroup_init(&g);
    mn_waitgroup_add(&g, 1);
    begun = 0;
    cancel_in(waits, NULL, &begun);
    is(result, -ECANCELED, "a cancelled wait");
    mn_waitgroup_done(&g);
    is(mn_waitgroup_destroy(&g), 0, "nobody is left");
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    return done();
}
