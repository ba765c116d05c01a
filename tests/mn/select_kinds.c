/* mn_select over events, semaphores and descriptors, beside channels and futures: by green threads, foreign
 * LWPs and both. */
#include "sync.h"

#include <fcntl.h>
#include <mn/io.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *k;

static struct mn_case event_case(struct mn_event *e) {
    struct mn_case c = {.kind = MN_CASE_EVENT, .error = 77};
    c.event = e;
    return c;
}

static struct mn_case sem_case(struct mn_sem *s) {
    struct mn_case c = {.kind = MN_CASE_SEM, .error = 77};
    c.sem = s;
    return c;
}

static struct mn_case fd_case(int fd, bool write) {
    struct mn_case c = {.kind = write ? MN_CASE_WRITABLE : MN_CASE_READABLE, .error = 77};
    c.fd = fd;
    return c;
}

static struct mn_case recv_case(struct mn_chan *ch, uint64_t *v) {
    struct mn_case c = {.kind = MN_CASE_RECV, .error = 77, .data = v};
    c.channel = ch;
    return c;
}

static void misuse(void) {
    struct mn_case c[] = {event_case(NULL), sem_case(NULL), fd_case(-1, false)};
    for (int i = 0; i < 3; i++)
        is(mn_select(&c[i], 1, 0), -EINVAL, "%s: nothing to wait for, %d", k, i);
    c[0] = fd_case(999, false); /* a number that nobody has, not even the runtime for its own sake */
    ok(mn_select(c, 1, 0) == 0 && c[0].error == -EBADF, "%s: a descriptor that is not open", k);
}

static void ready(void) {
    struct mn_event e = MN_EVENT_INIT;
    struct mn_sem s = MN_SEM_INIT(0);
    int p[2];
    if (pipe(p) < 0)
        abort();
    struct mn_case c[] = {event_case(&e), sem_case(&s), fd_case(p[0], false), {.kind = MN_CASE_NONE}};
    is(mn_select(c, 4, 0), -ETIMEDOUT, "%s: nothing", k);
    int64_t t = after_ms(5);
    ok(mn_select(c, 4, t) == -ETIMEDOUT && late(t), "%s: until the deadline", k);
    ok(mn_event_destroy(&e) == 0 && mn_sem_destroy(&s) == 0, "%s: nobody is left in a queue", k);
    mn_event_set(&e);
    ok(mn_select(c, 4, MN_FOREVER) == 0 && c[0].error == 0 && mn_event_is_set(&e),
       "%s: an event, which stays set", k);
    mn_event_reset(&e);
    mn_sem_post(&s);
    ok(mn_select(c, 4, MN_FOREVER) == 1 && c[1].error == 0 && mn_sem_value(&s) == 0,
       "%s: a unit, which is taken", k);
    is(mn_select(c, 4, 0), -ETIMEDOUT, "%s: it was the last", k);
    if (write(p[1], "x", 1) != 1)
        abort();
    ok(mn_select(c, 4, MN_FOREVER) == 2 && c[2].error == 0, "%s: a descriptor", k);
    is(mn_select(c, 4, 0), 2, "%s: from which nobody has read", k);
    c[3] = fd_case(p[1], true);
    mn_event_set(&e);
    mn_sem_post(&s);
    int seen[4] = {0};
    for (int i = 0; i < 400; i++) {
        int r = mn_select(c, 4, MN_FOREVER);
        if (r < 0)
            abort();
        seen[r]++;
        if (r == 1)
            mn_sem_post(&s);
    }
    ok(seen[0] > 30 && seen[1] > 30 && seen[2] > 30 && seen[3] > 30,
       "%s: all are ready, each is chosen: %d %d %d %d", k, seen[0], seen[1], seen[2], seen[3]);
    close(p[0]);
    close(p[1]);
}

static struct mn_event event;
static struct mn_sem sem;
static struct mn_chan *chan;
static struct mn_future *future;
static int begun, fds[2];

/* All kinds at once: which, and its error. */
static void *one_of_all(void *arg) {
    uint64_t v = 0;
    void *value = NULL;
    struct mn_case c[7] = {event_case(&event),     sem_case(&sem),
                           recv_case(chan, &v),    {.kind = MN_CASE_FUTURE, .data = &value},
                           fd_case(fds[0], false), event_case(&event),
                           fd_case(fds[0], false)};
    c[3].future = future;
    int64_t deadline = arg ? *(int64_t *)arg : after_ms(20000);
    set(&begun, 1);
    int r = mn_select(c, 7, deadline);
    return (void *)(intptr_t)(r < 0 ? r : c[r].error ? 100 : r);
}

