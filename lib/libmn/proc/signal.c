/*
 * signal: what processes tell each other, and what they do about it.
 *
 * Links.  Each side keeps a half; both are made by one signal (LINK, which becomes the peer's half) and go
 * away by another: UNLINK, or LINK_EXIT, which is the half of the process that ended.  The naive way, in
 * which UNLINK just removes the peer's half, fails when LINK and UNLINK cross on their way: one side has a
 * half then, the other has none.  So the one that unlinks keeps its half, marked UNLINKING with a number,
 * until the other has acknowledged that number (as Erlang does since OTP 23):
 *
 *     a's half       a calls link       a calls unlink      LINK comes       UNLINK comes        ACK n comes     LINK_EXIT comes
 *     none           LINKED, send LINK  -                   LINKED           send ACK            -               -
 *     LINKED         -                  UNLINKING n, send   -                none, send ACK      -               none, exit
 *     UNLINKING n    LINKED, send LINK  -                   -                send ACK            none            none
 *     UNLINKING m    (m != n)                                                                    -
 *
 * LINK that comes to an UNLINKING half is ignored: the peer has sent it before it saw the UNLINK, which will
 * remove its half.  An ACK whose number is not the half's is that of an earlier unlinking, and the half was
 * linked anew since.  tests/model/mn_link.c walks through all orders.
 *
 * A process that ends sends LINK_EXIT for a half that is LINKED, and ACK for one that is UNLINKING, in place
 * of what the peer might wait for.
 *
 * Ends.  A process closes its outer queue, acts on what is still in it, and then tells the others, so: who
 * has pushed UNLINK before the queue was closed gets no LINK_EXIT; who finds it closed waits until all have
 * been told (mn_proc_unlink), and drops what came.  Either way no exit of that link comes after
 * mn_proc_unlink.
 *
 * Monitors.  MONITOR becomes the half of the one that is watched, and that becomes DOWN.  The watcher drops a
 * DOWN whose half it does not have any more.
 */
#include "proc/signal.h"

#include <string.h>

#include "panic.h"
#include "proc/down.h"
#include "proc/limit.h"

/* Whether the signal ends a process that traps exits, or does not. */
static bool fatal(const struct mni_msg *m, bool trap) {
    if (m->kind == MNI_K_EXIT && m->pub.tag == MN_REASON_KILL)
        return true;
    return (m->kind == MNI_K_EXIT || m->kind == MNI_K_LINK_EXIT) && m->pub.tag != MN_REASON_NORMAL && !trap;
}

bool mni_signals_fatal(const struct mni_proc *p) {
    /* Acquire: pairs with the push. */
    uint64_t all = a64_load_acquire(&p->outer);
    const struct mni_msg *m = all & (MNI_OUTER_IDLE | MNI_OUTER_CLOSED) ? NULL : (void *)(uintptr_t)all;
    while (m && !(m->generation == p->generation && fatal(m, p->flags & MNI_PROC_TRAP)))
        m = m->next;
    return m;
}

bool mni_signal_send(struct mni_cpu *c, mn_pid to, struct mni_msg *m) {
    struct mni_proc *p = mni_proc_find(to);
    if (!p) {
        mni_signal_bounce(c, to, m);
        return false;
    }
    m->generation = (uint32_t)(to >> 32);
    bool pokes[2] = {fatal(m, false), fatal(m, true)}; /* it is the receiver's once it is pushed */
    uint64_t old = mni_outer_push(p, m, m);
    if (__builtin_expect(old == MNI_OUTER_CLOSED, 0)) {
        mni_signal_bounce(c, to, m);
        return false;
    }
    if (old & MNI_OUTER_IDLE)
        mni_outer_wake(c, p, old);
    else if (__builtin_expect(pokes[0], 0) && pokes[a32_load(&p->flags) & MNI_PROC_TRAP])
        /* The flag is read after the push, which is a full operation: pairs with mn_trap_exit. */
        mni_proc_poke(p, to);
    return true;
}

void mni_signal_bounce(struct mni_cpu *c, mn_pid to, struct mni_msg *m) {
    mn_pid from = m->pub.from;
    if (m->kind == MNI_K_LINK) {
        m->kind = MNI_K_LINK_EXIT;
    } else if (m->kind == MNI_K_MONITOR) {
        m->kind = MNI_K_DOWN;
    } else {
        if (m->kind == MNI_K_DOWN && to == 0)
            mni_registry_down(c, m->pub.ref);
        mni_msg_free(mni_part(c), m);
        return;
    }
    m->pub.from = to;
    m->pub.tag = MN_REASON_NOPROC;
    m->bits = 0;
    m->pub.data = NULL;
    m->pub.size = 0;
    mni_signal_send(c, from, m); /* these two do not bounce back */
}

