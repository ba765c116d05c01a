/* workers: 1 2 64 */
/*
 * Random mixes of everything that starts, moves and ends threads, by green threads, bound ones and foreign
 * LWPs.  Threads wake and cancel each other by handles that may be long stale.  Every thread has to run once,
 * to its end; every join gives the result of the thread that was started, and every handle can be joined or
 * detached once.
 */
#include <mn.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "mn/procfs.h"
#include "random.h"
#include "tap.h"

#ifndef SPIN
#define SPIN 500
#define PREPARE()
#endif

enum { KNOWN = 256, OWN = 16 };

static _Atomic mn_thread known[KNOWN]; /* handles of some threads, alive or not */
static atomic_long budget;             /* threads that may still be started */
static atomic_long started, ended, joined, detached, wrong;

static void *actor(void *arg);

/* The first few are printed. */
static void complain(const char *what, long got) {
    if (atomic_fetch_add(&wrong, 1) < 5) {
        printf("# %s: %ld\n", what, got);
        fflush(stdout);
    }
}

static mn_thread any(uint32_t *r) {
    return atomic_load(&known[random_next(r) % KNOWN]);
}

static int64_t soon(uint32_t *r) {
    switch (random_next(r) % 4) {
        case 0: return mn_now();
        case 1: return mn_after((int64_t)(random_next(r) % 2000));
        case 2: return mn_after((int64_t)(random_next(r) % 50000));
        default: return mn_after((int64_t)(random_next(r) % 300000));
    }
}

struct own {
    mn_thread thread;
    uintptr_t arg;
};

/* An argument that says how deep the thread may start others, and that no other thread has. */
static uintptr_t new_arg(unsigned depth) {
    static atomic_uint_fast64_t number;
    return (uintptr_t)(atomic_fetch_add(&number, 1) << 4 | depth);
}

static bool start(uint32_t *r, struct own *o, unsigned depth, unsigned workers) {
    if (atomic_fetch_sub(&budget, 1) <= 0)
        return false;
    struct mn_attr a = {.priority = (enum mn_priority)(random_next(r) % 3)};
    unsigned x = (unsigned)random_next(r);
    if (x % 4 == 0)
        a.stack = (enum mn_stack)(x / 4 % 3 * (x / 64 % 16 == 0 ? 2 : 1) % 5);
    switch (x / 256 % 16) {
        case 0: a.flags = MN_PINNED; break;
        case 1: a.flags = MN_PINNED | MN_CPU; break;
        case 2: a.flags = MN_CPU; break;
        case 3:
        case 4: a.flags = MN_CHILD_FIRST; break;
        case 5: a.flags = MN_CHILD_FIRST | MN_CPU; break;
        case 6: a.flags = x / 4096 % 8 ? 0 : MN_BOUND; break;
        default: break;
    }
    if (a.flags & MN_CPU)
        a.cpu = (unsigned)random_next(r) % workers;
    bool alone = x / 65536 % 8 == 0;
    if (alone)
        a.flags |= MN_DETACHED;
    o->arg = new_arg(depth);
    int got = mn_go_attr(&o->thread, &a, actor, (void *)o->arg);
    if (got != 0) {
        complain("mn_go_attr", got);
        return false;
    }
    atomic_fetch_add(&started, 1);
    atomic_store(&known[random_next(r) % KNOWN], o->thread);
    if (alone)
        atomic_fetch_add(&detached, 1);
    return !alone;
}

/* Whether the thread is joined now. */
static bool join(struct own *o, int64_t deadline) {
    void *result = NULL;
    int got = mn_join_until(o->thread, &result, deadline);
    if (got == -ETIMEDOUT || got == -ECANCELED)
        return false;
    if (got != 0)
        complain("mn_join_until", got);
    else if ((uintptr_t)result != o->arg + 1)
        complain("another thread's result", (long)((uintptr_t)result - o->arg));
    if (mn_join_until(o->thread, NULL, mn_now()) != -ESRCH)
        complain("joined twice", 0);
    atomic_fetch_add(&joined, 1);
    return true;
}

static void is_one_of(const char *what, int got, int a, int b, int c) {
    if (got != a && got != b && got != c)
        complain(what, got);
}

