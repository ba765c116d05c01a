/*
 * Kqueues under many threads at once: adding, deleting, triggering, enabling, closing descriptors and kqueues,
 * while others wait. Nothing that was triggered once and for all is lost, nothing is reported for what is gone,
 * nobody is left waiting.
 */
/* timeout: 120 */
#include "kq.h"

enum { NOTES = 16, WORKERS = 6 };

static const char *k;
static int kq, stop, wrong, rounds;
static int triggered[NOTES], seen[NOTES];
static int done_workers;

/* Triggers notes that stay: each trigger is followed by an event. */
static void *triggers(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        int n = (int)(random_next(&state) % NOTES);
        add(&triggered[n], 1);
        if (change(kq, (uintptr_t)n, EVFILT_USER, 0, NOTE_TRIGGER, 0) != 0)
            add(&wrong, 1);
        if (i % 16 == 0)
            nap_ms(0);
    }
    add(&done_workers, 1);
    return NULL;
}

/* Makes and drops notes of its own, of every kind. */
static void *churns(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    uintptr_t own = 1000 + (uintptr_t)arg * 100;
    int p[2] = {-1, -1};
    for (int i = 0; i < rounds; i++) {
        uintptr_t n = own + random_next(&state) % 8;
        int r = 0;
        switch (random_next(&state) % 8) {
        case 0:
            r = change(kq, n, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0);
            break;
        case 1:
            r = change(kq, n, EVFILT_USER, EV_DELETE, 0, 0);
            break;
        case 2:
            r = change(kq, n, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 1 + random_next(&state) % 300);
            break;
        case 3:
            r = change(kq, n, EVFILT_TIMER, EV_DELETE, 0, 0);
            break;
        case 4:
            if (p[0] < 0 && pipe(p) < 0)
                abort();
            r = change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ADD | (random_next(&state) % 2 ? EV_CLEAR : 0), 0,
                       0);
            break;
        case 5:
            if (p[0] >= 0 && write(p[1], "x", 1) != 1)
                abort();
            break;
        case 6:
            if (p[0] >= 0) {
                close(p[0]);
                close(p[1]);
                p[0] = p[1] = -1;
            }
            break;
        case 7:
            if (p[0] >= 0)
                r = change(kq, (uintptr_t)p[0], EVFILT_READ, random_next(&state) % 2 ? EV_DISABLE : EV_ENABLE,
                           0, 0);
            break;
        }
        if (r != 0 && r != -ENOENT)
            add(&wrong, 1);
        if (i % 64 == 0)
            nap_ms(0);
    }
    for (uintptr_t n = own; n < own + 8; n++)
        change(kq, n, EVFILT_TIMER, EV_DELETE, 0, 0);
    if (p[0] >= 0) {
        close(p[0]);
        close(p[1]);
    }
    add(&done_workers, 1);
    return NULL;
}