void mni_proc_doom(struct mni_proc *p, int64_t reason, struct mn_bin *detail) {
    if (p->flags & (MNI_PROC_DOOMED | MNI_PROC_ENDING))
        return;
    mni_proc_flag(p, MNI_PROC_DOOMED, 0);
    if (detail && !p->more)
        mni_more(mni_cpu_self(), p); /* without the memory for it the code goes alone */
    if (p->more) {
        p->more->reason = reason;
        if (detail)
            mn_bin_hold(detail);
        p->more->detail = detail;
    } else {
        a64_store(&p->parent, (mn_pid)reason); /* a handler without more: nobody asks for its parent any more */
    }
}

int64_t mni_proc_reason(const struct mni_proc *p, struct mn_bin **detail) {
    *detail = NULL;
    if (!(p->flags & MNI_PROC_DOOMED))
        return MN_REASON_NORMAL;
    if (!p->more)
        return (int64_t)p->parent;
    *detail = p->more->detail;
    return p->more->reason;
}

static struct mn_bin *detail_of(const struct mni_msg *m) {
    return m->bits & MNI_MSG_BIN ? m->extra[0] : NULL;
}

/*
 * What the call waits for in which the process is, also while the process ends: what was deferred may call
 * others.  The first one counts: a callee may reply twice, or another reply for it as it ends.
 */
static bool ends_call(const struct mni_proc *p, const struct mni_msg *m) {
    return p->more && p->more->call_ref && m->pub.ref == p->more->call_ref && !p->more->answered;
}

static void append_as(struct mni_proc *p, struct mni_msg *m, enum mn_msg_type type) {
    m->pub.type = (uint16_t)type;
    m->pub.reserved = 0;
    if (!(m->bits & MNI_MSG_BIN)) {
        m->pub.data = NULL;
        m->pub.size = 0;
    }
    mni_mailbox_append(p, m);
}

static void become_message(struct mni_proc *p, struct mni_msg *m, enum mn_msg_type type) {
    if (p->flags & MNI_PROC_ENDING)
        mni_msg_free(mni_cpu_self()->proc, m);
    else
        append_as(p, m, type);
}

static void exits(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m) {
    if (p->flags & MNI_PROC_CALLER) {
        /* It is lent to a thread that is no process. */
    } else if (fatal(m, (p->flags & (MNI_PROC_TRAP | MNI_PROC_STRICT)) == MNI_PROC_TRAP)) {
        bool kill = m->kind == MNI_K_EXIT && m->pub.tag == MN_REASON_KILL;
        if (kill && !(p->flags & MNI_PROC_DOOMED))
            mni_proc_flag(p, MNI_PROC_KILLED, 0);
        mni_proc_doom(p, kill ? MN_REASON_KILLED : (int64_t)m->pub.tag, kill ? NULL : detail_of(m));
    } else if (p->flags & MNI_PROC_TRAP) {
        m->pub.ref = 0;
        become_message(p, m, MN_MSG_EXIT);
        return;
    }
    mni_msg_free(c->proc, m);
}

static void forget(struct mni_cpu *c, struct mni_proc *p, struct mni_rel *r) {
    mni_rel_remove(p, r);
    mni_block_give(c->proc, 0, r);
}

static void keep(struct mni_proc *p, struct mni_msg *m, enum mni_kind kind) {
    m->kind = (uint8_t)kind;
    m->bits = 0;
    mni_rel_add(p, mni_as_rel(m));
}

/* The half of a monitor by name goes along with its DOWN. */
static void keep_name(struct mni_proc *p, struct mni_msg *m, struct mni_rel *r) {
    struct mni_named n = {detail_of(m), (struct mn_bin *)(uintptr_t)r->tag};
    mni_rel_remove(p, r);
    m->extra[0] = memcpy(r, &n, sizeof n);
    m->bits |= MNI_MSG_NAMED;
}