static void *set_it(void *arg) {
    switch ((int)(intptr_t)arg) {
    case 0:
        mn_event_set(&event);
        break;
    case 1:
        mn_sem_post(&sem);
        break;
    case 2: {
        uint64_t v = 1;
        mn_chan_send(chan, &v);
        break;
    }
    case 3:
        mn_future_set(future, NULL);
        break;
    case 4:
        if (write(fds[1], "x", 1) != 1)
            abort();
    }
    return NULL;
}

static void fresh(bool ours) {
    mn_event_init(&event);
    mn_sem_init(&sem, 0);
    if (mn_chan_create(&chan, 8, 0) < 0 || mn_future_create(&future) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || (ours && mn_adopt(fds[0]) < 0))
        abort();
    set(&begun, 0);
}

static void done_with(bool ours) {
    ok(mn_event_destroy(&event) == 0 && mn_sem_destroy(&sem) == 0 && mn_chan_destroy(chan) == 0,
       "%s: no waiter is left", k);
    mn_future_release(future);
    if (ours)
        mn_close(fds[0]);
    else
        close(fds[0]);
    close(fds[1]);
}

static void waiting(void) {
    static const char *const names[] = {"event", "semaphore", "channel", "future", "descriptor"};
    for (int ours = 0; ours < 2; ours++)
        for (int i = 0; i < 5; i++) {
            fresh(ours);
            struct runner r;
            start(&r, one_of_all, NULL);
            until(&begun, 1);
            nap_ms(2);
            set_it((void *)(intptr_t)i);
            long got = (long)finish(&r);
            ok(i == 0   ? got == 0 || got == 5
               : i == 4 ? got == 4 || got == 6
                        : got == i,
               "%s: one of all: the %s, %ld", k, names[i], got);
            done_with(ours);
        }
    fresh(true);
    int64_t soon = after_ms(8);
    struct runner r;
    start(&r, one_of_all, &soon);
    is((long)finish(&r), -ETIMEDOUT, "%s: a deadline", k);
    ok(late(soon), "%s: not before", k);
    set(&begun, 0);
    start(&r, one_of_all, NULL);
    until(&begun, 1);
    nap_ms(2);
    mn_close(fds[0]);
    is((long)finish(&r), 100, "%s: the descriptor is closed", k);
    fds[0] = -1;
    done_with(false);
    if (kind == GREEN) {
        fresh(false);
        mn_thread t;
        void *result;
        mn_go(&t, one_of_all, NULL);
        until(&begun, 1);
        nap_ms(2);
        mn_cancel(t);
        mn_join(t, &result);
        is((long)result, -ECANCELED, "%s: cancelled", k);
        done_with(false);
    }
}

/*
 * Stress.  Givers send, post, write and settle after random delays; takers select over all of it.  Everything
 * is had by one, once, and nobody waits for what is there.
 */
enum { TAKERS = 3, GIVERS = 3, LINES = 2 };
static struct mn_chan *lines[LINES];
static struct mn_sem units;
static struct mn_event over;
static int wire[2], rounds, sent, had[4], early;

static void *give(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg + 17;
    for (int i = 0; i < rounds; i++) {
        uint64_t v = (uint64_t)i;
        switch (random_next(&random) % 4) {
        case 0:
            mn_chan_send(lines[0], &v);
            break;
        case 1:
            mn_chan_send(lines[1], &v);
            break;
        case 2:
            mn_sem_post(&units);
            break;
        default:
            if (mn_write(wire[1], "x", 1) != 1)
                abort();
        }
        add(&sent, 1);
        if (random_next(&random) % 8 == 0)
            mn_select(NULL, 0, now() + random_next(&random) % 200000);
    }
    return NULL;
}

static void *take(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg + 5;
    for (;;) {
        uint64_t v;
        struct mn_case c[] = {recv_case(lines[0], &v), recv_case(lines[1], &v), sem_case(&units),
                              fd_case(wire[0], false), event_case(&over)};
        int64_t deadline = random_next(&random) % 3 ? after_ms(20000) : now() + random_next(&random) % 100000;
        int r = mn_select(c, 5, deadline);
        if (r == 4) /* the last: nothing is left, as far as the others did not take it */
            return NULL;
        if (r == 3) {
            char b;
            long n = mn_read_until(wire[0], &b, 1, 0); /* another may have been faster */
            if (n == 1)
                add(&had[3], 1);
        } else if (r >= 0) {
            add(&had[r], 1);
        } else if (r != -ETIMEDOUT || !late(deadline)) {
            add(&early, 1);
        }
    }
}

