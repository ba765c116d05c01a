/*
 * kq_names: the BSDs' names for kqueues, as symbols of libmn.
 *
 * They could be inline functions of mn/sys/event.h, or renamed there.  As symbols they can be found by
 * configure scripts that link a call of kqueue(), by dlsym and by languages other than C, and the address of
 * kevent is one.  A program that defines such a name itself keeps its own.
 *
 * close, too: a kqueue's waiters are to come back when it is closed, and the kernel tells nobody of that.  For
 * all other descriptors it is the next close in the order of symbols, the libc's or libthread_1to1's, after one
 * look at a table.
 */
#include <dlfcn.h>
#include <errno.h>
#include <mn/kqueue.h>

#include "export.h"
#include "kq.h"
#include "sys.h"
#include "wait/call.h"

int close(int fd);

static int result(int r) {
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

MN_EXPORT int kqueue(void) {
    return result(mn_kqueue());
}

MN_EXPORT int kqueuex(unsigned flags) {
    return result(flags & ~KQUEUE_CLOEXEC ? -EINVAL : mn_kqueue());
}

MN_EXPORT int kqueue1(int flags) {
    return result(flags & (int)KQUEUE_CLOEXEC ? -EINVAL : mn_kqueue1(flags));
}

MN_EXPORT int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
                     const struct timespec *timeout) {
    return result(mn_kevent(kq, changes, nchanges, events, nevents, timeout));
}

static int (*next_close)(int); /* atomic */

__attribute__((constructor)) static void find_close(void) {
    int (*found)(int);
    *(void **)(void *)&found = dlsym(RTLD_NEXT, "close");
    aptr_store(&next_close, found);
}

MN_EXPORT int close(int fd) {
    if (__builtin_expect(mni_kq_is(fd), 0)) {
        struct mni_cpu *cpu = mni_call_begin();
        int r = mni_kq_close(fd);
        mni_call_end_here(cpu);
        if (r != -EBADF) /* it was one a moment ago: the kernel knows what it is now */
            return result(r);
    }
    int (*next)(int) = aptr_load(&next_close);
    return next ? next(fd) : result((int)sys(SYS_close, fd));
}
