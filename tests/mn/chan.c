/* Channels: what each call promises, by green threads, foreign LWPs and both. */
#include <errno.h>

#include "kinds.h"

static struct mn_chan *new(size_t size, size_t capacity) {
    struct mn_chan *ch = NULL;
    if (mn_chan_create(&ch, size, capacity) < 0)
        abort();
    return ch;
}

static void test_misuse(void) {
    struct mn_chan *ch = NULL;
    uint64_t v = 0;
    is(mn_chan_create(NULL, 8, 1), -EINVAL, "create: nowhere to store it");
    is(mn_chan_create(&ch, (size_t)1 << 30, 1), -EINVAL, "create: elements are too large");
    is(mn_chan_create(&ch, 8, (size_t)1 << 61), -ENOMEM, "create: more bytes than a size_t counts");
    ok(ch == NULL, "no channel was stored");
    is(mn_chan_send(NULL, &v), -EINVAL, "send: NULL");
    is(mn_chan_recv(NULL, &v), -EINVAL, "recv: NULL");
    is(mn_chan_try_send(NULL, &v), -EINVAL, "try_send: NULL");
    is(mn_chan_close(NULL), -EINVAL, "close: NULL");
    is(mn_chan_destroy(NULL), -EINVAL, "destroy: NULL");
    is((long)mn_chan_len(NULL), 0, "len: NULL");
    ch = new(8, 1);
    is(mn_chan_send(ch, NULL), -EINVAL, "send: no element");
    is(mn_chan_recv(ch, NULL), -EINVAL, "recv: no place");
    is((long)mn_chan_capacity(ch), 1, "capacity");
    mn_chan_destroy(ch);
    ch = new(0, 5);
    is(mn_chan_send(ch, NULL), 0, "elements without a size need no place");
    is((long)mn_chan_len(ch), 1, "but are counted");
    is(mn_chan_recv(ch, NULL), 0, "and received");
    mn_chan_destroy(ch);
}

/* Many laps of a ring, never empty at the seam. */
static int order_is_kept(size_t size, size_t capacity, unsigned total) {
    struct mn_chan *ch = new(size, capacity);
    unsigned char *element = malloc(size + 1);
    unsigned sent = 0, got = 0;
    int good = 1;
    while (got < total) {
        while (sent < total && sent - got < capacity) {
            memset(element, (int)(sent * 7 % 251), size);
            good &= mn_chan_try_send(ch, element) == 0;
            sent++;
        }
        good &= capacity == MN_CHAN_UNBOUNDED || sent == total || mn_chan_try_send(ch, element) == -EAGAIN;
        good &= mn_chan_len(ch) == sent - got;
        for (unsigned take = (unsigned)(capacity == MN_CHAN_UNBOUNDED ? total : capacity / 2 + 1);
             take > 0 && got < sent; take--) {
            memset(element, 255, size + 1);
            good &= mn_chan_try_recv(ch, element) == 0;
            for (size_t i = 0; i < size; i++)
                good &= element[i] == got * 7 % 251;
            good &= element[size] == 255;
            got++;
        }
    }
    good &= mn_chan_try_recv(ch, element) == -EAGAIN;
    mn_chan_send(ch, element); /* destroyed with something in it */
    good &= mn_chan_destroy(ch) == 0;
    free(element);
    return good;
}

static void test_order(void) {
    static const size_t sizes[] = {0, 1, 2, 3, 4, 8, 16, 24, 1000, 5000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ok(order_is_kept(sizes[i], 1, 20) && order_is_kept(sizes[i], 7, 100) &&
               order_is_kept(sizes[i], 64, 1000),
           "%s: a ring of elements of %zu bytes", kind_name[kind], sizes[i]);
        ok(order_is_kept(sizes[i], MN_CHAN_UNBOUNDED, 3000),
           "%s: an unbounded channel of elements of %zu bytes", kind_name[kind], sizes[i]);
    }
}

