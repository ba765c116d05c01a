/*
 * user_event_same, _cross, _sleep: what does it take to wake a thread by EVFILT_USER?
 *
 * Two threads, each with a kqueue that has a note of its own.  One triggers the other's note and waits for its
 * own; ns a wake-up, of which a round trip has two.  user_event_same lets the runtime put them where it likes.
 * --cross pins them to two CPUs, whose idle workers spin.
 * --sleep as well, but they do not spin: the other worker is asleep each time.  The figure is the median of the
 * time from before the trigger until the other thread has its event.  How long a CPU takes to leave its idle
 * state depends on the machine, so the same is measured with two kernel threads and a futex:
 * user_event_sleep_ratio is the one / the other.
 *
 * Verified: each event is the one that was triggered, none is lost and none comes twice; where the threads ran.
 */
#include <linux/futex.h>
#include <mn/kqueue.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "job.h"

enum { REST_NS = 200000, MOST = 100000 };

static int near_kq, far_kq, apart, sleeps;
static double seconds;
static uint64_t sent_at; /* atomic */
static uint64_t *late;
static unsigned long lates;
static double futex_ns;

static int new_kq(void) {
    int kq = mn_kqueue();
    verify(kq >= 0, "mn_kqueue: %s", strerror(-kq));
    struct kevent e;
    EV_SET(&e, 7, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
    must(mn_kevent(kq, &e, 1, NULL, 0, NULL));
    return kq;
}

static void wake(int kq, unsigned value) {
    struct kevent e;
    EV_SET(&e, 7, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | (value & NOTE_FFLAGSMASK), 0, NULL);
    must(mn_kevent(kq, &e, 1, NULL, 0, NULL));
}

static unsigned await(int kq) {
    struct kevent e;
    int n = mn_kevent(kq, NULL, 0, &e, 1, NULL);
    verify(n == 1 && e.ident == 7 && e.filter == EVFILT_USER && !(e.flags & EV_ERROR), "mn_kevent: %d", n);
    return e.fflags;
}

/* Answers with the next number; 0 is the end. */
static void *answer(void *arg) {
    unsigned wanted = 1, got;
    while ((got = await(far_kq)) != 0) {
        uint64_t now = sleeps ? bench_now() : 0;
        verify(got == wanted, "event %u came, not %u", got, wanted);
        if (sleeps && lates < MOST)
            late[lates++] = now - __atomic_load_n(&sent_at, __ATOMIC_RELAXED);
        wake(near_kq, got);
        wanted = got % (NOTE_FFLAGSMASK - 1) + 1;
    }
    verify(!apart || mn_cpu() == 1, "the far end runs on CPU %d", mn_cpu());
    return arg;
}

static unsigned turns(unsigned from, unsigned n) {
    while (n-- > 0) {
        if (sleeps) {
            uint64_t until = bench_now() + REST_NS;
            while (bench_now() < until)
                continue;
            __atomic_store_n(&sent_at, bench_now(), __ATOMIC_RELAXED);
        }
        wake(far_kq, from);
        unsigned got = await(near_kq);
        verify(got == from, "event %u came back, not %u", got, from);
        from = from % (NOTE_FFLAGSMASK - 1) + 1;
    }
    return from;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double median(void) {
    verify(lates > 0, "nothing was timed");
    qsort(late, lates, sizeof *late, by_size);
    return (double)late[lates / 2];
}

static void *ask(void *arg) {
    unsigned long done = 0;
    unsigned next = turns(1, sleeps ? 20 : 10000), each = sleeps ? 8 : 64;
    lates = 0; /* the other waits: the event that ends its wait comes after this */
    uint64_t from = bench_now(), now;
    do {
        next = turns(next, each);
        done += each;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    verify(!apart || mn_cpu() == 0, "the near end runs on CPU %d", mn_cpu());
    double figure = (double)(now - from) / (double)done / 2;
    if (sleeps) {
        figure = median();
        job_result("user_event_sleep_ratio", figure / futex_ns, "x", "futex_ns=%.0f", futex_ns);
    }
    wake(far_kq, 0);
    job_result(sleeps  ? "user_event_sleep"
               : apart ? "user_event_cross"
                       : "user_event_same",
               figure, "ns", NULL);
    return arg;
}

/* ---- the same by a futex, where no runtime runs */

static uint32_t word; /* atomic: a count of wake-ups; odd: the far end's turn */

static void bind_to(int which) {
    cpu_set_t may, one;
    must(sched_getaffinity(0, sizeof may, &may));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && which >= 0; i++)
        if (CPU_ISSET(i, &may) && which-- == 0)
            CPU_SET(i, &one);
    must(sched_setaffinity(0, sizeof one, &one));
}

static void raise_word(void) {
    __atomic_add_fetch(&word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void await_word(uint32_t value) {
    uint32_t now;
    while ((now = __atomic_load_n(&word, __ATOMIC_ACQUIRE)) != value)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

enum { FUTEX_TURNS = 300 };

static void *far_futex(void *arg) {
    bind_to(1);
    for (uint32_t i = 0; i < FUTEX_TURNS; i++) {
        await_word(2 * i + 1);
        late[lates++] = bench_now() - __atomic_load_n(&sent_at, __ATOMIC_RELAXED);
        raise_word();
    }
    return arg;
}

static void *near_futex(void *arg) {
    bind_to(0);
    for (uint32_t i = 0; i < FUTEX_TURNS; i++) {
        uint64_t until = bench_now() + REST_NS;
        while (bench_now() < until)
            continue;
        __atomic_store_n(&sent_at, bench_now(), __ATOMIC_RELAXED);
        raise_word();
        await_word(2 * i + 2);
    }
    return arg;
}

static double by_futex(void) {
    pthread_t t[2];
    must(pthread_create(&t[1], NULL, far_futex, NULL));
    must(pthread_create(&t[0], NULL, near_futex, NULL));
    must(pthread_join(t[0], NULL));
    must(pthread_join(t[1], NULL));
    return median();
}

/* ---- */

static int job(void *arg) {
    (void)arg;
    struct mn_attr attr[2] = {{.cpu = 0}, {.cpu = 1}};
    if (apart) {
        verify(mn_workers() >= 2, "one worker: there is no other CPU");
        attr[0].flags = attr[1].flags = MN_PINNED | MN_CPU;
    }
    near_kq = new_kq();
    far_kq = new_kq();
    mn_thread t[2];
    must(mn_go_attr(&t[1], &attr[1], answer, NULL));
    must(mn_go_attr(&t[0], &attr[0], ask, NULL));
    must(mn_join(t[0], NULL));
    must(mn_join(t[1], NULL));
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_kevent");
    seconds = bench_seconds();
    sleeps = bench_flag("--sleep");
    apart = bench_flag("--cross") || sleeps;
    bench_options_end();
    late = job_memory(MOST, sizeof *late);
    if (sleeps)
        futex_ns = by_futex();
    return job_run_with(job, (struct mn_config){.spin_us = sleeps ? -1 : apart ? 1000000 : 0});
}
