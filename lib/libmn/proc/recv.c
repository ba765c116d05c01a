/*
 * recv: receiving.
 *
 * The mailbox is private: signals are taken out of the outer queue, the oldest first, acted on, and messages
 * appended.  A selective receive walks it once, and looks at what is appended later only: the place where it
 * stopped is a local variable, since nobody else touches the list.  A reference that the process makes (a
 * call, a monitor) cannot be in a message that came before: its place is the mailbox's end at that time
 * (more->mark), and a receive that asks for it begins there, however many are before it.
 */
#include "proc/recv.h"

#include "export.h"

/* On the next stack: the caller may be woken from here on. */
void mni_after_recv(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_proc *p = t->own->proc;
    uint32_t seq = a32_load(&t->park.claim) / MNI_CLAIM_SEQ;
    uint64_t idle =
        MNI_OUTER_IDLE | (uint64_t)(t->index + 1) << MNI_IDLE_THREAD | (uint64_t)seq << MNI_IDLE_SEQ;
    if (!mni_begin_wait(c, t))
        return;
    /* Full: pairs with the push; a signal that came before is found here, one that comes later finds IDLE.  If
     * it fails, the thread may have been woken by its deadline, too, and wait again already: only this wait is
     * claimed. */
    if (!mni_cas64(&p->outer, 0, idle) && mni_claim_wait(&t->park, seq, 0))
        mni_ready(c, t);
}

static inline __attribute__((always_inline)) int receive(struct mn_msg **msg, const struct mn_match *match,
                                                         int64_t deadline) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (__builtin_expect(!p, 0))
        return -EPERM;
    struct mni_msg *m;
    int r = -EPERM;
    if (__builtin_expect(!(p->flags & MNI_PROC_HANDLER), 1) &&
        (r = mni_recv(&c, p, &m, match, deadline)) == 0) {
        mni_msg_hold(p->more, m);
        mni_count(c, messages, 1);
        *msg = &m->pub;
    }
    mni_leave_slice(c);
    return r;
}

/* Processes that answer each other wait in the same function, called from different places (ctx_inline.h). */

MN_EXPORT MNI_CTX_RETURNS int mn_receive(struct mn_msg **msg) {
    mni_ctx_leaves(__builtin_return_address(0));
    return receive(msg, NULL, MN_FOREVER);
}

MN_EXPORT MNI_CTX_RETURNS int mn_receive_until(struct mn_msg **msg, int64_t deadline) {
    mni_ctx_leaves(__builtin_return_address(0));
    return receive(msg, NULL, deadline);
}

MN_EXPORT MNI_CTX_RETURNS int mn_receive_match_until(struct mn_msg **msg, const struct mn_match *match,
                                                     int64_t deadline) {
    mni_ctx_leaves(__builtin_return_address(0));
    if (match->fields > 31 || (match->fields & MN_MATCH_TEST && !match->test))
        return -EINVAL;
    return receive(msg, match, deadline);
}

MN_EXPORT int mn_receive_match(struct mn_msg **msg, const struct mn_match *match) {
    return mn_receive_match_until(msg, match, MN_FOREVER);
}

/*
 * Messages that a process has taken and not released are in a list, the newest first.  Mostly there are few,
 * and the one that is released is among the newest.  One that is further away would be a long walk for who has
 * taken thousands and releases them in order: it is emptied, and stays until those that do have as many bytes
 * as the others had when it was last looked for them, in one walk.
 */
enum { NEAR = 8, EMPTY_MOST = 4096 };

static size_t bytes_of(const struct mni_msg *m) {
    return m->class < MNI_MSG_CLASSES ? (size_t)64 << m->class : sizeof *m + m->pub.size;
}

static void remove_empty(struct mni_cpu *c, struct mni_more *more) {
    size_t left = 0;
    for (struct mni_msg **at = &more->held, *m; (m = *at);) {
        if (m->kind == MNI_K_EMPTY) {
            *at = m->next;
            mni_msg_free(c->proc, m);
        } else {
            left += bytes_of(m);
            at = &m->next;
        }
    }
    more->empty = 0;
    more->empty_most = left;
}

/* It is not the newest. */
static __attribute__((noinline)) void release(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m) {
    struct mni_more *more = p ? p->more : NULL;
    if (p && p->flags & MNI_PROC_HANDLER && p->now == m)
        p->now = NULL;
    if (!more || !(m->bits & MNI_MSG_HELD)) {
        mni_msg_free(mni_part(c), m);
        return;
    }
    struct mni_msg **at = &more->held;
    for (unsigned i = 0; i < NEAR && *at && *at != m; i++)
        at = &(*at)->next;
    if (*at == m) {
        *at = m->next;
        mni_msg_free(c->proc, m);
        return;
    }
    more->empty += bytes_of(m);
    mni_msg_drop(c->proc, m);
    m->kind = MNI_K_EMPTY;
    if (more->empty > more->empty_most + EMPTY_MOST || m->class == MNI_CLASS_FIXED /* there are few of these */)
        remove_empty(c, more);
}

MN_EXPORT void mn_msg_free(struct mn_msg *msg) {
    if (!msg)
        return;
    struct mni_msg *m = mni_msg_of(msg);
    struct mni_cpu *c = mni_enter();
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    if (__builtin_expect(p && p->more && p->more->held == m, 1)) {
        p->more->held = m->next;
        mni_msg_free(c->proc, m);
    } else {
        release(c, p, m);
    }
    if (c)
        mni_leave(c);
}

MN_EXPORT int mn_msg_keep(struct mn_msg *msg) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = -EPERM;
    struct mni_msg *m = mni_msg_of(msg);
    if (p->flags & MNI_PROC_HANDLER && p->now == m) {
        struct mni_more *more = mni_more(c, p);
        r = more ? 0 : -ENOMEM;
        if (more) {
            p->now = NULL;
            mni_msg_hold(more, m);
        }
    }
    mni_leave(c);
    return r;
}

MN_EXPORT int64_t mn_mailbox_length(void) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    mni_signals_take(c, p);
    int64_t n = p->length;
    if (p->flags & MNI_PROC_DOOMED)
        mni_proc_check(c, p);
    mni_leave(c);
    return n;
}