static void *send_one(void *arg) {
    struct mn_chan *ch = arg;
    uint64_t v = 42;
    return (void *)(intptr_t)mn_chan_send(ch, &v);
}

static void *recv_one(void *arg) {
    struct mn_chan *ch = arg;
    uint64_t v = 0;
    int r = mn_chan_recv(ch, &v);
    return (void *)(intptr_t)(r < 0 ? r : (int)v);
}

static void test_rendezvous(void) {
    struct mn_chan *ch = new(8, 0);
    uint64_t v = 7;
    struct runner r;
    is(mn_chan_try_send(ch, &v), -EAGAIN, "%s: rendezvous: nobody receives", kind_name[kind]);
    is(mn_chan_try_recv(ch, &v), -EAGAIN, "nobody sends");
    start(&r, recv_one, ch);
    until_waits(&r);
    is(mn_chan_destroy(ch), -EBUSY, "a channel that is waited for cannot be destroyed");
    while (mn_chan_try_send(ch, &v) == -EAGAIN)
        nap_ms(1);
    is((long)finish(&r), 7, "a waiting receiver gets it");
    start(&r, send_one, ch);
    until_waits(&r);
    is((long)mn_chan_len(ch), 0, "what a waiting sender sends is not in the channel");
    v = 0;
    is(mn_chan_recv(ch, &v), 0, "a waiting sender is taken from");
    is((long)v, 42, "what it sends");
    is((long)finish(&r), 0, "and its send is complete");
    start(&r, send_one, ch);
    while (mn_chan_try_recv(ch, &v) == -EAGAIN)
        nap_ms(1);
    is((long)finish(&r), 0, "also by try_recv");
    is(mn_chan_destroy(ch), 0, "destroy");
}

static void test_deadline(void) {
    for (int capacity = 0; capacity < 2; capacity++) {
        struct mn_chan *ch = new(8, (size_t)capacity);
        uint64_t v = 5;
        is(mn_chan_recv_until(ch, &v, 0), -ETIMEDOUT, "%s, capacity %d: a deadline in the past",
           kind_name[kind], capacity);
        is(mn_chan_recv_until(ch, &v, INT64_MIN), -ETIMEDOUT, "in a far past");
        int64_t t = now();
        is(mn_chan_recv_until(ch, &v, after_ms(20)), -ETIMEDOUT, "a deadline");
        ok(now() - t >= 20000000, "not before its time");
        is((long)v, 5, "nothing was stored");
        if (capacity)
            is(mn_chan_send_until(ch, &v, 0), 0, "what need not wait succeeds after any deadline");
        is(mn_chan_send_until(ch, &v, after_ms(2)), -ETIMEDOUT, "send: a deadline");
        is(mn_chan_send_until(ch, &v, 0), -ETIMEDOUT, "send: a deadline in the past");
        is((long)mn_chan_len(ch), capacity, "it was not sent");
        if (capacity)
            is(mn_chan_recv_until(ch, &v, 0), 0, "receive after any deadline");
        struct runner r;
        start(&r, send_one, ch);
        is(mn_chan_recv_until(ch, &v, after_ms(20000)), 0, "in time");
        is((long)v, 42, "the element");
        finish(&r);
        is(mn_chan_destroy(ch), 0, "nobody is left in a queue");
    }
}

