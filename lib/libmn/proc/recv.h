/* recv: taking messages out of the caller's mailbox; see recv.c. */
#ifndef MNI_RECV_H
#define MNI_RECV_H

#include <errno.h>

#include "proc/limit.h"
#include "proc/signal.h"

/* What the next stack does. */
void mni_after_recv(struct mni_cpu *c, struct mni_thread *t);

/* Waits until something has come; results as mni_wait. */
static inline __attribute__((always_inline)) int mni_recv_wait(struct mni_cpu **cpu, int64_t deadline) {
    struct mni_cpu *c = *cpu;
    if (mni_passed(deadline))
        return -ETIMEDOUT;
    int r = mni_block(c, c->current, "message", NULL, deadline, mni_after_recv);
    *cpu = mni_cpu_self();
    return r;
}

static inline bool mni_matches(const struct mni_msg *m, const struct mn_match *match) {
    unsigned f = match->fields;
    return (!(f & MN_MATCH_TAG) || m->pub.tag == match->tag) &&
           (!(f & MN_MATCH_FROM) || m->pub.from == match->from) &&
           (!(f & MN_MATCH_REF) || m->pub.ref == match->ref) &&
           (!(f & MN_MATCH_TYPE) || m->pub.type == match->type) &&
           (!(f & MN_MATCH_TEST) || match->test(&m->pub, match->arg));
}

/*
 * Inside the runtime; the message is out of the mailbox, and the caller's.  0, -ETIMEDOUT, -ECANCELED.  Inline,
 * so that who has waited returns from one function only, to whoever called it (MNI_CTX_RETURNS).
 */
static inline __attribute__((always_inline)) int mni_recv(struct mni_cpu **cpu, struct mni_proc *p,
                                                          struct mni_msg **out, const struct mn_match *match,
                                                          int64_t deadline) {
    struct mni_cpu *c = *cpu;
    struct mni_more *more = p->more;
    struct mni_msg **at =
        match && match->fields & MN_MATCH_REF && match->ref == more->mark_ref ? more->mark : &p->head;
    int r = 0;
    for (;;) {
        struct mni_msg *m = *at;
        if (__builtin_expect(match != NULL, 0))
            for (; m && !mni_matches(m, match); m = *at)
                at = &m->next;
        if (m) {
            *out = mni_mailbox_remove(p, at);
            a64_store(&p->received, p->received + 1);
            if (__builtin_expect((m->bits & MNI_MSG_COUNTED) != 0, 0))
                mni_limit_left(c, p, m);
            return 0;
        }
        if (mni_signals_take(c, p)) {
            if (__builtin_expect(p->flags & MNI_PROC_DOOMED, 0))
                mni_proc_check(c, p);
            if (__builtin_expect((p->flags & MNI_PROC_LIMITED) != 0, 0))
                at = &p->head; /* the oldest may have been dropped, and among them the one where it stopped */
            continue;
        }
        if (__builtin_expect(r < 0, 0))
            return r;
        if (__builtin_expect((p->flags & MNI_PROC_ENDING) != 0, 0) && more->call_ref == 0)
            return -ECANCELED; /* in what was deferred: nothing comes any more but replies to calls */
        if (__builtin_expect((a32_load(&c->current->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL, 0))
            return -ECANCELED;
        r = mni_recv_wait(&c, deadline);
        *cpu = c;
    }
}

#endif
