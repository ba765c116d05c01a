/*
 * call: a request, and the wait for its answer.
 *
 * A call is a monitor and a message, pushed together.  The caller keeps no half of the monitor: call_ref says
 * which reference it waits for, and a reply or DOWN with any other is dropped when it comes.  The process
 * that replies forgets its half, so that a call that is answered costs two signals in all.  Where a third
 * process replies, or the caller gives up, it sends DEMONITOR.  So nothing is left anywhere, however the call
 * ends.
 *
 * A callback waits in its handler's own record, so that its callee sees who calls.  A thread that is no process
 * borrows a record for the call; a foreign LWP has such a thread do it.
 */
#include <errno.h>

#include "export.h"
#include "proc/exec.h"
#include "proc/limit.h"
#include "proc/recv.h"
#include "runtime/keep.h"
#include "thread/create.h"
#include "wait/call.h"

/* The callee is told that nobody waits for its answer any more.  Without the memory for that it finds out by
 * itself. */
static void demonitor(struct mni_cpu *c, struct mni_proc *p, mn_pid peer, mn_ref ref) {
    struct mni_msg *m = mni_signal_make(c->proc, MNI_K_DEMONITOR, mni_pid(p), ref);
    if (m)
        mni_signal_send(c, peer, m);
}

void mni_call_given_up(struct mni_cpu *c, struct mni_proc *p) {
    demonitor(c, p, p->more->call_peer, p->more->call_ref);
}

/* Where the callee's mailbox has a bound: may block.  *bits: what the message is marked with; or an error. */
static inline int find_room(struct mni_cpu **cpu, enum mni_kind kind, mn_pid to, int64_t deadline,
                            uint16_t *bits) {
    struct mni_proc *p = mni_proc_find(to);
    *bits = 0;
    if (__builtin_expect(!p || !(a32_load(&p->flags) & MNI_PROC_LIMITED) || kind != MNI_K_MSG, 1))
        return 0;
    int r = mni_limit_call(cpu, p, to, deadline);
    *bits = r > 0 ? MNI_MSG_COUNTED : 0;
    return r < 0 ? r : 0;
}

/* A message was not made or not sent: the room that was found for it is free again. */
static void give_up_room(mn_pid to, uint16_t bits) {
    if (bits)
        mni_limit_undo(mni_proc_at(to));
}

/* Pushes MONITOR and the message; false: there is no such process. */
static bool push_call(struct mni_cpu *c, mn_pid to, struct mni_msg *monitor, struct mni_msg *m) {
    struct mni_proc *p = mni_proc_find(to);
    uint64_t old = MNI_OUTER_CLOSED;
    if (p) {
        m->generation = monitor->generation = (uint32_t)(to >> 32);
        m->next = monitor;
        old = mni_outer_push(p, m, monitor);
    }
    if (old == MNI_OUTER_CLOSED) {
        give_up_room(to, m->bits & MNI_MSG_COUNTED);
        mni_msg_free(c->proc, monitor);
        mni_msg_free(c->proc, m);
        return false;
    }
    if (old & MNI_OUTER_IDLE)
        mni_outer_wake(c, p, old);
    return true;
}

static struct mni_msg *make(struct mni_cpu *c, struct mni_proc *p, enum mni_kind kind, mn_ref ref, uint64_t tag,
                            const void *data, size_t size, uint16_t bits, struct mni_msg **monitor) {
    struct mni_msg *m = NULL;
    *monitor = mni_signal_make(c->proc, MNI_K_MONITOR, mni_pid(p), ref);
    if (*monitor && !(m = mni_msg_make(c->proc, kind, mni_pid(p), tag, ref, data, size)))
        mni_block_give(c->proc, 0, *monitor);
    if (m) {
        m->pub.type = MN_MSG_CALL;
        m->bits |= bits;
    }
    return m;
}

