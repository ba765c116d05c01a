/*
 * deadlock: all threads wait, and nothing is left that could wake one.
 *
 * Guarantee: what is reported is a deadlock.  The other way round there is none: whatever might still do
 * something keeps the report away.
 *
 * sysmon asks when all workers have slept for a while (sysmon.c), and then sleeps: it costs nothing while a
 * program runs.  A deadlock is a state that stays, so the check may take its time, on another LWP (report.c),
 * and look twice.  In that state:
 *
 *   - every worker sleeps without a thread, and no LWP has a thread without a cpu;
 *   - nothing is queued, no timer is set (but those by which a thread looks at its mutex now and then: they change nothing
 *     while that has an owner), no descriptor is waited for, no job is offloaded;
 *   - every thread waits: in one of the library's own waits, whose names are known here, so that a part of the runtime
 *     that wakes threads by other means has nothing to do but to call its wait something else; bound threads, too;
 *   - the process has no LWP that could run the program's code: a thread of another library's, the caller of mn_start, a
 *     timer's or an aio's thread (lwps.c);
 *   - no signal has a handler of the program's, which could call mn_unpark, or end the program.
 *
 * Only a running thread, an expired timer, an event, another LWP or a handler can change any of these.  All are
 * read while none is there; the count of switches, the same before and after, tells whether that was so all the
 * time.  (Looks at mutexes are switches: it is tried a few times.)
 *
 * Limits: an LWP that shares the memory but is no thread of the process (clone without CLONE_THREAD) is not
 * seen.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <mn/mutex.h>
#include <mn/progress.h>
#include <mn/stats.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "debug/dump_signal.h"
#include "debug/peek.h"
#include "export.h"
#include "fault.h"
#include "io/poll.h"
#include "lock.h"
#include "lwps.h"
#include "offload/offload.h"
#include "panic.h"
#include "report.h"
#include "sched/runq.h"
#include "sched/worker.h"
#include "sync/robust.h"
#include "thread/create.h"
#include "thread/table.h"

enum {
    CHAINS = 16, /* that are written */
    LINKS = 16,  /* of each */
    TRIES = 20,
    DUMPED = 200, /* threads of which there is a list with backtraces */
};
#define AGAIN_NS 1000000000ll

static struct {
    struct lock lock;
    enum mn_deadlock what;
    void (*then)(void *);
    void *arg;
} choice = {.lock = LOCK_INIT(RANK_OBJECT), .what = MN_DEADLOCK_REPORT};

static uint32_t wanted = 1;   /* what is not OFF; atomic */
/* progress() at the last report; the signal LWP's, and sysmon's while that waits for nobody. */
static uint64_t reported;
static uint64_t again;        /* atomic */

MN_EXPORT int mn_on_deadlock(enum mn_deadlock what, void (*then)(void *arg), void *arg) {
    if (what != MN_DEADLOCK_REPORT && what != MN_DEADLOCK_ABORT && what != MN_DEADLOCK_OFF)
        return -EINVAL;
    lock_take(&choice.lock);
    choice.what = what;
    choice.then = then;
    choice.arg = arg;
    a32_store(&wanted, what != MN_DEADLOCK_OFF); /* relaxed: a hint to sysmon */
    lock_drop(&choice.lock);
    return 0;
}

void mni_deadlock_start(const struct mni_runtime *rt) {
    a64_store(&reported, 0);
    a64_store(&again, MN_FOREVER);
    if (rt->config.deadlock) {
        lock_take(&choice.lock);
        choice.what = (enum mn_deadlock)rt->config.deadlock;
        a32_store(&wanted, choice.what != MN_DEADLOCK_OFF);
        lock_drop(&choice.lock);
    }
}

int64_t mni_deadlock_again(void) {
    return (int64_t)a64_load(&again); /* relaxed: it is looked at before each sleep */
}

/* ---- is it one? */

static uint64_t switches(const struct mni_runtime *rt) {
    uint64_t n = 0;
    for (unsigned i = 0; i < rt->ncpus; i++)
        n += a64_load(&rt->cpus[i]->count.switches);
    return n;
}

/* Changes when a thread has got on since a report: none is made twice of the same. */
static uint64_t progress(const struct mni_runtime *rt) {
    uint64_t n = 1;
    for (unsigned i = 0; i < rt->ncpus; i++)
        n += a64_load(&rt->cpus[i]->count.spawns) + a64_load(&rt->cpus[i]->count.ends);
    return n + mni_foreign_spawns();
}