void mni_signal_act(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m) {
    struct mni_rel *r;
    switch ((enum mni_kind)m->kind) {
    case MNI_K_MSG:
        if (__builtin_expect((p->flags & MNI_PROC_ENDING) == 0, 1)) {
            mni_mailbox_append(p, m);
            return;
        }
        if (m->bits & MNI_MSG_COUNTED)
            mni_limit_left(c, p, m);
        break;
    case MNI_K_REPLY:
        if (ends_call(p, m)) {
            p->more->answered = true;
            mni_mailbox_append(p, m);
            return;
        }
        if (p->flags & MNI_PROC_ENDING)
            break;
        r = mni_rel_find(p, MNI_R_WATCH, m->pub.ref);
        if (!r || !(r->bits & MNI_REL_ALIAS))
            break;
        mni_rel_remove(p, r);
        if (r->peer == m->pub.from) {
            mni_block_give(c->proc, 0, r); /* who answers forgets the monitor */
        } else {
            struct mni_msg *gone = mni_as_msg(r);
            gone->kind = MNI_K_DEMONITOR;
            mn_pid peer = r->peer;
            gone->pub.from = mni_pid(p);
            mni_signal_send(c, peer, gone);
        }
        mni_mailbox_append(p, m);
        return;
    case MNI_K_ALIASED:
        r = p->flags & MNI_PROC_ENDING ? NULL : mni_rel_find(p, MNI_R_ALIAS, m->pub.ref);
        if (r) {
            if (r->bits & MNI_REL_ONCE)
                forget(c, p, r);
            m->kind = MNI_K_MSG;
            mni_mailbox_append(p, m);
            return;
        }
        if (m->bits & MNI_MSG_COUNTED)
            mni_limit_left(c, p, m);
        break;
    case MNI_K_LINK_EXIT:
        r = mni_rel_find(p, MNI_R_LINK, m->pub.from);
        if (!r)
            break;
        bool linked = !(r->bits & MNI_REL_UNLINKING);
        forget(c, p, r);
        if (!linked)
            break;
        exits(c, p, m);
        return;
    case MNI_K_EXIT:
        exits(c, p, m);
        return;
    case MNI_K_LINK:
        if (mni_rel_find(p, MNI_R_LINK, m->pub.from))
            break;
        keep(p, m, MNI_R_LINK);
        return;
    case MNI_K_UNLINK:
        r = mni_rel_find(p, MNI_R_LINK, m->pub.from);
        if (r && !(r->bits & MNI_REL_UNLINKING))
            forget(c, p, r);
        mn_pid peer = m->pub.from;
        m->kind = MNI_K_UNLINK_ACK;
        m->pub.from = mni_pid(p);
        mni_signal_send(c, peer, m);
        return;
    case MNI_K_UNLINK_ACK:
        r = mni_rel_find(p, MNI_R_LINK, m->pub.from);
        if (r && r->bits & MNI_REL_UNLINKING && (r->ref == m->pub.ref || m->pub.ref == 0))
            forget(c, p, r);
        break;
    case MNI_K_MONITOR:
        keep(p, m, MNI_R_WATCHED);
        return;
    case MNI_K_DEMONITOR:
        r = mni_rel_find(p, MNI_R_WATCHED, m->pub.ref);
        if (r)
            forget(c, p, r);
        break;
    case MNI_K_DOWN:
        if (ends_call(p, m)) {
            p->more->answered = true;
            append_as(p, m, MN_MSG_DOWN);
            return;
        }
        r = mni_rel_find(p, MNI_R_WATCH, m->pub.ref);
        if (!r)
            break;
        if (__builtin_expect(r->bits & MNI_REL_NAMED, 0))
            keep_name(p, m, r);
        else
            forget(c, p, r);
        become_message(p, m, MN_MSG_DOWN);
        return;
    case MNI_K_SHUTDOWN:
        mni_proc_doom(p, MN_REASON_SHUTDOWN, NULL);
        break;
    case MNI_K_INSPECT:
        if (p->flags & (MNI_PROC_ENDING | MNI_PROC_CALLER))
            break;
        mni_inspected(c, p, m);
        return;
    case MNI_K_RING:
        mni_latest_take(c, p, m);
        break;
    case MNI_K_PRIORITY:
        a8_store(&p->priority, (uint8_t)m->pub.tag); /* relaxed: info.c may look at it */
        break;
    case MNI_K_TIMEOUT:
        if (p->more && p->more->timeout == m->pub.ref && !(p->flags & MNI_PROC_ENDING)) {
            mni_mailbox_append(p, m);
            return;
        }
        break;
    default:
        panic("a signal that nobody knows", m->kind);
    }
    mni_msg_free(c->proc, m);
}

void mni_signal_stale(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m) {
    if (m->bits & MNI_MSG_COUNTED && (m->kind == MNI_K_MSG || m->kind == MNI_K_ALIASED))
        mni_limit_left(c, p, m);
    mni_signal_bounce(c, (uint64_t)m->generation << 32 | (p->index + 1), m);
}

bool mni_signals_take_some(struct mni_cpu *c, struct mni_proc *p) {
    struct mni_msg *m = mni_outer_take(p, 0);
    if (!m)
        return false;
    uint32_t generation = p->generation;
    do {
        struct mni_msg *next = m->next;
        if (__builtin_expect(m->generation != generation, 0))
            mni_signal_stale(c, p, m);
        else if (__builtin_expect(m->kind == MNI_K_MSG, 1))
            mni_mailbox_append(p, m);
        else
            mni_signal_act(c, p, m);
        m = next;
    } while (m);
    if (__builtin_expect((p->flags & MNI_PROC_LIMITED) != 0, 0))
        mni_limit_drop_old(c, p);
    return true;
}