/* The call of a process, which has a `more`; *reply: out of the mailbox. */
static inline __attribute__((always_inline)) int
call(struct mni_cpu **cpu, struct mni_proc *p, enum mni_kind kind, mn_pid pid, uint64_t tag, const void *data,
     size_t size, struct mni_msg **reply, int64_t deadline) {
    uint16_t bits;
    int r = find_room(cpu, kind, pid, deadline, &bits);
    if (r < 0)
        return r;
    struct mni_cpu *c = *cpu;
    struct mni_more *more = p->more;
    mn_ref ref = mni_ref_make(c);
    struct mni_msg *monitor, *m = make(c, p, kind, ref, tag, data, size, bits, &monitor);
    if (!m) {
        give_up_room(pid, bits);
        return -ENOMEM;
    }
    more->call_ref = ref;
    more->call_peer = pid;
    more->answered = false;
    more->mark_ref = ref;
    more->mark = p->tail;
    r = -ESRCH;
    if (push_call(c, pid, monitor, m)) {
        struct mn_match match = {.fields = MN_MATCH_REF, .ref = ref};
        r = mni_recv(&c, p, &m, &match, deadline);
        *cpu = c;
        if (r < 0) {
            demonitor(c, p, pid, ref);
        } else if (m->pub.type == MN_MSG_DOWN) {
            r = mn_msg_reason(&m->pub) == MN_REASON_NOPROC ? -ESRCH : -ECONNRESET;
            mni_msg_free(c->proc, m);
        } else {
            if (m->pub.from != pid)
                demonitor(c, p, pid, ref);
            *reply = m;
        }
    }
    more->call_ref = 0;
    return r;
}

/* ---- for those who are no threads of the runtime: a process of its own calls */

struct errand {
    mn_pid pid;
    uint64_t tag;
    const void *data;
    size_t size;
    int64_t deadline;
    int result;
};

static void *run_errand(void *arg) {
    struct errand *e = arg;
    e->result = mn_call_until(e->pid, e->tag, e->data, e->size, NULL, e->deadline);
    return NULL;
}

static int call_foreign(mn_pid pid, uint64_t tag, const void *data, size_t size, struct mn_msg **reply,
                        int64_t deadline) {
    MNI_KEEP_OR(-EPERM);
    if (reply)
        return -EINVAL;
    struct errand e = {pid, tag, data, size, deadline, 0};
    mn_thread t;
    int r = mn_go(&t, run_errand, &e);
    if (r < 0)
        return r;
    while (mn_join(t, NULL) < 0) /* a bound thread that is cancelled: so is the call */
        mn_cancel(t);
    return e.result;
}