static void test_close(void) {
    struct mn_chan *ch = new(8, 4);
    uint64_t v;
    for (v = 1; v <= 3; v++)
        mn_chan_send(ch, &v);
    is(mn_chan_close(ch), 0, "%s: close", kind_name[kind]);
    is(mn_chan_close(ch), -EALREADY, "close again");
    is(mn_chan_send(ch, &v), -EPIPE, "send");
    is(mn_chan_try_send(ch, &v), -EPIPE, "try_send");
    is(mn_chan_send_until(ch, &v, 0), -EPIPE, "send_until");
    for (uint64_t i = 1; i <= 3; i++)
        ok(mn_chan_recv(ch, &v) == 0 && v == i, "what was in it is received");
    is(mn_chan_recv(ch, &v), -EPIPE, "and then nothing");
    is(mn_chan_try_recv(ch, &v), -EPIPE, "nor by try_recv");
    mn_chan_destroy(ch);

    for (int sending = 0; sending < 2; sending++) {
        enum { WAITERS = 5 };
        struct runner r[WAITERS];
        ch = new(8, sending ? 1 : 0);
        v = 9;
        if (sending)
            mn_chan_send(ch, &v);
        for (int i = 0; i < WAITERS; i++)
            start(&r[i], sending ? send_one : recv_one, ch);
        for (int i = 0; i < WAITERS; i++)
            until_waits(&r[i]);
        mn_chan_close(ch);
        int good = 0;
        for (int i = 0; i < WAITERS; i++)
            good += (intptr_t)finish(&r[i]) == -EPIPE;
        is(good, WAITERS, "close wakes every %s", sending ? "sender" : "receiver");
        is((long)mn_chan_len(ch), sending, "nothing of theirs came in");
        is(mn_chan_destroy(ch), 0, "destroy");
    }
}

/* A worker that receives one, says so, and then has other things to do. */
static struct mn_chan *work, *taken, *go_on;
static void *take_one(void *arg) {
    (void)arg;
    uint64_t v;
    if (mn_chan_recv(work, &v) < 0)
        return NULL;
    mn_chan_send(taken, &v);
    mn_chan_recv(go_on, &v);
    return NULL;
}

/* Elements that went into the buffer while a woken receiver was on its way do not stay there. */
static void test_none_is_left(void) {
    enum { WORKERS = 12 };
    struct runner r[WORKERS];
    work = new(8, 32), taken = new(8, WORKERS), go_on = new(8, 0);
    for (int i = 0; i < WORKERS; i++)
        start(&r[i], take_one, NULL);
    for (int i = 0; i < WORKERS; i++)
        until_waits(&r[i]);
    for (uint64_t v = 0; v < WORKERS; v++)
        mn_chan_send(work, &v);
    int got = 0;
    for (uint64_t v; got < WORKERS && mn_chan_recv_until(taken, &v, after_ms(30000)) == 0;)
        got++;
    is(got, WORKERS, "%s: each waiting receiver gets one, though those before it do not come back",
       kind_name[kind]);
    mn_chan_close(go_on);
    mn_chan_close(work);
    for (int i = 0; i < WORKERS; i++)
        finish(&r[i]);
    is(mn_chan_destroy(work), 0, "destroy");
    mn_chan_destroy(taken);
    mn_chan_destroy(go_on);
}

/* The same of senders: each slot that is free is used, though the sender before does not come back. */
static void *put_one(void *arg) {
    (void)arg;
    uint64_t v = 1;
    mn_chan_send(work, &v);
    mn_chan_send(taken, &v);
    mn_chan_recv(go_on, &v);
    return NULL;
}

static void test_no_slot_is_left(void) {
    enum { WORKERS = 12, SLOTS = 16 };
    struct runner r[WORKERS];
    work = new(8, SLOTS), taken = new(8, WORKERS), go_on = new(8, 0);
    uint64_t v = 0;
    for (int i = 0; i < SLOTS; i++)
        mn_chan_send(work, &v);
    for (int i = 0; i < WORKERS; i++)
        start(&r[i], put_one, NULL);
    for (int i = 0; i < WORKERS; i++)
        until_waits(&r[i]);
    for (int i = 0; i < WORKERS; i++)
        mn_chan_recv(work, &v);
    int put = 0;
    while (put < WORKERS && mn_chan_recv_until(taken, &v, after_ms(30000)) == 0)
        put++;
    is(put, WORKERS, "%s: each waiting sender gets a slot, though those before it do not come back",
       kind_name[kind]);
    is((long)mn_chan_len(work), SLOTS, "the channel is full again");
    mn_chan_close(go_on);
    for (int i = 0; i < WORKERS; i++)
        finish(&r[i]);
    is(mn_chan_destroy(work), 0, "destroy");
    mn_chan_destroy(taken);
    mn_chan_destroy(go_on);
}

