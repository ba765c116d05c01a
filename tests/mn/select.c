/* mn_select: what it promises, by green threads, foreign LWPs and both. */
#include <errno.h>

#include "kinds.h"

static struct mn_chan *new(size_t capacity) {
    struct mn_chan *ch = NULL;
    if (mn_chan_create(&ch, 8, capacity) < 0)
        abort();
    return ch;
}

static struct mn_case sends(struct mn_chan *ch, uint64_t *v) {
    struct mn_case c = {.kind = MN_CASE_SEND, .error = 77, .data = v};
    c.channel = ch;
    return c;
}

static struct mn_case receives(struct mn_chan *ch, uint64_t *v) {
    struct mn_case c = {.kind = MN_CASE_RECV, .error = 77, .data = v};
    c.channel = ch;
    return c;
}

static struct mn_case waits(struct mn_future *f, void **v) {
    struct mn_case c = {.kind = MN_CASE_FUTURE, .error = 77, .data = v};
    c.future = f;
    return c;
}

static void test_misuse(void) {
    struct mn_chan *ch = new(1);
    uint64_t v = 0;
    struct mn_case c = receives(ch, &v);
    is(mn_select(&c, -1, 0), -EINVAL, "a negative number of cases");
    is(mn_select(NULL, 1, 0), -EINVAL, "no cases");
    is(mn_select(&c, (1 << 24) + 1, 0), -EINVAL, "too many cases");
    c = receives(NULL, &v);
    is(mn_select(&c, 1, 0), -EINVAL, "no channel");
    c = receives(ch, NULL);
    is(mn_select(&c, 1, 0), -EINVAL, "no place for an element");
    c = waits(NULL, NULL);
    is(mn_select(&c, 1, 0), -EINVAL, "no future");
    c.kind = (enum mn_case_kind)9;
    is(mn_select(&c, 1, 0), -EINVAL, "a kind that does not exist");
    mn_chan_destroy(ch);
}

static void test_poll(void) {
    struct mn_chan *a = new(1), *b = new(1);
    uint64_t x = 1, y = 2;
    struct mn_case c[3] = {receives(a, &x), {.kind = MN_CASE_NONE}, receives(b, &y)};
    is(mn_select(c, 3, 0), -ETIMEDOUT, "%s: nothing is ready", kind_name[kind]);
    int64_t t = now();
    is(mn_select(c, 3, after_ms(10)), -ETIMEDOUT, "nor until the deadline");
    ok(now() - t >= 10000000, "which it waits for");
    is(mn_select(c + 1, 1, 0), -ETIMEDOUT, "a case that is switched off");
    is(mn_select(NULL, 0, after_ms(2)), -ETIMEDOUT, "no case");
    uint64_t v = 5;
    mn_chan_send(b, &v);
    is(mn_select(c, 3, 0), 2, "what is ready");
    ok(y == 5 && x == 1 && c[2].error == 0 && c[0].error == 77, "happens, and nothing else");
    c[1] = sends(a, &v);
    is(mn_select(c, 3, MN_FOREVER), 1, "a channel with a free slot");
    is((long)mn_chan_len(a), 1, "was sent to");
    mn_chan_close(a);
    is(mn_select(c, 1, 0), 0, "a closed channel is received from");
    is((long)x, 5, "while there is something in it");
    is(mn_select(c, 3, 0) <= 1, 1, "and is ready when it is empty");
    is(c[0].error == -EPIPE || c[1].error == -EPIPE, 1, "with an error");
    ok(mn_chan_destroy(a) == 0 && mn_chan_destroy(b) == 0, "nobody is left in a queue");
}

static struct mn_chan *first, *second, *third;

