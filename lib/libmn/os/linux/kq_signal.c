/*
 * kq_signal: EVFILT_SIGNAL beside whatever the program does with its signals.
 *
 * On the BSDs the filter counts signals as they are sent, before it is decided what becomes of them.  Linux
 * shows a process only what is delivered (to a handler) or pending (to a signalfd, and that is only for signals
 * that are blocked).  Blocking them, as most do for signalfd's sake, would take them away from the program's
 * handlers.
 *
 * So there are two ways, and each signal is counted by one of them:
 *
 *   Delivered.  A signal that is watched has our handler, which counts it, rings an eventfd that is in the set of each kqueue
 *   that watches signals, and then does what the program wanted: calls its handler, or nothing (SIG_IGN, and where nothing is
 *   the default).  A signal whose default is to end or stop the process keeps it: no event could be told of it.  The program
 *   may change its mind at any time: its sigaction and signal come here first (kq_sigaction.c), since what it ignores from now
 *   on the kernel drops at once.  What it changes in other ways each call on such a kqueue finds out: it looks whether our
 *   handler is still there, takes what it finds instead for the program's wish, and puts itself in front again.
 *
 *   Blocked.  A signalfd for each watched signal is in the sets, too.  Where the program has a handler the signal must
 *   stay pending for it; it is counted once when it is seen, and the handler leaves it out when it comes (`counted`).  Where
 *   there is none, it is read: only so is the next one told, as a pending signal takes up all that follow.
 *
 * `counted` moves so that nothing is counted twice or left out, when a signal is about to be delivered while we
 * see it pending:
 *
 *     looker:   counted 0 -> 1;  is it still pending?   yes -> count it
 *                                                       no  -> counted 1 -> 0: then somebody else took it, and counted
 *                                                              it if that was the handler before our first step;
 *                                                              it was 0 already: the handler left it to us: count it
 *     handler:  counted 1 -> 0: leave it out;  it was 0: count it
 *
 * Limits.  Of a signal that is blocked and has a handler, Linux takes further ones together with the first.  A
 * thread's own signal that it has blocked is not seen.  A program that is executed by vfork gets SIG_DFL where
 * there was SIG_IGN, and system calls that are not restarted after handlers (poll, nanosleep) end early, in the
 * LWP that took a signal which was to be ignored.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#include "fault.h"
#include "kq_linux.h"
#include "lock.h"
#include "sched/signals.h"

/* What the program does with a signal.  Never changed nor freed once the handler may see it. */
struct wish {
    void (*plain)(int);                       /* SIG_IGN, SIG_DFL, or its handler */
    void (*with_info)(int, siginfo_t *, void *); /* or this */
    int flags;
    sigset_t mask;
    struct wish *older;
};

static struct hub {
    uint64_t count;    /* atomic; release and acquire: with the ring */
    uint32_t counted;  /* atomic; see above */
    uint32_t hooked;   /* our handler is there; guarded by the lock */
    uint32_t notes;    /* atomic; written under the lock */
    int fd;            /* signalfd; guarded by the lock */
    struct wish *wish; /* atomic; written under the lock */
    struct wish *all;  /* that there ever were: it may be one of them again; guarded by the lock */
} hubs[_NSIG];
static struct lock lock = LOCK_INIT(RANK_LEAF); /* by enter and leave */
static int bell = -1; /* written once, under the lock, before any handler of ours is there */

static __thread uint32_t silent, loud __attribute__((tls_model("initial-exec")));

/* The program's handlers take the lock, too, by sigaction: its holders block signals. */
static uint64_t enter(void) {
    uint64_t all = ~0ul, old = 0;
    sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof old);
    lock_take(&lock);
    return old;
}

