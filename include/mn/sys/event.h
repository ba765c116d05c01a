/*
 * mn/sys/event.h: <sys/event.h> of FreeBSD, for programs written for it.
 *
 * Found as <sys/event.h> with -I...include/mn/bsd, which is bsdincludedir of libmn.pc; the program is linked
 * with libmn.  Values and structures are those of FreeBSD 12 and later.  What the calls do is said in
 * mn/kqueue.h; these return -1 and set errno.  Any thread may call them, with or without a running runtime; a
 * green thread that waits lets others run.
 */
#ifndef MN_SYS_EVENT_H
#define MN_SYS_EVENT_H
#define _SYS_EVENT_H_

/* That a structure and a function have one name is the interface, and C++ compilers warn of it (-Wshadow). */
#ifdef __cplusplus
#pragma GCC system_header
#endif

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec; /* <time.h> has it only where POSIX's names are wanted */

struct kevent {
    uintptr_t ident;       /* what is watched: a descriptor, a signal, a process, or the caller's own number */
    short filter;          /* EVFILT_* */
    unsigned short flags;  /* EV_* */
    unsigned int fflags;   /* the filter's flags */
    int64_t data;          /* the filter's */
    void *udata;           /* the caller's */
    uint64_t ext[4];       /* the caller's, too */
};

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_AIO (-3)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_PROCDESC (-8)
#define EVFILT_FS (-9)
#define EVFILT_LIO (-10)
#define EVFILT_USER (-11)
#define EVFILT_SENDFILE (-12)
#define EVFILT_EMPTY (-13)
#define EVFILT_SYSCOUNT 13

/* What to do. */
#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_FORCEONESHOT 0x0100
#define EV_KEEPUDATA 0x0200

/* How. */
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080

#define EV_SYSFLAGS 0xF000
#define EV_DROP 0x1000
#define EV_FLAG1 0x2000
#define EV_FLAG2 0x4000

/* What came of it. */
#define EV_EOF 0x8000
#define EV_ERROR 0x4000

/* EVFILT_USER */
#define NOTE_FFNOP 0x00000000
#define NOTE_FFAND 0x40000000
#define NOTE_FFOR 0x80000000
#define NOTE_FFCOPY 0xc0000000
#define NOTE_FFCTRLMASK 0xc0000000
#define NOTE_FFLAGSMASK 0x00ffffff
#define NOTE_TRIGGER 0x01000000

/* EVFILT_READ, EVFILT_WRITE */
#define NOTE_LOWAT 0x0001
#define NOTE_FILE_POLL 0x0002

/* EVFILT_VNODE */
#define NOTE_DELETE 0x0001
#define NOTE_WRITE 0x0002
#define NOTE_EXTEND 0x0004
#define NOTE_ATTRIB 0x0008
#define NOTE_LINK 0x0010
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040
#define NOTE_OPEN 0x0080
#define NOTE_CLOSE 0x0100
#define NOTE_CLOSE_WRITE 0x0200
#define NOTE_READ 0x0400

/* EVFILT_PROC */
#define NOTE_EXIT 0x80000000
#define NOTE_FORK 0x40000000
#define NOTE_EXEC 0x20000000
#define NOTE_PCTRLMASK 0xf0000000
#define NOTE_PDATAMASK 0x000fffff
#define NOTE_TRACK 0x00000001
#define NOTE_TRACKERR 0x00000002
#define NOTE_CHILD 0x00000004

/* EVFILT_TIMER */
#define NOTE_SECONDS 0x00000001
#define NOTE_MSECONDS 0x00000002
#define NOTE_USECONDS 0x00000004
#define NOTE_NSECONDS 0x00000008
#define NOTE_ABSTIME 0x00000010
#define NOTE_ABSOLUTE NOTE_ABSTIME /* its name on macOS */

/* kqueuex */
#define KQUEUE_CLOEXEC 0x00000001
#define KQUEUE_CPONFORK 0x00000002

#define EV_SET(kevp, ident_, filter_, flags_, fflags_, data_, udata_) \
    do { \
        struct kevent *mn_kevp_ = (kevp); \
        mn_kevp_->ident = (uintptr_t)(ident_); \
        mn_kevp_->filter = (short)(filter_); \
        mn_kevp_->flags = (unsigned short)(flags_); \
        mn_kevp_->fflags = (unsigned int)(fflags_); \
        mn_kevp_->data = (int64_t)(data_); \
        mn_kevp_->udata = (void *)(udata_); \
        mn_kevp_->ext[0] = mn_kevp_->ext[1] = mn_kevp_->ext[2] = mn_kevp_->ext[3] = 0; \
    } while (0)

int kqueue(void);
/* flags: KQUEUE_CLOEXEC (always so).  EINVAL: KQUEUE_CPONFORK. */
int kqueuex(unsigned int flags);
/* flags: O_CLOEXEC. */
int kqueue1(int flags);
int kevent(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist, int nevents,
           const struct timespec *timeout);

#ifdef __cplusplus
}
#endif

#endif