static void raise_to(int *p, int value) {
    int old = get(p);
    while (old < value &&
           !__atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
}

static void *listens(void *arg) {
    struct kevent e[4];
    (void)arg;
    for (;;) {
        int n = mn_kevent_until(kq, NULL, 0, e, 1 + (int)((uintptr_t)arg & 3), after_ms(20000));
        /* A trigger that is counted after this look has an event of its own. */
        if (n <= 0) {
            if (n != -EBADF)
                add(&wrong, 1);
            return NULL;
        }
        for (int i = 0; i < n; i++) {
            if (e[i].flags & EV_ERROR)
                add(&wrong, 1);
            if (e[i].filter == EVFILT_USER && e[i].ident < NOTES) {
                raise_to(&seen[e[i].ident], get(&triggered[e[i].ident]));
            }
        }
    }
}

static void busy(void) {
    struct runner w[WORKERS], l[3];
    kq = mn_kqueue();
    wrong = stop = done_workers = 0;
    rounds = (int)(1000 * scale());
    for (int i = 0; i < NOTES; i++) {
        triggered[i] = seen[i] = 0;
        change(kq, (uintptr_t)i, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
    }
    for (int i = 0; i < 3; i++)
        start(&l[i], listens, (void *)(uintptr_t)i);
    for (int i = 0; i < WORKERS; i++)
        start(&w[i], i % 2 ? churns : triggers, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < WORKERS; i++)
        finish(&w[i]);
    /* Each note's last trigger is seen, by somebody, in the end. */
    int64_t bound = after_ms(20000);
    int lost = 0;
    for (int i = 1; i < NOTES; i++) {
        while (get(&seen[i]) < get(&triggered[i]) && now() < bound)
            nap_ms(1);
        lost += get(&seen[i]) < get(&triggered[i]);
    }
    mn_close(kq);
    for (int i = 0; i < 3; i++)
        finish(&l[i]);
    ok(lost == 0 && wrong == 0, "%s: %d lost, %d wrong", k, lost, wrong);
}

/* One event for each trigger, when the note is disabled by it (EV_DISPATCH) and enabled by who took it. */
static int taken;

static void *takes(void *arg) {
    struct kevent e;
    (void)arg;
    while (mn_kevent_until(kq, NULL, 0, &e, 1, after_ms(20000)) == 1) {
        if (e.ident == 2)
            return NULL;
        add(&taken, 1);
    }
    add(&wrong, 1);
    return NULL;
}

static void exactly_once(void) {
    struct runner t[4];
    kq = mn_kqueue();
    wrong = taken = 0;
    int n = (int)(200 * scale());
    for (int i = 0; i < 4; i++)
        start(&t[i], takes, NULL);
    for (int i = 0; i < n; i++) {
        change(kq, 1, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0);
        until(&taken, i + 1);
    }
    nap_ms(2);
    is(get(&taken), n, "%s: each event to one of four", k);
    change(kq, 2, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0);
    for (int i = 0; i < 4; i++)
        finish(&t[i]);
    is(wrong, 0, "%s: all have come back", k);
    mn_close(kq);
}

/* Two threads wake each other; nobody else would make up for a wake-up that is lost. */
static int ping, pong, turns;

static int turn(int mine, int other, bool first) {
    struct kevent e;
    for (int i = 0; i < turns; i++) {
        if (first && change(other, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0) != 0)
            return i;
        if (mn_kevent_until(mine, NULL, 0, &e, 1, after_ms(20000)) != 1 || e.ident != 1)
            return i;
        if (!first && change(other, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0) != 0)
            return i;
    }
    return turns;
}

static void *second(void *arg) {
    set(arg, turn(pong, ping, false));
    return NULL;
}

static void by_turns(bool with_descriptors) {
    struct runner r;
    int p[2], its = 0;
    if (pipe(p) < 0)
        abort();
    ping = mn_kqueue();
    pong = mn_kqueue();
    turns = (int)((kind == GREEN ? 10000 : 500) * scale());
    for (int i = 0; i < 2; i++) {
        change(i ? ping : pong, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
        if (with_descriptors)
            change(i ? ping : pong, (uintptr_t)p[0], EVFILT_READ, EV_ADD, 0, 0);
    }
    start(&r, second, &its);
    int mine = turn(ping, pong, true);
    finish(&r);
    ok(mine == turns && get(&its) == turns, "%s: by turns%s", k,
       with_descriptors ? ", beside descriptors" : "");
    mn_close(ping);
    mn_close(pong);
    close(p[0]);
    close(p[1]);
}

/* The same, each on a CPU of its own. */
static void *first(void *arg) {
    set(arg, turn(ping, pong, true));
    return NULL;
}

static int across(void *arg) {
    struct mn_attr attr = {.flags = MN_PINNED | MN_CPU};
    mn_thread t[2];
    int its[2] = {0};
    (void)arg;
    ping = mn_kqueue();
    pong = mn_kqueue();
    turns = (int)(20000 * scale());
    for (int i = 0; i < 2; i++)
        change(i ? ping : pong, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
    for (int i = 0; i < 2; i++) {
        attr.cpu = i ? mn_workers() - 1 : 0;
        if (mn_go_attr(&t[i], &attr, i ? second : first, &its[i]) < 0)
            abort();
    }
    for (int i = 0; i < 2; i++)
        mn_join(t[i], NULL);
    ok(get(&its[0]) == turns && get(&its[1]) == turns, "by turns, on two CPUs: %d, %d", its[0], its[1]);
    mn_close(ping);
    mn_close(pong);
    return 0;
}

/* Kqueues come and go under those who use them. */
static int current;

static void *uses(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    struct kevent e;
    while (!get(&stop)) {
        int q = get(&current), r;
        if (random_next(&state) % 2) {
            r = mn_kevent_until(q, NULL, 0, &e, 1, now() + random_next(&state) % 200000);
        } else {
            r = change(q, random_next(&state) % 4, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER, 0);
            change(q, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, 10);
        }
        if (r < 0 && r != -EBADF)
            add(&wrong, 1);
    }
    return NULL;
}

static void come_and_go(void) {
    struct runner u[4];
    wrong = stop = 0;
    set(&current, mn_kqueue());
    for (int i = 0; i < 4; i++)
        start(&u[i], uses, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < (int)(200 * scale()); i++) {
        int new = mn_kqueue(), old = get(&current);
        set(&current, new);
        if (i % 4)
            nap_ms(0);
        if (i % 2 ? mn_close(old) : close(old))
            add(&wrong, 1);
    }
    set(&stop, 1);
    for (int i = 0; i < 4; i++)
        finish(&u[i]);
    mn_close(get(&current));
    is(wrong, 0, "%s: kqueues that come and go", k);
}

static void test(void) {
    k = kind_name[kind];
    busy();
    exactly_once();
    by_turns(false);
    by_turns(true);
    come_and_go();
}

int main(void) {
    kinds(test);
    mn_run(across, NULL, NULL);
    return done();
}
