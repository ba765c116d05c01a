/*
 * embed: a program with an event loop of its own uses the runtime.
 *
 *     embed COUNT
 *
 * The loop (epoll) has a timer of its own, and starts COUNT green threads.  Each sleeps a little, computes, and
 * posts its result to the loop, which adds them up on its own LWP, without a lock.
 */
#include <errno.h>
#include <mn.h>
#include <mn/notifier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct mn_notifier *notifier;

/* The loop's: only its LWP touches them. */
static long count, answers, sum, ticks;

static void on_answer(void *arg) {
    answers++;
    sum += (long)arg;
}

static void *worker(void *arg) {
    long n = (long)arg;
    mn_sleep(1000000 * (n % 20)); /* other threads run meanwhile, and so does the loop */
    while (mn_notifier_post(notifier, on_answer, (void *)(n * n)) == -ENOMEM)
        mn_sleep(1000000);
    return NULL;
}

static void watch(int set, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) < 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

int main(int argc, char **argv) {
    count = argc > 1 ? atol(argv[1]) : 1000;
    int r = mn_start(NULL);
    if (r == 0)
        r = mn_notifier_create(&notifier);
    if (r < 0) {
        fprintf(stderr, "embed: %s\n", strerror(-r));
        return 1;
    }
    int set = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec each = {{0, 5000000}, {0, 5000000}};
    timerfd_settime(timer, 0, &each, NULL);
    watch(set, timer);
    watch(set, mn_notifier_fd(notifier));
    for (long i = 1; i <= count; i++)
        if ((r = mn_go(NULL, worker, (void *)i)) < 0) {
            fprintf(stderr, "embed: %s\n", strerror(-r));
            return 1;
        }
    while (answers < count) {
        struct epoll_event e;
        if (epoll_wait(set, &e, 1, -1) < 1)
            continue;
        if (e.data.fd == timer) {
            uint64_t n;
            if (read(timer, &n, sizeof n) == sizeof n)
                ticks += (long)n;
        } else {
            mn_notifier_run(notifier, 100); /* a hundred at a time: the timer has its turn, too */
        }
    }
    mn_stop(MN_FOREVER);
    mn_notifier_destroy(notifier);
    close(timer);
    close(set);
    printf("%ld answers, sum %ld, %ld ticks\n", answers, sum, ticks);
    return 0;
}