static void leave(uint64_t old) {
    lock_drop(&lock);
    sys(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
}

static void ring(void) {
    uint64_t one = 1;
    sys(SYS_write, bell, &one, sizeof one);
}

static void handler(int number, siginfo_t *info, void *context) {
    struct hub *h = &hubs[number];
    /* Acquire: pairs with wished().  First: who is told of the signal may set a handler, and that is not this
     * one's. */
    const struct wish *w = aptr_load_acquire(&h->wish);
    /* Full: with the looker's, see above. */
    if (!a32_cas_full(&h->counted, 1, 0)) {
        a64_add_full(&h->count, 1);
        ring();
    }
    if (w->with_info || (w->plain != SIG_IGN && w->plain != SIG_DFL)) {
        loud++;
        if (w->flags & SA_RESETHAND)
            sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (w->with_info)
            w->with_info(number, info, context);
        else
            w->plain(number);
    } else {
        silent++;
    }
}

bool mni_kq_os_silent(void) {
    bool r = silent && !loud;
    silent = loud = 0;
    return r;
}

/* What the default is, where it is to do nothing. */
static bool harmless(int number) {
    return number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH;
}

static bool ours(const struct sigaction *a) {
    return a->sa_flags & SA_SIGINFO && a->sa_sigaction == handler;
}

static bool handled(const struct wish *w) {
    return w && (w->with_info || (w->plain != SIG_IGN && w->plain != SIG_DFL));
}

/* Room for a wish; NULL: no memory.  From the kernel, since the program's handlers may ask for one. */
static struct wish *room(void) {
    enum { CHUNK = 4096 };
    static struct wish *next; /* both guarded by the lock */
    static unsigned left;
    if (!left) {
        long p = fault("mmap") ? -ENOMEM : sys(SYS_mmap, NULL, CHUNK, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p < 0)
            return NULL;
        next = (struct wish *)p;
        left = CHUNK / sizeof *next;
    }
    left--;
    return next++;
}

/* Notes what the program wants. */
static int wished(struct hub *h, const struct sigaction *a) {
    struct wish w = {0};
    if (a->sa_flags & SA_SIGINFO)
        w.with_info = a->sa_sigaction;
    else
        w.plain = a->sa_handler;
    w.flags = a->sa_flags;
    /* The same as some time ago: no need for another. */
    for (struct wish *o = h->all; o; o = o->older)
        if (o->plain == w.plain && o->with_info == w.with_info && o->flags == w.flags &&
            memcmp(&o->mask, &a->sa_mask, sizeof o->mask) == 0) {
            aptr_store_release(&h->wish, o); /* release: pairs with the handler */
            return 0;
        }
    struct wish *new = room();
    if (!new)
        return -ENOMEM;
    *new = w;
    new->mask = a->sa_mask;
    new->older = h->all;
    h->all = new;
    aptr_store_release(&h->wish, new); /* release: pairs with the handler */
    return 0;
}

static bool fatal(int number, const struct sigaction *a) {
    return !(a->sa_flags & SA_SIGINFO) && a->sa_handler == SIG_DFL && !harmless(number);
}

/* Our handler in front of what the program wants, *a; the lock is held. */
static int front(int number, const struct sigaction *a) {
    struct hub *h = &hubs[number];
    int r = wished(h, a);
    if (r < 0)
        return r;
    struct sigaction new = {.sa_sigaction = handler, .sa_mask = a->sa_mask};
    const int kept = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT | SA_ONSTACK | SA_NODEFER;
    if (handled(h->wish))
        new.sa_flags = SA_SIGINFO | (a->sa_flags & kept);
    else /* SIGCHLD that is ignored: children are not to become zombies */
        new.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK |
                       (number == SIGCHLD ? (a->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)) : 0) |
                       (number == SIGCHLD && a->sa_handler == SIG_IGN ? SA_NOCLDWAIT : 0);
    h->hooked = mni_kq_sigaction_next(number, &new, NULL) == 0;
    return 0;
}

/* Sees to it that our handler is there, if it should; the lock is held. */
static int hook(int number) {
    struct hub *h = &hubs[number];
    struct sigaction now;
    if (mni_kq_sigaction_next(number, NULL, &now) < 0 || ours(&now))
        return 0;
    h->hooked = 0;
    return fatal(number, &now) ? wished(h, &now) : front(number, &now);
}