static inline __attribute__((always_inline)) int call_until(struct mni_cpu *c, enum mni_kind kind, mn_pid pid,
                                                            uint64_t tag, const void *data, size_t size,
                                                            struct mn_msg **reply, int64_t deadline) {
    struct mni_thread *t = c->current;
    struct mni_proc *own = mni_proc_self(c), *p = own;
    if (p && (a32_load(&t->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL)
        mni_proc_check(c, p);
    int r = 0;
    struct mni_msg *m = NULL;
    if (!own)
        r = mni_caller_begin(c, &p);
    else if (mni_pid(own) == pid)
        r = -EDEADLK;
    else if (!mni_more(c, own))
        r = -ENOMEM;
    if (r == 0)
        r = call(&c, p, kind, pid, tag, data, size, &m, deadline);
    if (p != own) {
        t->own->proc = own;
        mni_proc_close(c, p, MN_REASON_NORMAL, NULL);
    }
    if (m && reply && own) {
        /* A process that ends without releasing it has that done. */
        mni_msg_hold(own->more, m);
    }
    if (m) {
        m->pub.type = MN_MSG_REPLY;
        if (reply)
            *reply = &m->pub;
        else
            mni_msg_free(c->proc, m);
    }
    mni_leave_slice(c);
    return r;
}

MN_EXPORT MNI_CTX_RETURNS int mn_call_until(mn_pid pid, uint64_t tag, const void *data, size_t size,
                                            struct mn_msg **reply, int64_t deadline) {
    mni_ctx_leaves(__builtin_return_address(0));
    if (size > UINT32_MAX)
        return -EMSGSIZE;
    struct mni_cpu *c = mni_enter();
    if (!c)
        return call_foreign(pid, tag, data, size, reply, deadline);
    return call_until(c, MNI_K_MSG, pid, tag, data, size, reply, deadline);
}

int mni_inspect_call(struct mni_cpu *c, mn_pid pid, uint64_t what, struct mn_msg **reply, int64_t deadline) {
    return call_until(c, MNI_K_INSPECT, pid, what, NULL, 0, reply, deadline);
}

MN_EXPORT int mn_call(mn_pid pid, uint64_t tag, const void *data, size_t size, struct mn_msg **reply) {
    return mn_call_until(pid, tag, data, size, reply, MN_FOREVER);
}

MN_EXPORT int mn_request_until(mn_pid pid, uint64_t tag, const void *data, size_t size, mn_ref *ref,
                               int64_t deadline) {
    if (!ref)
        return -EINVAL;
    if (size > UINT32_MAX)
        return -EMSGSIZE;
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    uint16_t bits;
    int r = find_room(&c, MNI_K_MSG, pid, deadline, &bits);
    if (r < 0) {
        mni_leave_slice(c);
        return r;
    }
    mn_ref number = mni_ref_make(c);
    struct mni_msg *monitor, *m = make(c, p, MNI_K_MSG, number, tag, data, size, bits, &monitor);
    struct mni_msg *own = m ? mni_signal_make(c->proc, MNI_R_WATCH, pid, number) : NULL;
    if (own) {
        own->bits = MNI_REL_ALIAS;
        mni_rel_add(p, mni_as_rel(own));
        if (p->more) {
            p->more->mark = p->tail;
            p->more->mark_ref = number;
        }
        *ref = number;
        if (!push_call(c, pid, monitor, m)) {
            /* DOWN comes as if the process had been found dead a moment later. */
            struct mni_rel *half = mni_as_rel(own);
            mni_rel_remove(p, half);
            own->kind = MNI_K_MSG;
            own->bits = 0;
            own->pub =
                (struct mn_msg){.from = pid, .tag = MN_REASON_NOPROC, .ref = number, .type = MN_MSG_DOWN};
            mni_mailbox_append(p, own);
        }
    } else {
        r = -ENOMEM;
        give_up_room(pid, bits);
        if (m) {
            mni_msg_free(c->proc, monitor);
            mni_msg_free(c->proc, m);
        }
    }
    mni_leave_slice(c);
    return r;
}

MN_EXPORT int mn_request(mn_pid pid, uint64_t tag, const void *data, size_t size, mn_ref *ref) {
    return mn_request_until(pid, tag, data, size, ref, MN_FOREVER);
}

MN_EXPORT int mn_reply_to(mn_pid from, mn_ref ref, uint64_t tag, const void *data, size_t size) {
    if (size > UINT32_MAX)
        return -EMSGSIZE;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c = mni_call_begin();
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    struct mni_msg *m = mni_msg_make(mni_part(c), MNI_K_REPLY, mni_pid_self(c), tag, ref, data, size);
    int r = m ? 0 : -ENOMEM;
    if (m) {
        m->pub.type = MN_MSG_REPLY;
        struct mni_rel *half = p ? mni_rel_find(p, MNI_R_WATCHED, ref) : NULL;
        if (half) {
            mni_rel_remove(p, half);
            mni_block_give(c->proc, 0, half);
        }
        mni_signal_send(c, from, m);
    }
    mni_call_end(c);
    return r;
}

MN_EXPORT int mn_reply(const struct mn_msg *msg, uint64_t tag, const void *data, size_t size) {
    return mn_reply_to(msg->from, msg->ref, tag, data, size);
}