static int all(void) {
    return get(&had[0]) + get(&had[1]) + get(&had[2]) + get(&had[3]);
}

static void stress(void) {
    struct runner g[GIVERS], t[TAKERS];
    rounds = (int)(300 * scale()) + 1;
    sent = early = 0;
    memset(had, 0, sizeof had);
    mn_event_init(&over);
    mn_sem_init(&units, 0);
    if (mn_chan_create(&lines[0], 8, 0) < 0 || mn_chan_create(&lines[1], 8, 4) < 0 || pipe(wire) < 0 ||
        mn_adopt(wire[0]) < 0 || mn_adopt(wire[1]) < 0)
        abort();
    for (int i = 0; i < TAKERS; i++)
        start(&t[i], take, (void *)(intptr_t)i);
    for (int i = 0; i < GIVERS; i++)
        start(&g[i], give, (void *)(intptr_t)i);
    for (int i = 0; i < GIVERS; i++)
        finish(&g[i]);
    for (int i = 0; i < 20000 && all() < sent; i++)
        nap_ms(1);
    is(all(), GIVERS * rounds, "%s: all that was given was had: %d, %d, %d units, %d bytes", k, had[0], had[1],
       had[2], had[3]);
    mn_event_set(&over);
    for (int i = 0; i < TAKERS; i++)
        finish(&t[i]);
    is(early, 0, "%s: no deadline came early", k);
    ok(mn_chan_destroy(lines[0]) == 0 && mn_chan_destroy(lines[1]) == 0 && mn_sem_destroy(&units) == 0 &&
           mn_event_destroy(&over) == 0,
       "%s: no waiter is left", k);
    mn_close(wire[0]);
    mn_close(wire[1]);
}

/* Two selects that meet in a channel without room, both with a descriptor: each may come before the other
 * waits. */
static struct mn_chan *meet;
static int idle_fds[2];

static void *meeting(void *arg) {
    bool sends = arg != NULL;
    for (int i = 0; i < rounds; i++) {
        uint64_t v = (uint64_t)i;
        struct mn_case c[2] = {recv_case(meet, &v), fd_case(idle_fds[0], false)};
        c[0].kind = sends ? MN_CASE_SEND : MN_CASE_RECV;
        int r = mn_select(c, 2, after_ms(20000));
        if (r != 0 || c[0].error || v != (uint64_t)i)
            return (void *)(intptr_t)(1000 + r);
    }
    return NULL;
}

static void rendezvous(void) {
    struct runner a, b;
    if (mn_chan_create(&meet, 8, 0) < 0 || pipe(idle_fds) < 0)
        abort();
    rounds = (int)(3000 * scale()) + 1;
    start(&a, meeting, NULL);
    start(&b, meeting, meet);
    ok(finish(&a) == NULL && finish(&b) == NULL, "%s: %d meetings of two selects", k, rounds);
    mn_chan_destroy(meet);
    close(idle_fds[0]);
    close(idle_fds[1]);
}

static void test(void) {
    k = kind_name[kind];
    misuse();
    ready();
    waiting();
    stress();
    rendezvous();
}

/* Without a runtime nobody but the caller looks at descriptors. */
static void *later(void *arg) {
    nap_ms(5);
    return set_it(arg);
}

static void without_runtime(void) {
    k = "no runtime";
    kind = FOREIGN;
    for (int i = 0; i < 5; i++) {
        fresh(false);
        struct runner r;
        start(&r, later, (void *)(intptr_t)i);
        long got = (long)one_of_all(NULL);
        ok(i == 0   ? got == 0 || got == 5
           : i == 4 ? got == 4 || got == 6
                    : got == i,
           "%s: one of all, %d: %ld", k, i, got);
        finish(&r);
        done_with(false);
    }
    int64_t soon = after_ms(4);
    fresh(false);
    ok((long)one_of_all(&soon) == -ETIMEDOUT && late(soon), "%s: a deadline", k);
    done_with(false);
}

int main(void) {
    without_runtime();
    kinds(test);
    return done();
}
