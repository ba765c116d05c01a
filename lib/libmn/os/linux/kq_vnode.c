/*
 * kq_vnode: EVFILT_VNODE over inotify.
 *
 * One inotify descriptor for each kqueue, made with the first such note.  A watch belongs to a file, so two
 * notes (a descriptor and its duplicate; a VNODE and a READ note) may share one: it asks for what any of them
 * wants, and events go to all that have its number.  The file is named as /proc/self/fd/N, which leads to it
 * wherever it has been moved, or removed.
 *
 * inotify says what happened to a name or an inode, kqueue what happened to the file behind a descriptor.  So
 * the link count and the size are remembered: a changed inode with fewer links was unlinked (the kernel says
 * IN_DELETE_SELF only when the last descriptor is closed, so never to us); a write that made it longer extended
 * it.
 *
 * Of a directory that is removed nothing is said while a descriptor is open, so for NOTE_DELETE of a directory
 * the one that it is in is watched, too: when a name goes there, or is replaced, the link count tells whether
 * it was this one.
 *
 * When nobody reads, the kernel drops what is beyond max_queued_events, and says that it did.  Then each note
 * is told what can be compared, and that it was written to and changed, which may be so.
 *
 *     inotify                                    NOTE_*
 *     MODIFY                                     WRITE, EXTEND if it is longer
 *     ATTRIB, other link count                   LINK; DELETE if there are fewer
 *     ATTRIB                                     ATTRIB
 *     MOVE_SELF, UNMOUNT                         RENAME, REVOKE
 *     OPEN, CLOSE_NOWRITE, CLOSE_WRITE, ACCESS   OPEN, CLOSE, CLOSE_WRITE, READ
 *     of a directory: CREATE, DELETE, MOVED_*    WRITE; LINK if a directory came or went; EXTEND if it was moved
 *     of the one it is in: DELETE, MOVED_TO      DELETE if it has no link any more
 *     Q_OVERFLOW                                 WRITE, ATTRIB; EXTEND, LINK, DELETE by comparison
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/vfs.h>

#include "fault.h"
#include "kq_linux.h"

enum {
    KNOWN = NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | NOTE_REVOKE |
            NOTE_OPEN | NOTE_CLOSE | NOTE_CLOSE_WRITE | NOTE_READ,
    IN_DIRECTORY = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO,
    IN_UP = IN_DELETE | IN_MOVED_TO,
};

static struct mni_note *note_at(struct list *l) {
    return list_entry(l, struct mni_note, vnode.link);
}

static bool has_up(const struct mni_note *n) {
    return n->filter == &mni_filter_vnode && n->vnode.up.watch >= 0;
}

/* What inotify is to tell for this note. */
static uint32_t mask_of(const struct mni_note *n) {
    unsigned f = n->ev.fflags;
    if (n->filter != &mni_filter_vnode)
        return IN_MODIFY;
    return (f & (NOTE_WRITE | NOTE_EXTEND) ? IN_MODIFY : 0) |
           (f & (NOTE_ATTRIB | NOTE_LINK | NOTE_DELETE) ? IN_ATTRIB : 0) |
           (f & NOTE_DELETE ? IN_DELETE_SELF : 0) | (f & NOTE_RENAME || has_up(n) ? IN_MOVE_SELF : 0) |
           (f & NOTE_OPEN ? IN_OPEN : 0) | (f & NOTE_CLOSE ? IN_CLOSE_NOWRITE : 0) |
           (f & NOTE_CLOSE_WRITE ? IN_CLOSE_WRITE : 0) | (f & NOTE_READ ? IN_ACCESS : 0) |
           (f & (NOTE_WRITE | NOTE_EXTEND | NOTE_LINK) ? IN_DIRECTORY : 0);
}

