/*
 * Channels, selects and futures under random delays, deadlines and cancellations: what was sent is received
 * once or left, and what was refused is not.
 */
#include <errno.h>

#include "kinds.h"
#include "random.h"

enum { CHANS = 4, THREADS = 12, KEY = 1000003 };
static const size_t capacities[CHANS] = {0, 1, 7, MN_CHAN_UNBOUNDED};
static struct mn_chan *chans[CHANS];
static uint64_t sent, received; /* sums */
static long rounds, sends, failures;
static struct mn_future *stop_selecting;

/* The state is the caller's own: stress/shake.h keeps it by LWP, and green threads move. */
static unsigned below(uint32_t *random, unsigned n) {
    return random_next(random) % n;
}

static void delay(uint32_t *random) {
    unsigned n = below(random, 1000);
    if (n < 600)
        return;
    if (n < 950)
        for (volatile unsigned i = n - 600; i > 0; i--)
            ;
    else if (n < 995)
        mn_yield();
    else
        usleep(below(random, 100));
}

static int64_t soon(uint32_t *random) {
    return below(random, 4) ? MN_FOREVER : below(random, 3) ? now() + below(random, 30000) : 0;
}

static void count_sent(int r, uint64_t v) {
    if (r == 0) {
        __atomic_fetch_add(&sent, v * KEY % 65537, __ATOMIC_RELAXED);
        __atomic_fetch_add(&sends, 1, __ATOMIC_RELAXED);
    } else if (r != -ETIMEDOUT && r != -EAGAIN && r != -ECANCELED && r != -EPIPE) {
        __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    }
}

static void count_received(int r, uint64_t v) {
    if (r == 0)
        __atomic_fetch_add(&received, v * KEY % 65537, __ATOMIC_RELAXED);
    else if (r != -ETIMEDOUT && r != -EAGAIN && r != -ECANCELED && r != -EPIPE)
        __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
}

static void one_select(uint64_t number, uint32_t *random) {
    struct mn_case c[CHANS * 2 + 1];
    uint64_t out[CHANS], in[CHANS];
    int n = 0;
    for (unsigned k = 0; k < CHANS; k++) {
        out[k] = number * CHANS + k + 1;
        if (below(random, 3))
            c[n++] = (struct mn_case){.kind = MN_CASE_SEND, .channel = chans[k], .data = &out[k]};
        if (below(random, 3))
            c[n++] = (struct mn_case){.kind = MN_CASE_RECV, .channel = chans[k], .data = &in[k]};
    }
    c[n] = (struct mn_case){.kind = below(random, 2) ? MN_CASE_NONE : MN_CASE_FUTURE, .future = stop_selecting};
    n++;
    int r = mn_select(c, n, soon(random));
    if (r < 0)
        count_sent(r, 0);
    else if (c[r].kind == MN_CASE_SEND)
        count_sent(c[r].error, *(uint64_t *)c[r].data);
    else if (c[r].kind == MN_CASE_RECV)
        count_received(c[r].error, c[r].error ? 0 : *(uint64_t *)c[r].data);
}

static void *worker(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    uint32_t random = (uint32_t)(me * 2654435761u + 1);
    for (long i = 0; i < rounds; i++) {
        uint64_t v = me * 1000000 + (uint64_t)i;
        delay(&random);
        struct mn_chan *ch = chans[below(&random, CHANS)];
        int r;
        switch (below(&random, 7)) {
        case 0:
        case 1:
            count_sent(mn_chan_send_until(ch, &v, soon(&random)), v);
            break;
        case 2:
            count_sent(mn_chan_try_send(ch, &v), v);
            break;
        case 3:
        case 4:
            r = mn_chan_recv_until(ch, &v, soon(&random));
            count_received(r, v);
            break;
        case 5:
            r = mn_chan_try_recv(ch, &v);
            count_received(r, v);
            break;
        default:
            one_select(v, &random);
        }
    }
    return NULL;
}

static int all_ended;
static void *canceller(void *arg) {
    struct runner *r = arg;
    uint32_t random = 77;
    while (!__atomic_load_n(&all_ended, __ATOMIC_RELAXED)) {
        mn_thread t = r[random_next(&random) % THREADS].thread;
        nap_ms(1);
        if (random_next(&random) % 50 == 0)
            mn_cancel(t);
    }
    return NULL;
}

static void test(void) {
    rounds = (long)((kind == GREEN ? 4000 : 1000) * scale()) + 1;
    sent = received = 0;
    sends = failures = 0;
    all_ended = 0;
    mn_future_create(&stop_selecting);
    for (int i = 0; i < CHANS; i++)
        mn_chan_create(&chans[i], 8, capacities[i]);
    struct runner r[THREADS], c;
    for (uintptr_t i = 0; i < THREADS; i++)
        start(&r[i], worker, (void *)(i + 1));
    if (kind == GREEN)
        start(&c, canceller, r);
    /* As threads end, others would wait for ever for their like: what is stuck is closed. */
    for (long last = -1; last != __atomic_load_n(&sends, __ATOMIC_RELAXED);) {
        last = __atomic_load_n(&sends, __ATOMIC_RELAXED);
        nap_ms(300);
    }
    mn_future_set(stop_selecting, NULL);
    for (int i = 0; i < CHANS; i++)
        mn_chan_close(chans[i]);
    for (int i = 0; i < THREADS; i++)
        finish(&r[i]);
    __atomic_store_n(&all_ended, 1, __ATOMIC_RELAXED);
    if (kind == GREEN)
        finish(&c);
    for (int i = 0; i < CHANS; i++) {
        uint64_t v;
        while (mn_chan_try_recv(chans[i], &v) == 0)
            count_received(0, v);
    }
    is(failures, 0, "%s: no error that was not to be expected", kind_name[kind]);
    ok(sent == received && sends > 0, "%s: %ld elements, each received once or left", kind_name[kind], sends);
    int busy = 0;
    for (int i = 0; i < CHANS; i++)
        busy += mn_chan_destroy(chans[i]) != 0;
    is(busy, 0, "%s: nobody is left in a queue", kind_name[kind]);
    mn_future_release(stop_selecting);
}

int main(void) {
    kinds(test);
    return done();
}