/* Relaxed loads: in a deadlock nobody changes anything, and otherwise no harm is done. */
static bool quiet(const struct mni_runtime *rt) {
    uint64_t timers = 0;
    uint32_t looks = 0;
    for (unsigned i = 0; i < rt->ncpus; i++) {
        const struct mni_cpu *c = rt->cpus[i];
        if (!a32_load(&c->remote.idle) || aptr_load(&c->current) || !mni_runq_empty(c) ||
            aptr_load(&c->remote.inbox))
            return false;
        timers += mni_timers_pending(c->timers);
        looks += a32_load(&c->looks);
    }
    if (timers != looks)
        return false;
    for (const struct mni_worker *w = mni_workers_all(); w; w = w->all)
        if (a32_load(&w->taken) & MNI_TAKEN_MARKS)
            return false;
    return mni_poll_waiters() == 0 && mni_offload_busy() == 0 && !a32_load(&rt->ending);
}

bool mni_deadlock_seems(const struct mni_runtime *rt) {
    return a32_load(&wanted) && !rt->embedded && quiet(rt) && mni_alive() != 0 &&
           a64_load(&reported) != progress(rt);
}

/* A handler of the program's for a signal that is sent, rather than caused by an instruction. */
static bool handlers(void) {
    static const int caused[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (int n = 1; n < NSIG; n++) {
        struct sigaction a;
        bool skip = n == mni_dump_signal_number();
        for (unsigned i = 0; i < sizeof caused / sizeof *caused; i++)
            skip |= n == caused[i];
        if (!skip && sigaction(n, NULL, &a) == 0 &&
            (a.sa_flags & SA_SIGINFO || (a.sa_handler != SIG_DFL && a.sa_handler != SIG_IGN)) &&
            !mni_stall_handler(&a))
            return true;
    }
    return false;
}

struct waiting {
    const struct mni_thread *thread;
    uint32_t owner; /* the number of whom it waits for (wait.h: parker.owner); 0: nobody in particular */
    uint32_t next;  /* its place in the list; from `found` on: none */
    bool waited_for, written;
};

struct search {
    struct waiting *list;
    uint32_t found, room;
    bool other; /* one does not wait, or for something that may come from outside */
};

static bool known(const char *what) {
    static const char *const names[] = {"mutex",  "condition", "join",       "channel send", "channel receive",
                                        "select", "read lock", "write lock", "semaphore",    "barrier",
                                        "event",  "future",    "once",       "wait group",   "scope"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(what, names[i]))
            return true;
    return false;
}

static bool visit(struct mni_thread *t, void *arg) {
    struct search *s = arg;
    if (a8_load(&t->state) == MNI_DONE)
        return true;
    /* Acquire: pairs with the operation that stored WAITING. */
    uint32_t claim = a32_load_acquire(&t->park.claim);
    bool waits = a8_load(&t->state) == MNI_WAITING && (claim & MNI_CLAIM_MASK) == MNI_WAITING_CLAIM;
    if (waits && t->flags & MNI_BOUND)
        waits = t->timer.deadline == MN_FOREVER; /* its LWP's, in the kernel (wait.c) */
    bool parked = a32_load(&t->permit) & MNI_PARKED;
    if (!waits || (!parked && !known(t->wait_what)) || s->found == s->room) {
        s->other = true;
        return false;
    }
    struct waiting *w = &s->list[s->found++];
    *w = (struct waiting){.thread = t, .next = UINT32_MAX};
    if (parked || !t->wait_on)
        return true;
    if (!strcmp(t->wait_what, "join"))
        w->owner = ((const struct mni_thread *)t->wait_on)->index + 1;
    else if (!strcmp(t->wait_what, "mutex"))
        s->other |= !mni_peek(&w->owner, &((const struct mn_mutex *)t->wait_on)->owner, sizeof w->owner) ||
                    !(w->owner &= ~MNI_ROBUST);
    return !s->other;
}

/* ---- saying so */

struct text {
    char *at;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(t->at, t->left, format, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left ? t->left - 1 : 0;
    t->at += used;
    t->left -= used;
}

/* The program's string, if it is still there. */
static void say_string(struct text *t, const char *s) {
    for (int i = 0; i < 40; i++) {
        char c = 0;
        if (!mni_peek(&c, s + i, 1) || !c)
            break;
        say(t, "%c", c >= ' ' && c <= '~' ? c : '?');
    }
}

static void say_waiting(struct text *t, const struct search *s, const struct waiting *w) {
    const struct mni_thread *th = w->thread;
    say(t, "thread %u", th->index + 1);
    const char *name = mni_thread_name(th);
    if (name) {
        say(t, " \"");
        say_string(t, name);
        say(t, "\"");
    }
    say(t, " waits: ");
    say_string(t, th->wait_what ? th->wait_what : "park");
    if (th->wait_on && !w->owner)
        say(t, " %p", th->wait_on);
    if (w->owner && !strcmp(th->wait_what, "mutex"))
        say(t, " %p, held by", th->wait_on);
    else if (w->owner)
        say(t, " of");
    if (w->owner >> 31)
        say(t, " a foreign LWP, which is gone");
    else if (w->owner && w->next >= s->found)
        say(t, " thread %u, which is gone", w->owner);
}

static void say_chain(struct text *t, struct search *s, struct waiting *w) {
    say(t, "  ");
    for (int links = 0;; links++) {
        say_waiting(t, s, w);
        w->written = true;
        if (w->next >= s->found)
            break;
        w = &s->list[w->next];
        say(t, " ");
        if (w->written || links == LINKS) {
            say(t, w->written ? "thread %u, above" : "thread %u, ...", w->thread->index + 1);
            break;
        }
    }
    say(t, "\n");
}

static int by_index(const void *a, const void *b) {
    uint32_t x = ((const struct waiting *)a)->thread->index, y = ((const struct waiting *)b)->thread->index;
    return x < y ? -1 : x > y;
}

static void link_up(struct search *s) {
    qsort(s->list, s->found, sizeof *s->list, by_index); /* the table is in that order; nothing depends on it */
    for (uint32_t i = 0; i < s->found; i++) {
        struct waiting *w = &s->list[i];
        uint32_t low = 0, high = s->found;
        while (w->owner && low < high) {
            uint32_t middle = low + (high - low) / 2, number = s->list[middle].thread->index + 1;
            if (number == w->owner) {
                w->next = middle;
                s->list[middle].waited_for = true;
                break;
            }
            if (number < w->owner)
                low = middle + 1;
            else
                high = middle;
        }
    }
}

static void tell(struct search *s) {
    static char room[16384]; /* the signal LWP's */
    struct text t = {room, sizeof room};
    link_up(s);
    say(&t, "odonata: libmn: deadlock: %u thread%s wait%s, and nothing is left that could wake one\n", s->found,
        s->found == 1 ? "" : "s", s->found == 1 ? "s" : "");
    int chains = 0;
    /* First those that nobody waits for; what is left then are cycles. */
    for (int cycles = 0; cycles < 2; cycles++)
        for (uint32_t i = 0; i < s->found && chains < CHAINS; i++)
            if (!s->list[i].written && (cycles || !s->list[i].waited_for)) {
                say_chain(&t, s, &s->list[i]);
                chains++;
            }
    if (chains == CHAINS)
        say(&t, "  ...\n");
    const char *from = room;
    while (from < t.at) {
        ssize_t n = write(2, from, (size_t)(t.at - from));
        if (n <= 0)
            break;
        from += n;
    }
    if (s->found <= DUMPED)
        mn_dump(2);
}

/* All threads wait; the list is filled. */
static bool all_wait(const struct mni_runtime *rt, struct search *s) {
    uint64_t before = switches(rt);
    s->found = 0;
    s->other = false;
    if (!quiet(rt))
        return false;
    mni_table_each(visit, s);
    fence_full();
    return !s->other && s->found == s->room && mni_alive() == s->room && quiet(rt) && switches(rt) == before;
}

static bool sure(const struct mni_runtime *rt, struct search *s) {
    /* What mostly says no, first. */
    if (handlers() || !mni_lwps_all_ours())
        return false;
    uint64_t alive = mni_alive();
    if (alive == 0 || alive >= UINT32_MAX)
        return false;
    s->room = (uint32_t)alive;
    s->list = fault("malloc") ? NULL : calloc(s->room, sizeof *s->list);
    if (!s->list)
        return false;
    mni_peek_prepare();
    bool yes = false;
    for (int i = 0; i < TRIES && !(yes = all_wait(rt, s)); i++)
        usleep(1000);
    return yes && mni_lwps_all_ours();
}

void mni_deadlock_check(void) {
    const struct mni_runtime *rt = mni_rt;
    struct search s = {0};
    bool yes = a32_load(&wanted) && sure(rt, &s);
    a64_store(&again, yes ? (uint64_t)MN_FOREVER : clock_now_ns() + AGAIN_NS);
    if (yes) {
        lock_take(&choice.lock);
        enum mn_deadlock what = choice.what;
        void (*then)(void *) = choice.then;
        void *arg = choice.arg;
        lock_drop(&choice.lock);
        a64_store(&reported, progress(rt));
        tell(&s);
        free(s.list);
        if (what == MN_DEADLOCK_ABORT)
            abort();
        if (then)
            then(arg);
        return;
    }
    free(s.list);
}
