/* Events. */
#include "sync.h"

static struct mn_event e = MN_EVENT_INIT;
static int result, begun, wrong, gone;

static void *waits(void *arg) {
    (void)arg;
    add(&begun, 1);
    int r = mn_event_wait(&e);
    set(&result, r);
    if (r != 0)
        add(&wrong, 1);
    add(&gone, 1);
    return NULL;
}

static void *waits_10ms(void *arg) {
    (void)arg;
    int64_t deadline = after_ms(10);
    result = mn_event_wait_until(&e, deadline);
    if (!late(deadline))
        result = 1;
    return NULL;
}

static void *sets(void *arg) {
    mn_event_set(arg);
    return NULL;
}

static void test(void) {
    const char *k = kind_name[kind];
    struct runner r[5];
    mn_event_init(&e);
    wrong = begun = gone = 0;
    ok(!mn_event_is_set(&e) && !mn_event_reset(&e), "%s: not set", k);
    is(mn_event_wait_until(&e, 1), -ETIMEDOUT, "%s: a deadline that had passed", k);
    start(&r[0], waits_10ms, NULL);
    finish(&r[0]);
    is(result, -ETIMEDOUT, "%s: a deadline passes", k);
    for (int i = 0; i < 5; i++)
        start(&r[i], waits, NULL);
    until(&begun, 5);
    until_waits(&r[0]);
    is(mn_event_destroy(&e), -EBUSY, "%s: destroy with threads waiting", k);
    is(get(&gone), 0, "%s: they wait", k);
    ok(!mn_event_set(&e), "%s: set", k);
    ok(mn_event_reset(&e), "%s: and reset at once", k);
    for (int i = 0; i < 1000 && get(&gone) < 5; i++)
        nap_ms(1);
    mn_event_set(&e); /* on a busy machine one may not have come to wait before the first */
    for (int i = 0; i < 5; i++)
        finish(&r[i]);
    ok(gone == 5 && wrong == 0, "%s: all have gone on", k);
    mn_event_set(&e);
    ok(mn_event_set(&e) && mn_event_is_set(&e), "%s: set twice", k);
    is(mn_event_wait(&e), 0, "%s: who comes later need not wait", k);
    is(mn_event_wait_until(&e, 1), 0, "%s: whatever the deadline", k);
    is(mn_event_destroy(&e), 0, "%s: destroy", k);
    for (int round = 0; round < (int)(300 * scale()); round++) {
        struct mn_event *heap = calloc(1, sizeof *heap);
        start(&r[0], sets, heap);
        wrong += mn_event_wait(heap) != 0;
        memset(heap, 0xff, sizeof *heap);
        free(heap);
        finish(&r[0]);
    }
    ok(wrong == 0, "%s: freed by the waiter", k);
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    mn_event_init(&e);
    begun = 0;
    cancel_in(waits, NULL, &begun);
    is(result, -ECANCELED, "a cancelled wait");
    is(mn_event_destroy(&e), 0, "nobody is left");
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    return done();
}