static void deferred(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void act(uint32_t *r, unsigned depth, bool foreign) {
    struct own own[OWN];
    unsigned n = 0, workers = mn_workers();
    unsigned turns = (unsigned)random_next(r) % 30 + (depth >= 3 ? 40 : 5);
    for (unsigned i = 0; i < turns; i++) {
        unsigned k = n ? (unsigned)random_next(r) % n : 0;
        mn_thread other = any(r);
        switch (random_next(r) % 12) {
            case 0:
            case 1:
            case 2:
                if (depth && n < OWN && start(r, &own[n], depth - 1, workers))
                    n++;
                break;
            case 3: is_one_of("mn_yield", mn_yield(), 0, -ECANCELED, 0); break;
            case 4: is_one_of("mn_sleep_until", mn_sleep_until(soon(r)), 0, -ECANCELED, 0); break;
            case 5:
                if (!foreign)
                    is_one_of("mn_park_until", mn_park_until("stress", soon(r)), 0, -ECANCELED, -ETIMEDOUT);
                break;
            case 6:
            case 7:
                if (other)
                    is_one_of("mn_unpark", mn_unpark(other), 0, -ESRCH, 0);
                break;
            case 8:
                if (other && random_next(r) % 8 == 0)
                    is_one_of("mn_cancel", mn_cancel(other), 0, -ESRCH, 0);
                break;
            case 9:
                if (n && join(&own[k], soon(r)))
                    own[k] = own[--n];
                break;
            case 10:
                if (n && random_next(r) % 4 == 0) {
                    int got = mn_detach(own[k].thread);
                    if (got != 0)
                        complain("mn_detach", got);
                    atomic_fetch_add(&detached, 1);
                    own[k] = own[--n];
                }
                break;
            default:
                for (volatile unsigned spin = (unsigned)random_next(r) % SPIN; spin; spin--)
                    continue;
                break;
        }
    }
    bool was = mn_shield(true);
    while (n) {
        if (random_next(r) % 2)
            mn_cancel(own[n - 1].thread);
        if (join(&own[n - 1], random_next(r) % 2 ? MN_FOREVER : soon(r)))
            n--;
    }
    if (!foreign)
        mn_shield(was);
}

static void *actor(void *arg) {
    uint32_t r = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    atomic_int ran = 0;
    mn_thread self = mn_self();
    bool defers = random_next(&r) % 4 == 0;
    if (defers)
        mn_defer(deferred, &ran);
    act(&r, (unsigned)(uintptr_t)arg % 16, false);
    if (mn_self() != self)
        complain("mn_self changed", 0);
    if (defers && (mn_undefer(true) != 0 || atomic_load(&ran) != 1))
        complain("deferred function", atomic_load(&ran));
    atomic_fetch_add(&ended, 1);
    void *result = (void *)((uintptr_t)arg + 1);
    if (random_next(&r) % 4 == 0)
        mn_exit(result);
    return result;
}

static atomic_int foreign_ended;

static void *foreign_actor(void *arg) {
    uint32_t r = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    while (atomic_load(&budget) > 0)
        act(&r, 2, true);
    atomic_fetch_add(&foreign_ended, 1);
    return NULL;
}

static void check(const char *how) {
    is(atomic_load(&started), atomic_load(&ended), "%s: every thread ran to its end, once", how);
    ok(atomic_load(&joined) + atomic_load(&detached) == atomic_load(&started),
       "%s: of %ld, %ld were joined and %ld detached", how, atomic_load(&started), atomic_load(&joined),
       atomic_load(&detached));
    is(atomic_load(&wrong), 0, "%s: nothing was wrong", how);
    ok(settles_at(count_lwps, 1), "%s: no LWP is left", how);
}

static void reset(long threads) {
    atomic_store(&budget, threads);
    atomic_store(&started, 0);
    atomic_store(&ended, 0);
    atomic_store(&joined, 0);
    atomic_store(&detached, 0);
    atomic_store(&wrong, 0);
}

static int green(void *arg) {
    uint32_t r = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    while (atomic_load(&budget) > 0)
        act(&r, 4, false);
    return 0;
}

static int beside_foreign(void *arg) {
    pthread_t lwp[3];
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&lwp[i], NULL, foreign_actor, (void *)(i + 1));
    green(arg);
    while (atomic_load(&foreign_ended) < 3) /* pthread_join would block the cpu for what they wait for */
        mn_sleep(1000000);
    for (int i = 0; i < 3; i++)
        pthread_join(lwp[i], NULL);
    return 0;
}

int main(void) {
    PREPARE();
    long threads = (long)(15000 * scale()) + 100;
    reset(threads);
    is(mn_run(green, (void *)1, NULL), 0, "green: ran");
    check("green");
    reset(threads);
    is(mn_run(beside_foreign, (void *)2, NULL), 0, "with foreign LWPs: ran");
    check("with foreign LWPs");
    reset(threads);
    is(mn_start(NULL), 0, "started from outside: ran");
    pthread_t lwp[3];
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&lwp[i], NULL, foreign_actor, (void *)(i + 11));
    for (int i = 0; i < 3; i++)
        pthread_join(lwp[i], NULL);
    is(mn_stop(MN_FOREVER), 0, "started from outside: stopped");
    check("started from outside");
    return done();
}
