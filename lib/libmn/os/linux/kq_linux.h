/* kq_linux: what the files of os/linux/kq_*.c share. */
#ifndef MNI_KQ_LINUX_H
#define MNI_KQ_LINUX_H

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "fault.h"
#include "kqueue/kq_os.h"
#include "sys.h"

/* Tags that are no note's: the slot is 0. */
#define KQ_TAG(n) ((uint64_t)(n) << 32)
enum { KQ_MARK, KQ_BELL, KQ_TIMER, KQ_SECOND, KQ_FILES, KQ_SIGNALS, KQ_CONNECTOR };

/* epoll_ctl; 0 or a negative errno. */
static inline int kq_control(int set, int op, int fd, uint32_t events, uint64_t tag) {
    struct epoll_event e = {events, {.u64 = tag}};
    return (int)sys(SYS_epoll_ctl, set, op, fd, &e);
}

/* A descriptor of the kqueue's own, just made (or an error), goes into its set and into *own. */
static inline int kq_adopt(struct mni_kq *kq, int *own, int fd, uint64_t tag) {
    if (fd < 0)
        return fd;
    int r = fault("kq_add") ? -ENOSPC : kq_control(kq->fd, EPOLL_CTL_ADD, fd, EPOLLIN, tag);
    if (r < 0)
        sys(SYS_close, fd);
    else
        *own = fd;
    return r;
}

/* fstat: 0 or a negative errno; any but -EBADF says nothing of the descriptor. */
static inline int kq_stat(int fd, struct stat *st) {
    return fault("kq_stat") ? -ENOMEM : (int)sys(SYS_newfstatat, fd, "", st, 0x1000 /* AT_EMPTY_PATH */);
}

/* kq_vnode.c: watches the file of n's descriptor for inotify's events, and no longer. */
int mni_kq_vnode_watch(struct mni_kq *kq, struct mni_note *n);
void mni_kq_vnode_unwatch(struct mni_kq *kq, struct mni_note *n);
/* Whether n's descriptor still is of the file that it was watched for. */
bool mni_kq_vnode_same(const struct mni_note *n, const struct stat *st);
/* There are events of files. */
void mni_kq_vnode_read(struct mni_kq *kq);

/* kq_backlog.c: how many connections wait at a socket that listens, to which somebody has connected. */
int64_t mni_kq_backlog(int fd);

/* kq_fd.c: READ notes on files: those that have something to report become active.  changed: this one's file
 * was. */
void mni_kq_files_look(struct mni_kq *kq);
void mni_kq_file_changed(struct mni_kq *kq, struct mni_note *n);

/*
 * kq_connector.c: one note more, or one less, is to be told what processes do.  -ENOTSUP: the system does not
 * tell, or not this program; -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS.
 */
int mni_kq_connect(struct mni_kq *kq);
void mni_kq_disconnect(struct mni_kq *kq);
/* There is something to be told: kq_proc.c hears of it. */
void mni_kq_connector_read(struct mni_kq *kq);
void mni_kq_proc_forked(struct mni_kq *kq, int pid, int child);
void mni_kq_proc_executed(struct mni_kq *kq, int pid);
void mni_kq_proc_ended(struct mni_kq *kq, int pid, int status);
void mni_kq_proc_lost(struct mni_kq *kq); /* something was not told */

/* kq_signal.c: counts may have changed: notes become active; the signal of this note is pending. */
void mni_kq_signals_read(struct mni_kq *kq);
void mni_kq_signal_pending(const struct mni_note *n);

/*
 * What the program does with a signal that is watched: sigaction, which sees and sets what the program wants,
 * while the kernel has our handler.  0, or a negative errno.  Contexts: any, signal.
 */
bool mni_kq_signal_watched(int number);
int mni_kq_signal_action(int number, const struct sigaction *a, struct sigaction *old);
/* kq_sigaction.c: sigaction of the libc, or of what else comes after us.  0 or a negative errno. */
int mni_kq_sigaction_next(int number, const struct sigaction *a, struct sigaction *old);

#endif
