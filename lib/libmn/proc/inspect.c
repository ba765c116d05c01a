/*
 * inspect: what a process says of itself: memory, relations, how much it has run.
 *
 * All that is its own business, in words that nobody else may read.  So it is asked by a signal, as in Erlang,
 * and answers as it acts on its signals; the call is one as any other (call.c), and ends with the process.  In
 * Erlang every process comes to its signals soon.  Here one may compute without a call, or wait for something
 * else than messages, and a wait that was claimed to have it look could not be resumed (poke.c).  So at the
 * deadline the asker takes what can be seen from outside, and says that this is all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "fault.h"
#include "proc/exec.h"
#include "proc/own.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "wait/call.h"

/* What is asked: tag. */
enum { REPORT = 0, RELATED = 1 /* + enum mn_relation */ };

static void add_messages(struct mn_proc_report *report, const struct mni_msg *m) {
    for (; m; m = m->next)
        if (m->kind != MNI_K_EMPTY)
            report->messages += m->class < MNI_MSG_CLASSES ? (uint64_t)64 << m->class : sizeof *m + m->pub.size;
}

static uint32_t *count_of(struct mn_proc_report *report, const struct mni_rel *r) {
    switch ((enum mni_kind)r->kind) {
    case MNI_R_LINK:
        return &report->links;
    case MNI_R_WATCH:
        return &report->monitors;
    case MNI_R_WATCHED:
        return &report->watchers;
    default:
        return &report->aliases;
    }
}

/* By the process itself. */
static void describe(const struct mni_cpu *c, const struct mni_proc *p, struct mn_proc_report *report) {
    const struct mni_more *more = p->more;
    *report = (struct mn_proc_report){
        .mailbox = p->length, .reductions = p->received, .relations = p->nrels, .answered = true};
    for (const struct mni_rel *r = p->rels; r; r = r->succ)
        ++*count_of(report, r);
    add_messages(report, p->head);
    report->memory = sizeof *p + (uint64_t)p->nrels * sizeof(struct mni_rel);
    if (p->state)
        report->memory +=
            p->state_class < MNI_MSG_CLASSES ? (uint64_t)64 << p->state_class : p->handler->state_size;
    if (more) {
        add_messages(report, more->held);
        report->fn = more->fn;
        report->allocated = mni_arena_used(p);
        report->memory += (uint64_t)64 << more->classed;
        report->memory += more->index ? (more->index_mask + 1) * sizeof(struct mni_rel *) : 0;
    }
    if (mni_proc_is_thread(p))
        report->reductions += (uint64_t)mni_extra(c->current)->slices * MNI_BUDGET;
    report->memory += report->messages + report->allocated;
}

/* Names and groups watch as pid 0, and are left out. */
static bool is_related(const struct mni_rel *r, enum mn_relation which) {
    static const uint8_t kinds[] = {MNI_R_LINK, MNI_R_WATCH, MNI_R_WATCHED};
    return r->kind == kinds[which] && r->peer && !(which == MN_LINKED && r->bits & MNI_REL_UNLINKING);
}

/* The answer, to be sent, or to be looked at where the process asks itself; NULL: no memory. */
static struct mni_msg *answer(const struct mni_cpu *c, const struct mni_proc *p, uint64_t what, mn_ref ref) {
    if (what == REPORT) {
        struct mn_proc_report report;
        describe(c, p, &report);
        return mni_msg_make(c->proc, MNI_K_REPLY, mni_pid(p), 0, ref, &report, sizeof report);
    }
    size_t n = 0;
    mn_pid *pids = fault("malloc") ? NULL : malloc((p->nrels + 1) * sizeof *pids);
    if (!pids)
        return NULL;
    for (const struct mni_rel *r = p->rels; r; r = r->succ)
        if (is_related(r, (enum mn_relation)(what - RELATED)))
            pids[n++] = r->peer;
    struct mni_msg *m = mni_msg_make(c->proc, MNI_K_REPLY, mni_pid(p), 0, ref, pids, n * sizeof *pids);
    free(pids);
    return m;
}

void mni_inspected(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m) {
    mn_pid from = m->pub.from;
    struct mni_rel *half = mni_rel_find(p, MNI_R_WATCHED, m->pub.ref); /* of the call */
    if (half) {
        mni_rel_remove(p, half);
        mni_block_give(c->proc, 0, half);
    }
    struct mni_msg *a = answer(c, p, m->pub.tag, m->pub.ref);
    if (a) {
        mni_msg_free(c->proc, m);
    } else { /* the question goes back, and says so */
        a = m;
        a->kind = MNI_K_REPLY;
        a->pub.from = mni_pid(p);
        a->pub.tag = ENOMEM;
    }
    a->pub.type = MN_MSG_REPLY;
    mni_signal_send(c, from, a);
}

/* ---- asking */

struct question {
    mn_pid pid;
    uint64_t what;
    int64_t deadline;
    void *out; /* at most room bytes go there */
    size_t room;
    int64_t size; /* of the whole answer, or an error */
};

