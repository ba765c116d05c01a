/* link: links, monitors, exit signals and the flag trap_exit, from the side of the caller (signal.c has the
 * protocol). */
#include <errno.h>
#include <string.h>

#include "export.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "wait/call.h"

/* The call may have made the caller's process end. */
static void leave(struct mni_cpu *c, struct mni_proc *p) {
    if (__builtin_expect(p->flags & MNI_PROC_DOOMED, 0))
        mni_proc_check(c, p);
    mni_leave(c);
}

MN_EXPORT int mn_proc_link(mn_pid pid) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = 0;
    mn_pid self = mni_pid(p);
    struct mni_rel *half = mni_rel_find(p, MNI_R_LINK, pid);
    if (pid != self && (!half || half->bits & MNI_REL_UNLINKING)) {
        struct mni_msg *m = mni_signal_make(c->proc, MNI_K_LINK, self, 0);
        struct mni_msg *own = m && !half ? mni_signal_make(c->proc, MNI_R_LINK, pid, 0) : NULL;
        if (m && (half || own)) {
            if (half)
                half->bits = 0;
            else
                mni_rel_add(p, mni_as_rel(own));
            mni_signal_send(c, pid, m);
        } else {
            r = -ENOMEM;
            if (m)
                mni_block_give(c->proc, 0, m);
        }
    }
    leave(c, p);
    return r;
}

/*
 * The peer has closed its queue, or has ended: what it has to say about the link is in our queue when its pid
 * is stale.  It does not sleep before that, but its LWP may be preempted; so let others run.
 */
static void await_end(struct mni_proc *p, mn_pid pid) {
    struct mni_proc *peer = mni_proc_at(pid);
    bool shield = mni_shield_self(true);
    while (peer && mni_proc_is(peer, pid)) {
        mni_leave(mni_cpu_self());
        mn_sleep(20000);
        mni_enter();
    }
    if (!shield)
        mni_shield_self(false);
    struct mni_cpu *c = mni_cpu_self();
    mni_proc_unpoke(c->current); /* before the look: a poke that it takes back for another signal is found there */
    mni_signals_take(c, p);
}

MN_EXPORT int mn_proc_unlink(mn_pid pid) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = 0;
    struct mni_rel *half = mni_rel_find(p, MNI_R_LINK, pid);
    if (half && !(half->bits & MNI_REL_UNLINKING)) {
        mn_ref ref = mni_ref_make(c);
        struct mni_msg *m = mni_signal_make(c->proc, MNI_K_UNLINK, mni_pid(p), ref);
        if (!m) {
            r = -ENOMEM;
        } else {
            half->bits |= MNI_REL_UNLINKING;
            half->ref = ref;
            if (!mni_signal_send(c, pid, m)) {
                await_end(p, pid);
                c = mni_cpu_self();
            }
        }
    }
    leave(c, p);
    return r;
}

int mni_monitor(mn_pid pid, const char *name, mn_ref *ref) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c); /* first: it does not return to a caller that was killed */
    if (!p)
        return -EPERM;
    if (!ref) {
        leave(c, p);
        return -EINVAL;
    }
    int r = 0;
    mn_ref number = mni_ref_make(c);
    struct mn_bin *shown = NULL;
    struct mni_msg *m = name && mn_bin_make(&shown, name, strlen(name) + 1) < 0
                            ? NULL
                            : mni_signal_make(c->proc, MNI_K_MONITOR, mni_pid(p), number);
    struct mni_msg *own = m ? mni_signal_make(c->proc, MNI_R_WATCH, pid, number) : NULL;
    if (own) {
        own->bits = shown ? MNI_REL_NAMED : 0;
        own->pub.tag = (uint64_t)(uintptr_t)shown;
        mni_rel_add(p, mni_as_rel(own));
        if (p->more) {
            p->more->mark = p->tail;
            p->more->mark_ref = number;
        }
        *ref = number;
        mni_signal_send(c, pid, m);
    } else {
        r = -ENOMEM;
        mn_bin_drop(shown);
        if (m)
            mni_block_give(c->proc, 0, m);
    }
    leave(c, p);
    return r;
}

MN_EXPORT int mn_monitor(mn_pid pid, mn_ref *ref) {
    return mni_monitor(pid, NULL, ref);
}

/* Removes what has come for a reference. */
static bool flush_ref(struct mni_cpu *c, struct mni_proc *p, mn_ref ref) {
    struct mni_msg **at = p->more && p->more->mark_ref == ref ? p->more->mark : &p->head;
    for (; *at; at = &(*at)->next)
        if ((*at)->pub.ref == ref && ((*at)->pub.type == MN_MSG_DOWN || (*at)->pub.type == MN_MSG_REPLY)) {
            mni_msg_free(c->proc, mni_mailbox_remove(p, at));
            return true;
        }
    return false;
}

MN_EXPORT int mn_demonitor(mn_ref ref, bool flush) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = -ENOENT;
    struct mni_rel *half = mni_rel_find(p, MNI_R_WATCH, ref);
    if (half) {
        r = 0;
        mn_pid peer = half->peer;
        mni_rel_remove(p, half);
        mni_rel_unname(half);
        struct mni_msg *m = mni_as_msg(half);
        m->kind = MNI_K_DEMONITOR;
        m->bits = 0;
        m->pub.from = mni_pid(p);
        mni_signal_send(c, peer, m);
    } else if (flush && flush_ref(c, p, ref)) {
        r = 0;
    }
    leave(c, p);
    return r;
}

MN_EXPORT int mn_exit_signal_with(mn_pid pid, int64_t reason, const void *data, size_t size) {
    if (size > UINT32_MAX)
        return -EMSGSIZE;
    MNI_KEEP_OR(-EPERM);
    struct mn_bin *detail = NULL;
    if (size && mn_bin_make(&detail, data, size) < 0)
        return -ENOMEM;
    struct mni_cpu *c = mni_call_begin();
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    int r = 0;
    struct mni_msg *m = mni_signal_make(mni_part(c), MNI_K_EXIT, mni_pid_self(c), 0);
    if (!m) {
        r = -ENOMEM;
        mn_bin_drop(detail);
    } else {
        m->pub.tag = (uint64_t)reason;
        mni_msg_detail(m, detail);
        mn_bin_drop(detail); /* it is the signal's, and the caller may not come back */
        if (p && pid == mni_pid(p)) {
            /* To itself: acted on before the call returns, and `normal` does end it. */
            mni_signals_take(c, p);
            if (reason == MN_REASON_NORMAL && !(p->flags & MNI_PROC_TRAP)) {
                mni_proc_doom(p, reason, detail);
                mni_msg_free(c->proc, m);
            } else {
                mni_signal_act(c, p, m);
            }
        } else {
            mni_signal_send(c, pid, m);
        }
    }
    if (p)
        leave(c, p);
    else if (c)
        mni_leave(c);
    return r;
}

MN_EXPORT int mn_exit_signal(mn_pid pid, int64_t reason) {
    return mn_exit_signal_with(pid, reason, NULL, 0);
}

MN_EXPORT int mn_trap_exit(bool trap) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    bool was = p->flags & MNI_PROC_TRAP;
    if (was != trap) {
        /* poke.c says why: the store, then what has come, by the rule that its senders may have seen. */
        if (trap)
            mni_proc_flag(p, MNI_PROC_TRAP | MNI_PROC_STRICT, 0);
        else
            mni_proc_flag(p, 0, MNI_PROC_TRAP);
        if (!mni_solo())
            fence_full();
        mni_signals_take(c, p);
        mni_proc_flag(p, 0, MNI_PROC_STRICT);
    }
    leave(c, p);
    return was;
}