/* What the program wants: while our handler is there the kernel does not know it. */
static struct sigaction wanted(const struct hub *h) {
    const struct wish *w = h->wish;
    struct sigaction a = {.sa_flags = w->flags, .sa_mask = w->mask};
    if (w->with_info)
        a.sa_sigaction = w->with_info;
    else
        a.sa_handler = w->plain;
    return a;
}

static void unhook(int number) {
    struct hub *h = &hubs[number];
    struct sigaction now;
    if (!h->hooked || mni_kq_sigaction_next(number, NULL, &now) < 0 || !ours(&now))
        return;
    struct sigaction old = wanted(h);
    mni_kq_sigaction_next(number, &old, NULL);
    h->hooked = 0;
}

bool mni_kq_signal_watched(int number) {
    /* Relaxed: a note that is added meanwhile looks at what the kernel has. */
    return number > 0 && number < _NSIG && a32_load(&hubs[number].notes);
}

int mni_kq_signal_action(int number, const struct sigaction *a, struct sigaction *old) {
    struct hub *h = &hubs[number];
    struct sigaction now;
    uint64_t mask = enter();
    int r = mni_kq_sigaction_next(number, NULL, &now);
    if (r == 0 && ours(&now))
        now = wanted(h);
    if (r == 0 && a) {
        if (!h->notes || fatal(number, a) || front(number, a) < 0) {
            /* The kernel first: until it knows, the handler does what was wanted before. */
            h->hooked = 0;
            r = mni_kq_sigaction_next(number, a, NULL);
            if (r == 0 && h->notes)
                wished(h, a);
        } else if (!h->hooked) {
            r = -EINVAL; /* SIGKILL, or another that nobody handles */
        }
    }
    leave(mask);
    if (r == 0 && old)
        *old = now;
    return r;
}

void mni_kq_os_forked(void) {
    /* A holder of the lock is not here any more; what it was changing is one word at a time. */
    lock_reset(&lock);
    for (int i = 1; i < _NSIG; i++) {
        unhook(i);
        if (hubs[i].notes)
            sys(SYS_close, hubs[i].fd);
        a32_store(&hubs[i].notes, 0);
    }
    if (bell >= 0)
        sys(SYS_close, bell);
    bell = -1;
}

/* A signal to the process ends it, or runs its handler, where any LWP does not block it; and of the signal LWP
 * (sched/signals.c) the program does not know. */
void mni_kq_os_signals(const struct kevent *changes, int n) {
    for (int i = 0; i < n; i++) {
        if (changes[i].filter != EVFILT_SIGNAL || !(changes[i].flags & EV_ADD) || changes[i].ident >= _NSIG)
            continue;
        sigset_t one, blocked;
        sigemptyset(&one);
        pthread_sigmask(SIG_BLOCK, NULL, &blocked);
        if (sigaddset(&one, (int)changes[i].ident) == 0 && sigismember(&blocked, (int)changes[i].ident) == 1)
            mni_signals_block_more(&one);
    }
}

static bool pending(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    struct timespec none = {0, 0};
    return sys(SYS_ppoll, &p, 1, &none, NULL, 0) > 0;
}

void mni_kq_signal_pending(const struct mni_note *n) {
    struct hub *h = &hubs[n->ev.ident];
    uint64_t add = 0, mask = enter();
    if (!handled(h->wish)) {
        struct signalfd_siginfo info;
        while (sys(SYS_read, h->fd, &info, sizeof info) == sizeof info)
            add++;
    } else if (a32_cas_full(&h->counted, 0, 1)) { /* full, all three: see above */
        add = pending(h->fd) || !a32_cas_full(&h->counted, 1, 0);
    } else if (!pending(h->fd)) {
        a32_cas_full(&h->counted, 1, 0); /* it was taken by sigwait or the like */
    }
    leave(mask);
    if (add) {
        a64_add_full(&h->count, add);
        ring();
    }
}

