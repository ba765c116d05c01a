/* errno belongs to the thread: it is the same after any call that blocked, whoever ran meanwhile, wherever
 * it goes on. */
#include <errno.h>
#include <mn.h>
#include <time.h>

#include "tap.h"

enum { THREADS = 30, ROUNDS = 300 };

static int wrong, moved, started_nonzero;
static struct mn_attr pinned = {.flags = MN_PINNED | MN_CPU};

static int64_t soon(int64_t ns) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec + ns;
}

static void *thread(void *arg) {
    int id = (int)(intptr_t)arg, cpu = mn_cpu();
    if (errno != 0)
        __sync_add_and_fetch(&started_nonzero, 1);
    for (int i = 0; i < ROUNDS; i++) {
        errno = 1000 + id * ROUNDS + i;
        if (i % 3 == 0)
            mn_yield();
        else if (i % 3 == 1)
            mn_park_until("nothing", soon(i % 30 == 1 ? 50000 : 0));
        else if (close(-1) == 0 || errno != EBADF)
            __sync_add_and_fetch(&wrong, 1);
        else
            errno = 1000 + id * ROUNDS + i;
        if (errno != 1000 + id * ROUNDS + i)
            __sync_add_and_fetch(&wrong, 1);
        if (mn_cpu() != cpu) {
            cpu = mn_cpu();
            __sync_add_and_fetch(&moved, 1);
        }
    }
    return NULL;
}

static int run(void *arg) {
    (void)arg;
    mn_thread t[THREADS];
    errno = 77;
    for (long i = 0; i < THREADS; i++)
        mn_go(&t[i], thread, (void *)i);
    is(errno, 77, "starting threads leaves it");
    for (int i = 0; i < THREADS; i++)
        mn_join(t[i], NULL);
    is(errno, 77, "and waiting for them");
    is(started_nonzero, 0, "threads begin with 0");
    is(wrong, 0, "each has its own");
    printf("# moved to another CPU %d times\n", moved);
    pinned.cpu = mn_workers() - 1;
    wrong = 0;
    mn_go_attr(&t[0], &pinned, thread, (void *)1);
    mn_join(t[0], NULL);
    is(wrong, 0, "in a pinned thread");
    is(errno, 77, "and ours still");
    return 0;
}

int main(void) {
    errno = 42;
    ok(mn_errno() == &errno && errno == 42, "outside the runtime it is the libc's");
    is(mn_run(run, NULL, NULL), 0, "the runtime runs");
    is(errno, 42, "and leaves the caller's");
    return done();
}
