/* The library's own functions (thread_1to1.h), and pthread_atfork of old programs.  models: 1to1 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

#include "../../include/thread_1to1.h"
#include "../tap.h"

#pragma weak thread_1to1_version
#pragma weak thread_1to1_stats

static int prepared, in_parent, in_child;
static void prepare(void) {
    prepared++;
}
static void parent(void) {
    in_parent++;
}
static void child(void) {
    in_child++;
}

static void *nothing(void *arg) {
    return arg;
}

static void numbers(void) {
    struct {
        struct thread_1to1_counts now;
        char more[64];
    } s;
    struct thread_1to1_counts before;
    unsigned a, b, c;
    is(sscanf(thread_1to1_version(), "%u.%u.%u", &a, &b, &c), 3, "version %s", thread_1to1_version());
    is(thread_1to1_stats(&before, sizeof before), 0, "stats");
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        pthread_create(&t, NULL, nothing, NULL);
        pthread_join(t, NULL);
    }
    memset(&s, 0xa5, sizeof s);
    is(thread_1to1_stats(&s.now, sizeof s), 0, "stats of a later version");
    is((long)(s.now.created - before.created), 10, "threads created");
    ok(s.now.reused <= s.now.created, "LWPs reused");
    const char *from = s.now.lwp_source;
    ok(!strcmp(from, "libc") || !strcmp(from, "own") || !strcmp(from, "reuse"), "LWPs: %s", from);
    is(s.more[0] | s.more[63], 0, "what the library does not know is zero");
    is(thread_1to1_stats(&before, 8), EINVAL, "too small");
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    pthread_attr_setguardsize(&attr, (size_t)-1);
    ok(pthread_create(&t, &attr, nothing, NULL) != 0, "a creation that fails");
    thread_1to1_stats(&before, sizeof before);
    ok(before.refused >= s.now.refused, "is not lost");
}

int main(void) {
    if (!thread_1to1_version || !thread_1to1_stats)
        return ok(0, "the functions are there"), done();
    numbers();
    /* By name, so that it is the shared one and not libc_nonshared.a's. */
    int (*atfork)(void (*)(void), void (*)(void), void (*)(void));
    *(void **)&atfork = dlsym(RTLD_DEFAULT, "pthread_atfork");
    if (!ok(atfork != NULL, "a shared pthread_atfork"))
        return done();
    is(atfork(prepare, parent, child), 0, "registers");
    is(atfork(NULL, NULL, NULL), 0, "nothing, too");
    pid_t pid = fork();
    if (pid == 0)
        _exit(prepared == 1 && in_child == 1 && in_parent == 0 ? 5 : 6);
    int status;
    waitpid(pid, &status, 0);
    is(WEXITSTATUS(status), 5, "runs in the child");
    ok(prepared == 1 && in_parent == 1 && in_child == 0, "and in the parent");
    return done();
}
