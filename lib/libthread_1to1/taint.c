/*
 * Which threads are alike to the kernel.
 *
 * A new LWP inherits from its creator what the kernel keeps per thread: name, affinity, policy, nice, timer
 * slack, credentials, sandbox.  An LWP that is reused must look as if it had just been cloned by its new
 * creator.  So every thread has a breed: a number that it inherits, and that changes to a new one whenever the
 * thread's inheritable state is changed.  A creator takes a parked LWP only of its own breed.  A change whose
 * target is not known (a process group, a thread id that is nobody's) starts a new epoch, in which no older LWP
 * is reused.
 *
 * The changes are seen as they are made: every libc function that makes one is interposed here, and syscall()
 * too.  What cannot be seen is a change from outside (taskset on a running program) or by inline assembly; name
 * and sandbox are asked of the kernel as well (lwp_identity.c).
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libc.h"
#include "lwp.h"
#include "sys.h"

static uint32_t last_breed;

void thr_taint(struct thr *thr, uint32_t bits) {
    a32_or_full(&thr->taint, bits); /* full: pairs with lwp_reusable's load in the thread as it ends */
    if (bits & (TAINT_NAME | TAINT_SCHED | TAINT_CREDENTIAL))
        a32_store(&thr->breed, a32_add(&last_breed, 1) + 1); /* relaxed: a number, unique */
}

void thr_taint_begin(struct thr *thr, uint32_t bits) {
    thr_taint(thr, bits);
    if (thr != thr_self())
        lwp_new_epoch();
}

static int taint_if_tid(struct thr *thr, void *arg) {
    const uint32_t *want = arg;
    if (a32_load(thr_tid_word(thr)) != want[0]) /* relaxed: who names a thread by its id has been told it */
        return 0;
    thr_taint(thr, want[1]);
    return 1;
}

/* The kernel's state of thread `tid` (0: the caller) has changed. */
static void taint_tid(pid_t tid, uint32_t bits) {
    struct thr *self = thr_self();
    if (tid == 0 || (uint32_t)tid == thr_tid()) {
        thr_taint(self, bits);
        return;
    }
    uint32_t want[2] = {(uint32_t)tid, bits};
    registry_each(taint_if_tid, want);
    lwp_new_epoch();
}

static void taint_self(uint32_t bits) {
    thr_taint(thr_self(), bits);
}

/* Around a change, since the thread may be creating another at this moment (lwp_own_clone). */
#define CHANGING(tid, call)                                                                                  \
    ({                                                                                                       \
        taint_tid((tid), TAINT_SCHED);                                                                       \
        __typeof__(call) result_ = (call);                                                                   \
        taint_tid((tid), TAINT_SCHED);                                                                       \
        result_;                                                                                             \
    })

/* ---- scheduling */

THR_EXPORT int sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *cpus) {
    return CHANGING(tid, libc_real(sched_setaffinity)(tid, size, cpus));
}

THR_EXPORT int sched_setparam(pid_t tid, const struct sched_param *param) {
    return CHANGING(tid, libc_real(sched_setparam)(tid, param));
}

THR_EXPORT int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param) {
    return CHANGING(tid, libc_real(sched_setscheduler)(tid, policy, param));
}

THR_EXPORT int setpriority(__priority_which_t which, id_t who, int prio) {
    if (which == PRIO_PROCESS)
        return CHANGING((pid_t)who, libc_real(setpriority)(which, who, prio));
    lwp_new_epoch();
    int r = libc_real(setpriority)(which, who, prio);
    lwp_new_epoch(); /* an LWP that was cloned in between has the old priority, its creator the new one */
    return r;
}

THR_EXPORT int nice(int inc) {
    taint_self(TAINT_SCHED);
    return libc_real(nice)(inc);
}

/* ---- signals and timers */

THR_EXPORT int sigaltstack(const stack_t *restrict stack, stack_t *restrict old) {
    int r = libc_real(sigaltstack)(stack, old);
    if (r == 0 && stack) {
        if (stack->ss_flags & SS_DISABLE)
            a32_and_full(&thr_self()->taint, ~(uint32_t)TAINT_SIGNAL); /* full: as in thr_taint */
        else
            taint_self(TAINT_SIGNAL);
    }
    return r;
}

THR_EXPORT int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer) {
    /* A CPU clock of one thread is a negative number: ~tid << 3 | 4 | which (clock_getcpuclockid(3)). */
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        taint_self(TAINT_TIMER);
    else if (clock < 0 && clock & 4)
        taint_tid((pid_t) ~(clock >> 3), TAINT_TIMER);
    if (event && event->sigev_notify == SIGEV_THREAD_ID)
        taint_tid(event->_sigev_un._tid, TAINT_TIMER);
    return libc_real(timer_create)(clock, event, timer);
}

/* ---- credentials and sandboxes */

THR_EXPORT int setfsuid(uid_t uid) {
    taint_self(TAINT_CREDENTIAL);
    return libc_real(setfsuid)(uid);
}

THR_EXPORT int setfsgid(gid_t gid) {
    taint_self(TAINT_CREDENTIAL);
    return libc_real(setfsgid)(gid);
}