/* Many to many: everything once, and in order as far as one sender and one receiver are concerned. */
enum { SENDERS = 6, RECEIVERS = 5 };
static unsigned each;
static unsigned char *seen[SENDERS];
static int out_of_order;

static void *sender(void *arg) {
    uint64_t v = (uint64_t)(uintptr_t)arg << 32;
    for (unsigned i = 0; i < each; i++, v++)
        if (mn_chan_send(work, &v) < 0)
            abort();
    return NULL;
}

static void *receiver(void *arg) {
    (void)arg;
    uint32_t next[SENDERS] = {0};
    uint64_t v;
    while (mn_chan_recv(work, &v) == 0) {
        uint32_t from = (uint32_t)(v >> 32), number = (uint32_t)v;
        if (number < next[from])
            __atomic_fetch_add(&out_of_order, 1, __ATOMIC_RELAXED);
        next[from] = number + 1;
        __atomic_fetch_add(&seen[from][number], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_many(void) {
    static const size_t capacities[] = {0, 1, 2, 16, 1000, MN_CHAN_UNBOUNDED};
    each = (unsigned)((kind == GREEN ? 5000 : 500) * scale()) + 1;
    for (unsigned c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        struct runner s[SENDERS], r[RECEIVERS];
        work = new(8, capacities[c]);
        out_of_order = 0;
        for (uintptr_t i = 0; i < SENDERS; i++)
            seen[i] = calloc(each, 1);
        for (int i = 0; i < RECEIVERS; i++)
            start(&r[i], receiver, NULL);
        for (uintptr_t i = 0; i < SENDERS; i++)
            start(&s[i], sender, (void *)i);
        for (int i = 0; i < SENDERS; i++)
            finish(&s[i]);
        mn_chan_close(work);
        for (int i = 0; i < RECEIVERS; i++)
            finish(&r[i]);
        unsigned wrong = 0;
        for (int i = 0; i < SENDERS; i++) {
            for (unsigned k = 0; k < each; k++)
                wrong += seen[i][k] != 1;
            free(seen[i]);
        }
        is(wrong, 0, "%s, capacity %ld: each element is received once", kind_name[kind], (long)capacities[c]);
        is(out_of_order, 0, "each sender's order is kept");
        is(mn_chan_destroy(work), 0, "destroy");
    }
}

static void all(void) {
    test_order();
    test_rendezvous();
    test_deadline();
    test_close();
    test_none_is_left();
    test_no_slot_is_left();
    test_many();
}

/* Cancellation is of green threads. */
static struct mn_chan *never;
static int results[4];

static void *cancelled(void *arg) {
    uint64_t v = 1;
    results[0] = arg ? mn_chan_send(never, &v) : mn_chan_recv(never, &v);
    results[1] = mn_chan_send(work, &v);
    results[2] = mn_chan_try_send(work, &v);
    mn_shield(true);
    results[3] = mn_chan_recv(work, &v);
    mn_shield(false);
    return NULL;
}

static int test_cancel(void *arg) {
    (void)arg;
    for (intptr_t sending = 0; sending < 2; sending++) {
        never = new(8, 0), work = new(8, 4);
        mn_thread t;
        mn_go(&t, cancelled, (void *)sending);
        until_thread_waits(t);
        mn_cancel(t);
        mn_join(t, NULL);
        is(results[0], -ECANCELED, "a %s that waits is cancelled", sending ? "sender" : "receiver");
        is(results[1], -ECANCELED, "and so is its next call, though it need not wait");
        is(results[2], 0, "try_send does not wait, and is not");
        is(results[3], 0, "nor is a shielded call");
        is(mn_chan_destroy(never), 0, "nobody is left in the queue");
        mn_chan_destroy(work);
    }
    return 0;
}

int main(void) {
    test_misuse();
    kinds(all);
    mn_run(test_cancel, NULL, NULL);
    return done();
}