static int open_files(struct mni_kq *kq) {
    if (kq->files >= 0)
        return 0;
    int fd = fault("inotify") ? -EMFILE : (int)sys(SYS_inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
    return kq_adopt(kq, &kq->files, fd, KQ_TAG(KQ_FILES));
}

/* The watch of a file, for what all notes want of it, and `mask`: its number. */
static int watch_file(struct mni_kq *kq, const char *path, uint64_t device, uint64_t inode, uint32_t mask) {
    list_each(l, &kq->vnodes) {
        const struct mni_note *n = note_at(l);
        if (n->vnode.inode == inode && n->vnode.device == device)
            mask |= mask_of(n);
        if (has_up(n) && n->vnode.up.inode == inode && n->vnode.up.device == device)
            mask |= IN_UP;
    }
    return fault("inotify_add")
               ? -ENOSPC
               : (int)sys(SYS_inotify_add_watch, kq->files, path, mask ? mask : IN_DELETE_SELF);
}

/* Nobody wants the watch any more.  It may have gone. */
static void unwatch_file(struct mni_kq *kq, int watch) {
    if (watch < 0)
        return;
    list_each(l, &kq->vnodes)
        if (note_at(l)->vnode.watch == watch || (has_up(note_at(l)) && note_at(l)->vnode.up.watch == watch)) {
            /* It goes on for this one.  If its descriptor is another file's by now, that one gets a watch,
             * of nobody's. */
            return;
        }
    sys(SYS_inotify_rm_watch, kq->files, watch);
}

/* The directory that a directory is in, if its end is to be told.  One that may not be read is left out. */
static void watch_up(struct mni_kq *kq, struct mni_note *n) {
    struct stat here, up;
    char path[40];
    int old = n->vnode.up.watch;
    n->vnode.up.watch = -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d/..", (int)n->ev.ident);
    if (n->ev.fflags & NOTE_DELETE && kq_stat((int)n->ev.ident, &here) == 0 && S_ISDIR(here.st_mode) &&
        sys(SYS_newfstatat, AT_FDCWD, path, &up, 0) == 0) {
        n->vnode.up.device = up.st_dev;
        n->vnode.up.inode = up.st_ino;
        n->vnode.up.watch = watch_file(kq, path, up.st_dev, up.st_ino, IN_UP);
    }
    if (old != n->vnode.up.watch)
        unwatch_file(kq, old);
}

/* Asks for what n wants; n->vnode.watch is known then. */
static int ask(struct mni_kq *kq, struct mni_note *n) {
    char path[32];
    if (n->filter == &mni_filter_vnode)
        watch_up(kq, n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)n->ev.ident);
    int w = watch_file(kq, path, n->vnode.device, n->vnode.inode, mask_of(n));
    if (w >= 0)
        n->vnode.watch = w;
    return w < 0 ? w : 0;
}

bool mni_kq_vnode_same(const struct mni_note *n, const struct stat *st) {
    return st->st_dev == n->vnode.device && st->st_ino == n->vnode.inode;
}

int mni_kq_vnode_watch(struct mni_kq *kq, struct mni_note *n) {
    struct stat st;
    int r = kq_stat((int)n->ev.ident, &st);
    if (r == 0)
        r = open_files(kq);
    if (r < 0)
        return r;
    n->vnode.device = st.st_dev;
    n->vnode.inode = st.st_ino;
    n->vnode.links = st.st_nlink;
    n->vnode.size = st.st_size;
    n->vnode.up.watch = n->vnode.watch = -1;
    r = ask(kq, n);
    if (r == 0)
        list_append(&kq->vnodes, &n->vnode.link);
    else
        unwatch_file(kq, n->vnode.up.watch);
    return r;
}

void mni_kq_vnode_unwatch(struct mni_kq *kq, struct mni_note *n) {
    list_remove(&n->vnode.link);
    if (kq->fd < 0)
        return;
    unwatch_file(kq, n->vnode.watch);
    if (has_up(n))
        unwatch_file(kq, n->vnode.up.watch);
    mni_kq_vnode_read(kq); /* at least that the watch has gone; without notes nobody would read it */
}

/* The file's state now: what has become of it. */
static uint32_t compared(struct mni_note *n, bool wrote) {
    struct stat st;
    uint32_t came = 0;
    int r = kq_stat((int)n->ev.ident, &st);
    if (r < 0 && r != -EBADF)
        return wrote ? NOTE_WRITE : 0; /* the rest is seen the next time */
    if (r < 0 || !mni_kq_vnode_same(n, &st))
        return 0;
    if (wrote && S_ISREG(st.st_mode))
        came |= NOTE_WRITE;
    if (st.st_size > n->vnode.size && S_ISREG(st.st_mode))
        came |= NOTE_EXTEND;
    if (st.st_nlink != n->vnode.links)
        came |= NOTE_LINK | (st.st_nlink < n->vnode.links && !S_ISDIR(st.st_mode) ? NOTE_DELETE : 0) |
                (st.st_nlink == 0 ? NOTE_DELETE : 0);
    n->vnode.size = st.st_size;
    n->vnode.links = st.st_nlink;
    return came;
}

/* within: a name was moved within the directory. */
static void happened(struct mni_kq *kq, struct mni_note *n, uint32_t mask, bool within) {
    if (n->filter != &mni_filter_vnode) {
        if (mask & IN_MODIFY && !(n->state & MNI_NOTE_DISABLED))
            mni_kq_file_changed(kq, n);
        return;
    }
    uint32_t came = 0;
    if (mask & (IN_MODIFY | IN_ATTRIB))
        came |= compared(n, mask & IN_MODIFY);
    if (mask & IN_ATTRIB && !(came & NOTE_LINK))
        came |= NOTE_ATTRIB;
    if (mask & IN_DELETE_SELF)
        came |= NOTE_DELETE;
    if (mask & IN_MOVE_SELF) {
        came |= NOTE_RENAME;
        if (has_up(n))
            watch_up(kq, n);
    }
    if (mask & IN_UNMOUNT)
        came |= NOTE_REVOKE;
    if (mask & IN_OPEN)
        came |= NOTE_OPEN;
    if (mask & IN_CLOSE_NOWRITE)
        came |= NOTE_CLOSE;
    if (mask & IN_CLOSE_WRITE)
        came |= NOTE_CLOSE_WRITE;
    if (mask & IN_ACCESS)
        came |= NOTE_READ;
    if (mask & IN_DIRECTORY) {
        came |= NOTE_WRITE;
        if (mask & IN_ISDIR) {
            /* Its own link count changes by this, whether the file system counts or not; by a move within it
             * only where another directory was replaced. */
            uint32_t links = compared(n, false) & NOTE_LINK;
            came |= within ? links : NOTE_LINK;
        }
        if (mask & (IN_MOVED_FROM | IN_MOVED_TO))
            came |= NOTE_EXTEND;
    }
    /* A write that extends is one event, as on FreeBSD: who asks for either is told both. */
    const uint32_t both = NOTE_WRITE | NOTE_EXTEND;
    n->vnode.came |= came & (n->ev.fflags & both && (came & both) == both ? n->ev.fflags | both : n->ev.fflags);
    if (n->vnode.came)
        mni_note_activate(kq, n);
}

