/* workers: 1 2 3 64 */
/* not under: tsan */ /* it keeps signals back until a system call that it knows */
/*
 * Solo mode begins again while those that are no workers, and have called, sleep in the kernel by way of the
 * library: also when a signal handler has called meanwhile.
 */
#include <mn.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "mn/membarrier.h"
#include "mn/solos.h"
#include "tap.h"

static struct mn_sem green = MN_SEM_INIT(0), sleeper = MN_SEM_INIT(0);
static struct mn_event shot = MN_EVENT_INIT;
static sem_t elsewhere;
static atomic_bool stop;
static int ends[2];

static void *naps(void *arg) {
    mn_sem_post(&green);
    while (!atomic_load(&stop))
        mn_sleep(1000000);
    return arg;
}

static void blocks(void *arg) {
    (void)arg;
    while (sem_wait(&elsewhere) != 0)
        continue;
}

static void *calls_what_blocks(void *arg) {
    mn_sem_post(&green);
    mn_block_call(blocks, NULL);
    return arg;
}

static void parks(void *arg) {
    *(int *)arg = mn_park_until("nothing", mn_after(1000));
}

/* Its function is the bound thread's own. */
static void *parks_in_a_call(void *arg) {
    mn_block_call(parks, arg);
    return arg;
}

static void ends_thread(void *arg) {
    mn_exit(arg);
}

static void *ends_in_a_call(void *arg) {
    mn_block_call(ends_thread, arg);
    return NULL;
}

static void *is_shot_at(void *arg) {
    sigset_t none; /* its creator blocks signals */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    mn_sem_post(&green);
    mn_sem_wait(&sleeper);
    return arg;
}

static void *reads_before(void *arg) {
    mn_sem_post(&sleeper);
    mn_wait_readable(ends[0]);
    return arg;
}

static void on_signal(int signal) {
    (void)signal;
    mn_event_set(&shot);
}

static atomic_int reports;

static void on_stall(const struct mn_stall *stall, void *arg) {
    (void)stall;
    mn_event_set(arg);
    atomic_fetch_add(&reports, 1);
}

static void handle(int flags) {
    struct sigaction action = {.sa_handler = on_signal};
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
    mn_event_reset(&shot);
}

static int test(void *arg) {
    (void)arg;
    const struct mn_attr bound = {.flags = MN_BOUND};
    mn_thread t;
    pthread_t other;
    ok(solo_comes_back(), "while one waits for a descriptor that began before the runtime");

    pthread_create(&other, NULL, naps, NULL);
    mn_sem_wait(&green);
    ok(solo_comes_back(), "while a foreign LWP is in mn_sleep");
    atomic_store(&stop, true);
    pthread_join(other, NULL);

    pthread_create(&other, NULL, calls_what_blocks, NULL);
    mn_sem_wait(&green);
    ok(solo_comes_back(), "while one is in mn_block_call");
    sem_post(&elsewhere);
    pthread_join(other, NULL);

    mn_go_attr(&t, &bound, calls_what_blocks, NULL);
    mn_sem_wait(&green);
    ok(solo_comes_back(), "while a bound thread is");
    sem_post(&elsewhere);
    mn_join(t, NULL);

    int r = 1;
    void *result = NULL;
    mn_go_attr(&t, &bound, parks_in_a_call, &r);
    mn_join(t, NULL);
    is(r, -ETIMEDOUT, "there it parks");
    mn_go_attr(&t, &bound, ends_in_a_call, &r);
    is(mn_join(t, &result), 0, "or ends");
    ok(result == &r, "and has its result");
    ok(solo_comes_back(), "after that");

    for (int restart = 0; restart < 2; restart++) {
        handle(restart ? SA_RESTART : 0);
        pthread_create(&other, NULL, is_shot_at, NULL);
        mn_sem_wait(&green);
        ok(solo_comes_back(), "while one sleeps");
        pthread_kill(other, SIGUSR1);
        mn_event_wait(&shot);
        ok(solo_comes_back(), "and its signal handler has called%s", restart ? "; calls are restarted" : "");
        mn_sem_post(&sleeper);
        pthread_join(other, NULL);

        handle(restart ? SA_RESTART : 0);
        kill(getpid(), SIGUSR1);
        mn_event_wait(&shot);
        ok(solo_comes_back(), "after a handler on the runtime's own LWP");
    }

    mn_event_reset(&shot);
    is(mn_on_stall(5000000, on_stall, &shot), 0, "reports of stalls");
    for (int64_t until = mn_after(20000000000); !atomic_load(&reports) && mn_now() < until;)
        continue;
    is(mn_on_stall(0, NULL, NULL), 0, "come");
    ok(atomic_load(&reports) > 0, "and call");
    ok(solo_comes_back(), "after that");
    return 0;
}

int main(void) {
    if (!has_membarrier()) {
        skip("there is no solo mode without membarrier");
        return done();
    }
    sem_init(&elsewhere, 0, 0);
    is(pipe(ends), 0, "a pipe");
    pthread_t reader;
    /* The signals of the process are the runtime's LWP's. */
    sigset_t one, old;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &old);
    pthread_create(&reader, NULL, reads_before, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    mn_sem_wait(&sleeper);
    is(mn_run(test, NULL, NULL), 0, "mn_run");
    is(write(ends[1], "x", 1), 1, "it is ready");
    pthread_join(reader, NULL);
    return done();
}