static void *select_both(void *arg) {
    (void)arg;
    uint64_t x = 0, y = 0;
    struct mn_case c[4] = {
        receives(first, &x), {.kind = MN_CASE_NONE}, receives(second, &y), receives(first, &x)};
    int r = mn_select(c, 4, after_ms(20000));
    return (void *)(intptr_t)(r < 0 ? r : (int)(1000 * r + (int)(x * 10 + y) + (c[r].error < 0 ? 500 : 0)));
}

static void *send_both(void *arg) {
    (void)arg;
    uint64_t x = 3, y = 4;
    struct mn_case c[2] = {sends(first, &x), sends(second, &y)};
    int r = mn_select(c, 2, after_ms(20000));
    return (void *)(intptr_t)(r < 0 ? r : 1000 * r + (c[r].error < 0 ? 500 : 0));
}

static void test_wait(void) {
    static const size_t capacities[] = {0, 4, MN_CHAN_UNBOUNDED};
    for (unsigned i = 0; i < 3; i++) {
        first = new(capacities[i]), second = new(capacities[i]);
        struct runner r;
        uint64_t v = 7;
        start(&r, select_both, NULL);
        nap_ms(3);
        mn_chan_send(second, &v);
        is((long)finish(&r), 2007, "%s, capacity %ld: one of three receives", kind_name[kind],
           (long)capacities[i]);
        start(&r, select_both, NULL);
        nap_ms(3);
        mn_chan_send(first, &v);
        long got = (long)finish(&r);
        ok(got == 70 || got == 3070, "a channel that stands there twice");
        start(&r, select_both, NULL);
        nap_ms(3);
        mn_chan_close(second);
        is((long)finish(&r), 2500, "a close");
        ok(mn_chan_destroy(first) == 0 && mn_chan_destroy(second) == 0, "nobody is left in a queue");
    }
    first = new(0), second = new(0);
    struct runner r, s;
    uint64_t v = 0;
    start(&r, send_both, NULL);
    nap_ms(3);
    is(mn_chan_recv(second, &v), 0, "%s: receive from a select", kind_name[kind]);
    is((long)v, 4, "what it sends there");
    is((long)finish(&r), 1000, "its case");
    is(mn_chan_try_recv(first, &v), -EAGAIN, "the other was not sent");
    start(&r, send_both, NULL);
    start(&s, select_both, NULL);
    long sent = (long)finish(&r), got = (long)finish(&s);
    ok((sent == 0 && (got == 30 || got == 3030)) || (sent == 1000 && got == 2004), "two selects meet: %ld %ld",
       sent, got);
    start(&r, send_both, NULL);
    nap_ms(3);
    mn_chan_close(first);
    is((long)finish(&r), 500, "a close in a select that sends");
    ok(mn_chan_destroy(first) == 0 && mn_chan_destroy(second) == 0, "nobody is left in a queue");
}

/* Of those that are always ready, each gets its share. */
static void test_fair(void) {
    enum { N = 5, ROUNDS = 2000 };
    struct mn_chan *ch[N];
    struct mn_case c[N + 2];
    int count[N + 2] = {0};
    uint64_t v = 0;
    for (int i = 0; i < N; i++) {
        ch[i] = new(1);
        c[i] = i % 2 ? sends(ch[i], &v) : receives(ch[i], &v);
        if (i % 2 == 0)
            mn_chan_send(ch[i], &v);
    }
    c[N] = (struct mn_case){.kind = MN_CASE_NONE};
    c[N + 1] = receives(ch[1], &v); /* not ready */
    for (int k = 0; k < ROUNDS; k++) {
        int r = mn_select(c, N + 2, MN_FOREVER);
        if (r < 0 || r >= N)
            abort();
        count[r]++;
        if (r % 2)
            mn_chan_recv(ch[r], &v);
        else
            mn_chan_send(ch[r], &v);
    }
    int least = ROUNDS;
    for (int i = 0; i < N; i++)
        least = count[i] < least ? count[i] : least;
    ok(least > ROUNDS / N * 3 / 4, "%s: each ready case is chosen as often: %d of %d at least", kind_name[kind],
       least, ROUNDS / N);
    for (int i = 0; i < N; i++)
        mn_chan_destroy(ch[i]);
}