static void take(struct question *q, const struct mn_msg *m) {
    q->size = m->tag ? -(int64_t)m->tag : m->size;
    if (q->size > 0 && q->room)
        memcpy(q->out, m->data, m->size < q->room ? m->size : q->room);
}

static void ask_oneself(struct mni_cpu *c, struct mni_proc *p, struct question *q) {
    mni_signals_take(c, p);
    struct mni_msg *m = answer(c, p, q->what, 0);
    q->size = -ENOMEM;
    if (m) {
        take(q, &m->pub);
        mni_msg_free(c->proc, m);
    }
    if (p->flags & MNI_PROC_DOOMED)
        mni_proc_check(c, p);
    mni_leave_slice(c);
}

static void *ask_here(void *arg) {
    struct question *q = arg;
    struct mni_cpu *c = mni_enter();
    struct mni_proc *p = mni_proc_self(c);
    if (p && mni_pid(p) == q->pid) {
        ask_oneself(c, p, q);
        return NULL;
    }
    struct mn_msg *reply;
    q->size = mni_inspect_call(c, q->pid, q->what, &reply, q->deadline);
    if (q->size == 0) {
        take(q, reply);
        mn_msg_free(reply);
    } else if (q->size == -ECONNRESET) {
        q->size = -ESRCH; /* it has ended meanwhile */
    }
    return NULL;
}

static int64_t ask(mn_pid pid, uint64_t what, void *out, size_t room, int64_t deadline) {
    MNI_KEEP_OR(-EPERM);
    struct question q = {pid, what, deadline, out, room, 0};
    mn_thread t;
    int r;
    if (mni_worker_self())
        ask_here(&q);
    else if ((r = mn_go(&t, ask_here, &q)) < 0)
        q.size = r;
    else
        while (mn_join(t, NULL) < 0) /* a bound thread that is cancelled: so is the call */
            mn_cancel(t);
    return q.size;
}

/* What can be seen of it from outside. */
static int look(mn_pid pid, struct mn_proc_report *report) {
    struct mn_proc_state st;
    int r = mn_proc_info(pid, &st);
    if (r < 0)
        return r;
    *report = (struct mn_proc_report){
        .memory = sizeof(struct mni_proc) + st.relations * sizeof(struct mni_rel) +
                  (st.handler ? st.handler->state_size : sizeof(struct mni_more)),
        .reductions = st.received,
        .mailbox = st.mailbox,
        .relations = st.relations,
        .doing = MN_PROC_READY,
    };
    struct mni_cpu *c = mni_call_begin();
    const struct mni_proc *p = mni_proc_find(pid);
    const struct mni_thread *t = st.thread ? mni_thread_find(st.thread) : NULL;
    if (t) {
        /* Relaxed, as in info.c: each for itself, while the thread goes on. */
        uint8_t state = a8_load(&t->state);
        report->doing = state == MNI_RUNNING   ? MN_PROC_RUNS
                        : state == MNI_WAITING ? MN_PROC_WAITS
                                               : MN_PROC_READY;
        report->reductions += (uint64_t)a32_load(&mni_extra(t)->slices) * MNI_BUDGET;
    } else if (p && a64_load(&p->outer) & MNI_OUTER_IDLE) {
        report->doing = MN_PROC_WAITS;
    }
    fence_acquire(); /* the generation is read last */
    r = p && mni_proc_is(p, pid) ? 0 : -ESRCH;
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_proc_inspect_until(mn_pid pid, struct mn_proc_report *report, size_t size, int64_t deadline) {
    if (size < offsetof(struct mn_proc_report, relations)) /* the first version */
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    struct mn_proc_report seen, now;
    int r = look(pid, &seen);
    if (r < 0)
        return r;
    /* One that has no time to answer is not asked: the question would lie there until it looks. */
    r = deadline <= mn_now() && pid != mn_pid_self() ? -ETIMEDOUT
                                                     : (int)ask(pid, REPORT, &now, sizeof now, deadline);
    if (r >= 0) {
        now.doing = seen.doing;
        r = 0;
    } else if (r != -ETIMEDOUT) {
        return r;
    } else if (look(pid, &now) < 0) {
        return -ESRCH;
    }
    memset(report, 0, size);
    memcpy(report, &now, size < sizeof now ? size : sizeof now);
    return r;
}

MN_EXPORT int mn_proc_inspect(mn_pid pid, struct mn_proc_report *report, size_t size) {
    return mn_proc_inspect_until(pid, report, size, MN_FOREVER);
}

MN_EXPORT int64_t mn_proc_related_until(mn_pid pid, enum mn_relation which, mn_pid *pids, size_t room,
                                        int64_t deadline) {
    if ((unsigned)which > MN_WATCHING_IT)
        return -EINVAL;
    int64_t r = ask(pid, RELATED + (uint64_t)which, pids, room * sizeof *pids, deadline);
    return r < 0 ? r : r / (int64_t)sizeof *pids;
}

MN_EXPORT int64_t mn_proc_related(mn_pid pid, enum mn_relation which, mn_pid *pids, size_t room) {
    return mn_proc_related_until(pid, which, pids, room, MN_FOREVER);
}
