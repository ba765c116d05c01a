/* workers: 1 */
/* Source as it is written for FreeBSD: with include/mn/bsd in the path, and nothing of libmn's own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/event.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

_Static_assert(sizeof(struct kevent) == 64, "as FreeBSD's");
_Static_assert(EVFILT_READ == -1 && EVFILT_WRITE == -2 && EVFILT_VNODE == -4 && EVFILT_PROC == -5 &&
                   EVFILT_SIGNAL == -6 && EVFILT_TIMER == -7 && EVFILT_USER == -11,
               "filters");
_Static_assert(EV_ADD == 1 && EV_DELETE == 2 && EV_ENABLE == 4 && EV_DISABLE == 8 && EV_ONESHOT == 0x10 &&
                   EV_CLEAR == 0x20 && EV_RECEIPT == 0x40 && EV_DISPATCH == 0x80 && EV_EOF == 0x8000 &&
                   EV_ERROR == 0x4000,
               "flags");
_Static_assert(NOTE_TRIGGER == 0x01000000 && NOTE_FFCOPY == 0xc0000000 && NOTE_EXIT == 0x80000000 &&
                   NOTE_ABSTIME == 0x10 && NOTE_NSECONDS == 8 && NOTE_REVOKE == 0x40,
               "notes");

int main(void) {
    int (*wait_for)(int, const struct kevent *, int, struct kevent *, int, const struct timespec *) = kevent;
    int kq = kqueue(), p[2];
    struct kevent change[2], event[2];
    struct timespec none = {0, 0}, t;
    ok(kq >= 0 && clock_gettime(CLOCK_MONOTONIC, &t) == 0, "kqueue");
    if (pipe(p) < 0)
        return 1;
    EV_SET(&change[0], p[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
    EV_SET(&change[1], 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_MSECONDS, 1, change);
    is(wait_for(kq, change, 2, event, 2, NULL), 1, "kevent, by its address");
    ok(event[0].filter == EVFILT_TIMER && event[0].udata == change, "the timer");
    if (write(p[1], "abc", 3) != 3)
        return 1;
    is(kevent(kq, NULL, 0, event, 2, NULL), 1, "kevent");
    ok(event[0].ident == (uintptr_t)p[0] && event[0].data == 3, "three bytes");
    close(p[0]);
    is(kevent(kq, NULL, 0, event, 2, &none), 0, "closed");
    errno = 0;
    EV_SET(&change[0], p[0], EVFILT_READ, EV_DELETE, 0, 0, NULL);
    ok(kevent(kq, change, 1, NULL, 0, NULL) == -1 && errno == EBADF, "errno is set");
    /* As programs do that execute others. */
    pid_t child = vfork();
    if (child == 0) {
        close(kq);
        _exit(0);
    }
    int status = -1;
    ok(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child of vfork closes its number");
    EV_SET(&change[0], 1, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER, 0, NULL);
    is(kevent(kq, change, 1, event, 2, NULL), 1, "ours goes on");
    close(kq);
    ok(kevent(kq, NULL, 0, event, 1, NULL) == -1 && errno == EBADF, "EBADF");
    ok(kqueuex(0x80) == -1 && errno == EINVAL, "kqueuex: EINVAL");
    ok((kq = kqueue1(O_CLOEXEC)) >= 0 && close(kq) == 0, "kqueue1");
    ok((kq = kqueuex(KQUEUE_CLOEXEC)) >= 0 && close(kq) == 0, "kqueuex");
    return done();
}
