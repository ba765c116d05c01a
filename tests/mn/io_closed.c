/* workers: 1 2 */
/*
 * A descriptor that the libc made and libmn closed: its number is anybody's.  ThreadSanitizer, which follows
 * descriptors, has to be told, or takes the next that the libc makes with the number for a race.
 */
#include <fcntl.h>
#include <mn.h>
#include <mn/io.h>
#include <mn/proc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

/* Relaxed, so that for the tool nothing orders the two LWPs. */
static atomic_int closed;

static void *opens(void *arg) {
    while (!atomic_load_explicit(&closed, memory_order_relaxed))
        usleep(100);
    int fd[8];
    for (int i = 0; i < 8; i++)
        fd[i] = open("/dev/null", O_RDONLY);
    for (int i = 0; i < 8; i++)
        close(fd[i]);
    return fd[7] < 0 ? arg : NULL;
}

static void pair(int p[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
        abort();
}

static int owns(void *arg) {
    int p[2];
    (void)arg;
    pair(p);
    is(mn_adopt(p[0]), 0, "adopted");
    is(mn_own_fd(p[0]), 0, "a process owns one");
    is(mn_close(p[1]), 0, "and closes the other");
    return 0;
}

static int test(void *arg) {
    int p[2];
    pthread_t lwp;
    void *result;
    mn_pid pid;
    mn_ref ref;
    struct mn_msg *m;
    atomic_store_explicit(&closed, 0, memory_order_relaxed);
    is(pthread_create(&lwp, NULL, opens, &closed), 0, "an LWP");
    if (arg) {
        mn_attach();
        mn_spawn_opt(&pid, &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref}, owns, NULL);
        is(mn_receive(&m), 0, "it has ended");
        mn_msg_free(m);
    } else {
        pair(p);
        is(mn_adopt(p[0]), 0, "adopted");
        ok(mn_close(p[0]) == 0 && mn_close(p[1]) == 0, "closed");
    }
    atomic_store_explicit(&closed, 1, memory_order_relaxed);
    pthread_join(lwp, &result);
    ok(!result, "which opens some with their numbers");
    return 0;
}

int main(void) {
    is(mn_run(test, NULL, NULL), 0, "mn_close");
    is(mn_run(test, &closed, NULL), 0, "the end of an owner");
    return done();
}
