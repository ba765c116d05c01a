/*
 * The runtime is started and stopped again and again while other LWPs call into it: each call either does its
 * work or says that there is no runtime, and what was started ends.
 */
#include <errno.h>
#include <mn.h>
#include <mn/proc.h>
#include <mn/stats.h>
#include <pthread.h>
#include <time.h>

#include "random.h"
#include "tap.h"

enum { CALLERS = 4 };
static int over;
static uint64_t begun, ran, joined, bad, refused;
static struct mn_chan *chan;
static struct mn_sem sem;

static uint64_t count(uint64_t *p) {
    return __atomic_add_fetch(p, 1, __ATOMIC_RELAXED);
}

static void *thread(void *arg) {
    count(&ran);
    if (((uintptr_t)arg & 3) == 1)
        mn_sleep(20000);
    if (((uintptr_t)arg & 3) == 2)
        mn_sem_wait_until(&sem, mn_after(50000));
    if (((uintptr_t)arg & 3) == 3)
        mn_park_until("stress", mn_after(1000000));
    return arg;
}

static int process(void *arg) {
    (void)arg;
    struct mn_msg *m;
    count(&ran);
    if (mn_receive_until(&m, mn_after(200000)) == 0)
        mn_msg_free(m);
    return 0;
}

static void started(int r) {
    if (r == 0)
        count(&begun);
    else if (r == -EPERM)
        count(&refused);
    else
        count(&bad);
}

/* One of the calls that foreign LWPs make. */
static void call(uint32_t *random, mn_thread *last) {
    const uint32_t x = random_next(random);
    mn_thread t = *last;
    void *result;
    mn_pid pid;
    int r;
    switch (x % 12) {
    case 0:
    case 1:
        r = mn_go(&t, thread, (void *)(uintptr_t)(x >> 8));
        started(r);
        if (r == 0) {
            r = mn_join(t, &result);
            if (r == 0 && result != (void *)(uintptr_t)(x >> 8))
                count(&bad);
            if (r == 0)
                count(&joined);
            else if (r != -ESRCH)
                count(&bad);
        }
        break;
    case 2:
        r = mn_go(last, thread, (void *)(uintptr_t)(x >> 8));
        started(r);
        break;
    case 3:
        r = mn_unpark(t);
        if (r != 0 && r != -ESRCH)
            count(&bad);
        break;
    case 4:
        r = mn_cancel(t);
        if (r != 0 && r != -ESRCH)
            count(&bad);
        break;
    case 5:
        r = mn_join_until(t, NULL, mn_after(20000));
        if (r != 0 && r != -ESRCH && r != -ETIMEDOUT && r != -EINVAL)
            count(&bad);
        break;
    case 6:
        r = mn_spawn(&pid, process, NULL);
        started(r);
        if (r == 0) {
            mn_post(pid, 1, NULL, 0);
            mn_alive(pid);
        }
        break;
    case 7: {
        struct mn_stats_cpu s[4];
        mn_stats(s, 4, sizeof s[0]);
        mn_threads();
        mn_workers();
        break;
    }
    case 8:
        mn_sem_post(&sem);
        break;
    case 9:
        started(mn_go_attr(NULL, &(struct mn_attr){.flags = MN_BOUND}, thread, NULL));
        break;
    case 10: {
        uint64_t v = x;
        mn_chan_send_until(chan, &v, mn_after(10000));
        break;
    }
    default: {
        uint64_t v;
        mn_chan_recv_until(chan, &v, mn_after(10000));
    }
    }
}

static void *caller(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg * 77 + 1;
    mn_thread last = 0;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
        call(&random, &last);
    return NULL;
}

int main(void) {
    const int rounds = (int)(60 * scale()) + 1;
    int stops = 0, starts = 0;
    pthread_t lwp[CALLERS];
    uint32_t random = 5;
    if (mn_chan_create(&chan, 8, 2) < 0)
        abort();
    for (uintptr_t i = 0; i < CALLERS; i++)
        if (pthread_create(&lwp[i], NULL, caller, (void *)i))
            abort();
    for (int i = 0; i < rounds; i++) {
        starts += mn_start(NULL) == 0;
        struct timespec t = {0, random_next(&random) % 3000000};
        nanosleep(&t, NULL);
        stops += mn_stop(MN_FOREVER) == 0;
        if (random_next(&random) % 4 == 0)
            nanosleep(&t, NULL);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(lwp[i], NULL);
    is(starts, rounds, "it started each time");
    is(stops, rounds, "and stopped");
    is((long)bad, 0, "each call did its work, or said that there is no runtime");
    ok(ran <= begun && joined <= begun, "%lu threads and processes begun, %lu ran, %lu joined; %lu refused",
       begun, ran, joined, refused);
    is(mn_stop(0), -EPERM, "there is none any more");
    ok(mn_chan_destroy(chan) == 0 && mn_sem_destroy(&sem) == 0, "nobody is left in a queue");
    return done();
}