extern int capset(void *header, const void *data); /* exported by the libc, declared by libcap */
THR_EXPORT int capset(void *header, const void *data) {
    taint_self(TAINT_CREDENTIAL);
    return libc_real(capset)(header, data);
}

THR_EXPORT int personality(unsigned long persona) {
    if (persona != 0xffffffff) /* which only asks */
        taint_self(TAINT_CREDENTIAL);
    return libc_real(personality)(persona);
}

static int count_one(struct thr *thr, void *arg) {
    (void)thr;
    return ++*(int *)arg > 1;
}

/*
 * A namespace of users refuses a process that has a second LWP, be it a parked one, or one that has cleared its
 * id but not left the kernel's list yet.  So the parked ones are ended first; and if this is the only thread, a
 * refusal is believed only after the leaving have had some milliseconds.
 */
static int enter(int (*call)(void *), void *arg) {
    int threads = 0, r;
    lwp_drain();
    taint_self(TAINT_CREDENTIAL);
    bool alone = !registry_each(count_one, &threads);
    for (int tries = 0; (r = call(arg)) < 0 && errno == EINVAL && alone && tries < 100; tries++) {
        struct timespec nap = {0, 100000};
        sys(SYS_nanosleep, &nap, NULL);
    }
    return r;
}

static int call_unshare(void *arg) {
    return libc_real(unshare)(*(int *)arg);
}

THR_EXPORT int unshare(int flags) {
    return enter(call_unshare, &flags);
}

static int call_setns(void *arg) {
    int *a = arg;
    return libc_real(setns)(a[0], a[1]);
}

THR_EXPORT int setns(int fd, int type) {
    int args[2] = {fd, type};
    return enter(call_setns, args);
}

/* Which prctl options change something that is the thread's own. */
static uint32_t prctl_taint(int option) {
    switch (option) {
    case PR_SET_NAME:
        return TAINT_NAME;
    case PR_SET_TIMERSLACK:
        return TAINT_SCHED;
    case PR_GET_NAME: /* asking changes nothing */
    case PR_GET_TIMERSLACK:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_SECCOMP:
    case PR_GET_SECUREBITS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_CHILD_SUBREAPER:
    case PR_GET_THP_DISABLE:
    case PR_GET_TID_ADDRESS:
    case PR_GET_SPECULATION_CTRL:
    case PR_CAPBSET_READ:
    case PR_SET_DUMPABLE: /* the process's */
    case PR_SET_CHILD_SUBREAPER:
    case PR_SET_THP_DISABLE:
    case PR_SET_PTRACER:
    case PR_SET_VMA:
    case PR_SET_MM:
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
        return 0;
    default:
        return TAINT_CREDENTIAL;
    }
}

/* Five long arguments are in registers whether the caller passed them or not. */
extern int prctl_fixed(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) __asm__("prctl");
THR_EXPORT int prctl_fixed(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    uint32_t bits = prctl_taint(option);
    if (option == PR_SET_SECCOMP)
        lwp_identity_filtered();
    if (bits)
        taint_self(bits);
    return libc_real(prctl)(option, a, b, c, d);
}

/* System calls that change nothing of the thread that its LWP's next thread could see. */
static bool harmless(long nr) {
    switch (nr) {
    case SYS_gettid:
    case SYS_getpid:
    case SYS_futex:
    case SYS_getrandom:
    case SYS_getcpu:
    case SYS_membarrier:
    case SYS_sched_yield:
    case SYS_sched_getaffinity:
    case SYS_memfd_create:
    case SYS_tgkill:
    case SYS_tkill:
    case SYS_rt_tgsigqueueinfo:
    case SYS_clock_gettime:
    case SYS_pidfd_open:
    case SYS_copy_file_range:
    case SYS_io_uring_setup:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
    case SYS_io_getevents:
    case SYS_io_submit:
    case SYS_read:
    case SYS_write:
    case SYS_openat:
    case SYS_close:
    case SYS_statx:
    case SYS_epoll_pwait2:
    case SYS_process_madvise:
    case SYS_madvise:
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
        return true;
    default:
        return false;
    }
}

extern long syscall_fixed(long nr, long a, long b, long c, long d, long e, long f) __asm__("syscall");
THR_EXPORT long syscall_fixed(long nr, long a, long b, long c, long d, long e, long f) {
    if (!harmless(nr)) {
        taint_self(TAINT_CREDENTIAL);
        if (nr == SYS_seccomp || (nr == SYS_prctl && a == PR_SET_SECCOMP))
            lwp_identity_filtered();
        if (nr == SYS_seccomp || nr == SYS_sched_setaffinity || nr == SYS_sched_setattr ||
            nr == SYS_sched_setscheduler || nr == SYS_sched_setparam || nr == SYS_setpriority ||
            nr == SYS_ioprio_set)
            lwp_new_epoch(); /* may concern other threads */
        if (nr == SYS_unshare || nr == SYS_setns)
            lwp_drain();
    }
    return libc_real(syscall)(nr, a, b, c, d, e, f);
}