static void recount(struct mni_kq *kq, struct mni_note *n) {
    uint64_t count = a64_load_acquire(&hubs[n->ev.ident].count); /* acquire: pairs with the handler */
    n->signal.count += count - n->signal.seen;
    n->signal.seen = count;
    if (n->signal.count)
        mni_note_activate(kq, n);
}

void mni_kq_signals_read(struct mni_kq *kq) {
    uint64_t mask = enter();
    list_each(l, &kq->signals)
        hook((int)list_entry(l, struct mni_note, signal.link)->ev.ident);
    leave(mask);
    list_each(l, &kq->signals)
        recount(kq, list_entry(l, struct mni_note, signal.link));
}

/* One more note of this signal; the lock is held. */
static int begin(int number) {
    struct hub *h = &hubs[number];
    if (bell < 0) {
        int fd = fault("eventfd") ? -EMFILE : (int)sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
            return fd;
        bell = fd;
    }
    if (h->notes == 0) {
        uint64_t set = 1ul << (number - 1);
        int fd = fault("signalfd") ? -EMFILE
                                   : (int)sys(SYS_signalfd4, -1, &set, sizeof set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
            return fd;
        h->fd = fd;
        int r = hook(number);
        if (r < 0) {
            sys(SYS_close, fd);
            return r;
        }
    }
    a32_store(&h->notes, h->notes + 1);
    return 0;
}

static void end(int number) {
    struct hub *h = &hubs[number];
    a32_store(&h->notes, h->notes - 1);
    if (h->notes)
        return;
    unhook(number);
    sys(SYS_close, h->fd);
    a32_store(&h->counted, 0);
}

static int attach(struct mni_kq *kq, struct mni_note *n) {
    if (n->ev.ident == 0 || n->ev.ident >= _NSIG)
        return -EINVAL;
    int number = (int)n->ev.ident;
    uint64_t tag = mni_note_tag(kq, n);
    if (!tag)
        return -ENOMEM;
    uint64_t mask = enter();
    int r = begin(number);
    if (r == 0) {
        r = kq_control(kq->fd, EPOLL_CTL_ADD, bell, EPOLLIN | EPOLLET, KQ_TAG(KQ_SIGNALS));
        if (r == -EEXIST)
            r = 0;
        if (r == 0)
            r = kq_control(kq->fd, EPOLL_CTL_ADD, hubs[number].fd, EPOLLIN | EPOLLET, tag);
        if (r < 0)
            end(number);
    }
    leave(mask);
    if (r < 0)
        return r;
    n->signal.seen = a64_load_acquire(&hubs[number].count); /* acquire: as in recount() */
    n->ev.flags |= EV_CLEAR;
    list_append(&kq->signals, &n->signal.link);
    mni_note_source(kq, n, true);
    return 0;
}

static void detach(struct mni_kq *kq, struct mni_note *n) {
    int number = (int)n->ev.ident;
    list_remove(&n->signal.link);
    uint64_t mask = enter();
    if (hubs[number].notes) { /* none: in a fork's child */
        if (kq->fd >= 0)
            kq_control(kq->fd, EPOLL_CTL_DEL, hubs[number].fd, 0, 0);
        if (kq->fd >= 0 && list_empty(&kq->signals))
            kq_control(kq->fd, EPOLL_CTL_DEL, bell, 0, 0);
        end(number);
    }
    leave(mask);
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    recount(kq, n);
    return 0;
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    if (change->flags & EV_ADD) {
        n->ev.fflags = change->fflags;
        n->ev.data = change->data;
        n->ev.flags |= EV_CLEAR;
    }
    return enable(kq, n);
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    recount(kq, n);
    mni_note_calm(kq, n);
    if (!n->signal.count)
        return MNI_REPORT_NO;
    e->data = (int64_t)n->signal.count;
    n->signal.count = 0;
    return MNI_REPORT_YES;
}

const struct mni_filter mni_filter_signal = {attach, detach, touch, enable, report, NULL};
