/* models: mn-1 mn-2 */
/* not under: tsan */ /* as dump: libunwind locks a mutex as an LWP ends, when the tool has forgotten that */
/* While the runtime is up it does not look at the environment, which the program may change at any time: here
 * it cannot even be read. */
#include <fcntl.h>
#include <mn.h>
#include <mn/child.h>
#include <mn/file.h>
#include <mn/kqueue.h>
#include <mn/offload.h>
#include <signal.h>
#include <sys/wait.h>

#include "tap.h"

extern char **environ;

static int null;

static void blocks(void *arg) {
    *(int *)arg = 1;
}

/* What has a fall-back that ODONATA_DISABLE forces, and what service LWPs do by themselves. */
static int works(void *arg) {
    char *bad[] = {(char *)8, NULL}, **good = environ, byte;
    struct kevent e;
    int called = 0;
    environ = bad;
    int64_t until = mn_after(1500000000); /* the quota is looked at each second while workers are busy */
    pid_t child = fork();
    if (child == 0) {
        usleep(20000);
        _exit(3);
    }
    int kq = mn_kqueue();
    EV_SET(&e, (uintptr_t)child, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_FORK, 0, NULL);
    mn_kevent(kq, &e, 1, NULL, 0, NULL);
    int status;
    is(mn_waitpid(child, &status, 0), child, "a child");
    mn_close(kq);
    ok(mn_dump(null) > 0, "a dump");
    kill(getpid(), SIGQUIT);
    int fd = mn_open("/proc/self/exe", O_RDONLY, 0);
    is(mn_pread(fd, &byte, 1, 0), 1, "a file");
    mn_close(fd);
    ok(mn_block_call(blocks, &called) == 0 && called, "a call that blocks");
    while (mn_now() < until)
        mn_yield();
    environ = good;
    return arg != NULL;
}

int main(void) {
    null = open("/dev/null", O_WRONLY);
    is(mn_run(works, NULL, NULL), 0, "mn_run");
    return done();
}