/* A name has gone from the directory that n is in, or was replaced there. */
static void went(struct mni_kq *kq, struct mni_note *n) {
    struct stat st;
    if (kq_stat((int)n->ev.ident, &st) < 0 || !mni_kq_vnode_same(n, &st) || st.st_nlink || !n->vnode.links)
        return;
    n->vnode.links = 0;
    n->vnode.came |= NOTE_DELETE; /* who is not asked for it has not such a watch */
    mni_note_activate(kq, n);
}

/* Both ends of a move, which come one after the other, and in one directory. */
static bool same_move(const struct inotify_event *from, const struct inotify_event *to) {
    return from && to && from->cookie && from->cookie == to->cookie && from->wd == to->wd;
}

void mni_kq_vnode_read(struct mni_kq *kq) {
    _Alignas(struct inotify_event) char buffer[4096];
    for (;;) {
        long got = sys(SYS_read, kq->files, buffer, sizeof buffer);
        if (got <= 0)
            return;
        const struct inotify_event *last = NULL;
        for (long at = 0; at < got;) {
            const struct inotify_event *e = (const void *)(buffer + at), *next = NULL;
            at += (long)(sizeof *e + e->len);
            if (at < got)
                next = (const void *)(buffer + at);
            bool within = same_move(last, e) || same_move(e, next);
            const bool lost = e->mask & IN_Q_OVERFLOW;
            list_each(l, &kq->vnodes) {
                struct mni_note *n = note_at(l);
                if (n->vnode.watch == e->wd || lost)
                    happened(kq, n, lost ? IN_MODIFY | IN_ATTRIB | IN_CREATE : e->mask, within);
                if (has_up(n) && (lost || (n->vnode.up.watch == e->wd && e->mask & IN_UP)))
                    went(kq, n);
            }
            last = e;
        }
    }
}

/* A pipe that is no file of a directory: nothing can happen to it. */
static bool nameless(int fd) {
    struct statfs s;
    return sys(SYS_fstatfs, fd, &s) < 0 || s.f_type == PIPEFS_MAGIC;
}

/* ---- the filter */

static int attach(struct mni_kq *kq, struct mni_note *n) {
    struct stat st;
    int r = n->ev.ident > INT_MAX ? -EBADF : kq_stat((int)n->ev.ident, &st);
    if (r < 0)
        return r;
    if (n->ev.fflags & ~(unsigned)KNOWN || S_ISSOCK(st.st_mode) ||
        (S_ISFIFO(st.st_mode) && nameless((int)n->ev.ident)) || !(st.st_mode & S_IFMT))
        return -EINVAL;
    r = mni_kq_vnode_watch(kq, n);
    if (r == 0)
        mni_note_source(kq, n, true);
    return r;
}

static int gone(const struct mni_kq *kq, const struct mni_note *n) {
    (void)kq;
    struct stat st;
    int r = kq_stat((int)n->ev.ident, &st);
    if (r < 0)
        return r == -EBADF ? r : 0;
    return mni_kq_vnode_same(n, &st) ? 0 : -ENOENT;
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    if (n->vnode.came)
        mni_note_activate(kq, n);
    return 0;
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    if (gone(kq, n) < 0)
        return MNI_NOTE_STALE;
    if (change->flags & EV_ADD) {
        if (change->fflags & ~(unsigned)KNOWN)
            return -EINVAL;
        n->ev.fflags = change->fflags;
        n->ev.data = change->data;
        n->vnode.came &= change->fflags;
        if (!n->vnode.came)
            mni_note_calm(kq, n);
        int watch = n->vnode.watch, r = ask(kq, n);
        if (r < 0)
            return r;
        if (n->vnode.watch != watch) /* another file, which has got both the descriptor's and the inode's number */
            return MNI_NOTE_STALE;
    }
    return enable(kq, n);
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    if (gone(kq, n) < 0)
        return MNI_REPORT_GONE;
    if (!n->vnode.came)
        return MNI_REPORT_NO;
    e->fflags = n->vnode.came;
    e->data = 0;
    if (n->ev.flags & (EV_CLEAR | EV_DISPATCH))
        n->vnode.came = 0;
    return MNI_REPORT_AGAIN;
}

const struct mni_filter mni_filter_vnode = {attach, mni_kq_vnode_unwatch, touch, enable, report, gone};