/* One channel, sent to and received from by each of several selects: they meet each other, nobody himself. */
static int met[2];
static void *meet(void *arg) {
    long n = (long)arg;
    for (long i = 0; i < n; i++) {
        uint64_t out = 1, in = 0;
        struct mn_case c[2] = {sends(first, &out), receives(first, &in)};
        int r = mn_select(c, 2, MN_FOREVER);
        if (r < 0 || c[r].error == -EPIPE)
            return (void *)(intptr_t)(r < 0 ? r : 0);
        __atomic_fetch_add(&met[r], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_meet(void) {
    enum { THREADS = 4 };
    long rounds = (long)((kind == GREEN ? 2000 : 200) * scale()) * 2;
    first = new(0);
    met[0] = met[1] = 0;
    struct runner r[THREADS];
    for (int i = 0; i < THREADS; i++)
        start(&r[i], meet, (void *)rounds);
    /* The last may be left alone. */
    while (__atomic_load_n(&met[0], __ATOMIC_RELAXED) + __atomic_load_n(&met[1], __ATOMIC_RELAXED) < rounds)
        nap_ms(1);
    nap_ms(5);
    mn_chan_close(first);
    long bad = 0;
    for (int i = 0; i < THREADS; i++)
        bad += (long)finish(&r[i]);
    is(bad, 0, "%s: selects meet on one channel", kind_name[kind]);
    is(met[0], met[1], "each send is one receive");
    is(mn_chan_destroy(first), 0, "nobody is left in a queue");
}

/* Senders and receivers that select over the same channels in different orders. */
enum { CHANS = 3, THREADS = 4 };
static struct mn_chan *chans[CHANS];
static uint64_t sum_sent, sum_got;
static long each;

static void *select_sender(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (long i = 1; i <= each; i++) {
        uint64_t v = me * 1000000 + (uint64_t)i;
        struct mn_case c[CHANS];
        for (unsigned k = 0; k < CHANS; k++)
            c[k] = sends(chans[me % 2 ? k : CHANS - 1 - k], &v);
        int r = mn_select(c, CHANS, i % 7 ? MN_FOREVER : now() + 20000);
        if (r == -ETIMEDOUT)
            i--;
        else if (r < 0)
            abort();
        else
            __atomic_fetch_add(&sum_sent, v, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *select_receiver(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    unsigned closed = 0;
    struct mn_case c[CHANS];
    uint64_t v[CHANS];
    for (unsigned k = 0; k < CHANS; k++)
        c[k] = receives(chans[me % 2 ? k : CHANS - 1 - k], &v[k]);
    for (long i = 0; closed < CHANS; i++) {
        int r = mn_select(c, CHANS, i % 5 ? MN_FOREVER : now() + 10000);
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            abort();
        if (c[r].error == -EPIPE) {
            c[r].kind = MN_CASE_NONE;
            closed++;
        } else {
            __atomic_fetch_add(&sum_got, v[r], __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void test_many(void) {
    static const size_t capacities[] = {0, 1, 16, MN_CHAN_UNBOUNDED};
    each = (long)((kind == GREEN ? 3000 : 300) * scale()) + 1;
    for (unsigned n = 0; n < 4; n++) {
        struct runner s[THREADS], r[THREADS];
        sum_sent = sum_got = 0;
        for (int i = 0; i < CHANS; i++)
            chans[i] = new(capacities[n]);
        for (uintptr_t i = 0; i < THREADS; i++) {
            start(&r[i], select_receiver, (void *)i);
            start(&s[i], select_sender, (void *)(i + 1));
        }
        for (int i = 0; i < THREADS; i++)
            finish(&s[i]);
        for (int i = 0; i < CHANS; i++)
            mn_chan_close(chans[i]);
        for (int i = 0; i < THREADS; i++)
            finish(&r[i]);
        ok(sum_sent == sum_got && sum_sent > 0, "%s, capacity %ld: all that was sent was received once",
           kind_name[kind], (long)capacities[n]);
        int busy = 0;
        for (int i = 0; i < CHANS; i++)
            busy += mn_chan_destroy(chans[i]) != 0;
        is(busy, 0, "nobody is left in a queue");
    }
}

static struct mn_future *soon;
static void *settle(void *arg) {
    nap_ms(3);
    mn_future_set(soon, arg);
    return NULL;
}

static void test_future(void) {
    struct mn_chan *ch = new(1);
    void *value = NULL;
    uint64_t v;
    mn_future_create(&soon);
    struct mn_case c[2] = {receives(ch, &v), waits(soon, &value)};
    is(mn_select(c, 2, 0), -ETIMEDOUT, "%s: a future without a value", kind_name[kind]);
    struct runner r;
    start(&r, settle, &v);
    is(mn_select(c, 2, MN_FOREVER), 1, "which gets one");
    ok(value == &v && c[1].error == 0, "the value");
    finish(&r);
    value = NULL;
    is(mn_select(c, 2, 0), 1, "it stays ready");
    ok(value == &v, "with its value");
    c[1].data = NULL;
    is(mn_select(c, 2, 0), 1, "which need not be stored");
    mn_future_release(soon);
    mn_future_create(&soon);
    c[1] = waits(soon, &value);
    mn_future_fail(soon, -EDOM);
    is(mn_select(c, 2, 0), 1, "one that failed");
    is(c[1].error, -EDOM, "its error");
    mn_future_release(soon);
    mn_chan_destroy(ch);
}

/* More cases than are kept, most of them the same. */
static void test_large(void) {
    enum { N = 1000 };
    struct mn_case *c = calloc(N, sizeof *c);
    uint64_t v = 0;
    first = new(0), second = new(0), third = new(0);
    for (int i = 0; i < N; i++)
        c[i] = receives(i % 3 == 0 ? third : i % 3 == 1 ? first : second, &v);
    is(mn_select(c, N, after_ms(1)), -ETIMEDOUT, "%s: a thousand cases", kind_name[kind]);
    struct runner r;
    start(&r, send_both, NULL);
    int got = mn_select(c, N, MN_FOREVER);
    ok(got >= 0 && got % 3 != 0 && v == (got % 3 == 1 ? 3 : 4), "one of them happens");
    finish(&r);
    ok(mn_chan_destroy(first) == 0 && mn_chan_destroy(second) == 0 && mn_chan_destroy(third) == 0,
       "nobody is left in a queue");
    free(c);
}

static void all(void) {
    test_poll();
    test_wait();
    test_fair();
    test_meet();
    test_many();
    test_future();
    test_large();
}

static int cancel_result[2];
static void *cancelled(void *arg) {
    (void)arg;
    uint64_t v = 0;
    struct mn_case c[2] = {receives(first, &v), receives(second, &v)};
    cancel_result[0] = mn_select(c, 2, MN_FOREVER);
    cancel_result[1] = mn_select(c, 2, 0);
    return NULL;
}

static int test_cancel(void *arg) {
    (void)arg;
    first = new(0), second = new(0);
    mn_thread t;
    mn_go(&t, cancelled, NULL);
    nap_ms(2);
    mn_cancel(t);
    mn_join(t, NULL);
    is(cancel_result[0], -ECANCELED, "a select that waits is cancelled");
    is(cancel_result[1], -ECANCELED, "and the next");
    ok(mn_chan_destroy(first) == 0 && mn_chan_destroy(second) == 0, "nobody is left in a queue");
    return 0;
}

int main(void) {
    test_misuse();
    kinds(all);
    mn_run(test_cancel, NULL, NULL);
    return done();
}
