/* Posting to an event loop. */
#include <errno.h>
#include <poll.h>

#include "sync.h"

enum { THREADS = 8, POSTS = 400 };
static struct mn_notifier *n;
static int next[THREADS], wrong, ran, posted;
static int ids[THREADS][POSTS];

static void call(void *arg) {
    int *id = arg, thread = *id / POSTS;
    if (*id % POSTS != next[thread]++)
        wrong++;
    ran++;
}

static void *posts(void *arg) {
    int *mine = arg;
    for (int i = 0; i < POSTS; i++) {
        if (mn_notifier_post(n, call, &mine[i]) != 0)
            add(&wrong, 1);
        add(&posted, 1);
        if (i % 37 == 0)
            nap_ms(1);
    }
    return NULL;
}

static bool readable(void) {
    struct pollfd p = {mn_notifier_fd(n), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
}

static void test(void) {
    const char *k = kind_name[kind];
    struct runner r[THREADS];
    is(mn_notifier_create(NULL), -EINVAL, "%s: a notifier for nobody", k);
    is(mn_notifier_create(&n), 0, "%s: a notifier", k);
    ok(!readable() && mn_notifier_run(n, 0) == 0, "%s: nothing is posted", k);
    wrong = ran = posted = 0;
    memset(next, 0, sizeof next);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < POSTS; i++)
            ids[t][i] = t * POSTS + i;
        start(&r[t], posts, ids[t]);
    }
    int64_t end = after_ms(20000);
    while (ran < THREADS * POSTS && now() < end) {
        struct pollfd p = {mn_notifier_fd(n), POLLIN, 0};
        if (mn_poll_until(&p, 1, after_ms(100)) == 1 && mn_notifier_run(n, 7) > 7)
            wrong++;
    }
    for (int t = 0; t < THREADS; t++)
        finish(&r[t]);
    ok(ran == THREADS * POSTS && wrong == 0, "%s: all %d were called, each thread's in order", k, ran);
    ok(!readable(), "%s: then it is silent", k);
    static int few[POSTS];
    memset(next, 0, sizeof next);
    for (int i = 0; i < 5; i++)
        mn_notifier_post(n, call, &few[i]);
    is(mn_notifier_run(n, 2), 2, "%s: two of five", k);
    ok(readable(), "%s: it stays readable", k);
    mn_notifier_destroy(n);
    mn_notifier_destroy(NULL);
    ok(true, "%s: what is left is forgotten", k);
}

int main(void) {
    kinds(test);
    return done();
}
