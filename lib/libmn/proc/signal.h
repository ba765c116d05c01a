/* signal: sending signals and acting on them; links and monitors as a process keeps them. */
#ifndef MNI_SIGNAL_H
#define MNI_SIGNAL_H

#include "proc/proc.h"
#include "sched/sched.h"
#include "thread/table.h"

/* ---- rel.c: the halves that a process keeps.  The owner's; key: a link's peer, a monitor's reference. */
void mni_rel_add(struct mni_proc *p, struct mni_rel *r);
void mni_rel_remove(struct mni_proc *p, struct mni_rel *r);
struct mni_rel *mni_rel_find(struct mni_proc *p, enum mni_kind kind, uint64_t key);

/* Before the half of a monitor by name becomes something else. */
static inline void mni_rel_unname(struct mni_rel *r) {
    if (__builtin_expect(r->bits & MNI_REL_NAMED, 0))
        mn_bin_drop((struct mn_bin *)(uintptr_t)r->tag);
}

/* link.c: mn_monitor; name: NULL, or what the DOWN message shows. */
int mni_monitor(mn_pid pid, const char *name, mn_ref *ref);

/* ---- signal.c */

/* Pushes a chain of signals, the newest first; the word that was there: MNI_OUTER_CLOSED, nothing was
 * pushed. */
static inline uint64_t mni_outer_push(struct mni_proc *p, struct mni_msg *newest, struct mni_msg *oldest) {
    for (;;) {
        uint64_t old = a64_load(&p->outer);
        if (__builtin_expect(old == MNI_OUTER_CLOSED, 0))
            return old;
        oldest->next = old & MNI_OUTER_IDLE ? NULL : (struct mni_msg *)(uintptr_t)old;
        /* Full: pairs with the swap of mni_outer_take, and with the compare-and-swap that stores IDLE. */
        if (__builtin_expect(mni_cas64(&p->outer, old, (uint64_t)(uintptr_t)newest), 1))
            return old;
    }
}

/* The push replaced IDLE: the owner is made to look. */
static inline void mni_outer_wake(struct mni_cpu *c, struct mni_proc *p, uint64_t idle) {
    uint32_t index = (uint32_t)(idle >> MNI_IDLE_THREAD);
    if (index == 0) {
        mni_handler_ready(c, p);
        return;
    }
    index--;
    struct mni_thread *t = mni_thread_at(index);
    if (!mni_claim_wait(&t->park, (uint32_t)(idle >> MNI_IDLE_SEQ), 0))
        return;
    if (__builtin_expect(c != NULL, 1))
        mni_ready(c, t);
    else
        mni_ready_remote(t);
}

/*
 * Sends a signal; c == NULL: from a foreign LWP.  False: there is no such process; what follows from that has
 * been done, and the signal is released.  The caller is inside the runtime.
 */
bool mni_signal_send(struct mni_cpu *c, mn_pid to, struct mni_msg *m);

/* Does what follows when a signal finds its process dead. */
void mni_signal_bounce(struct mni_cpu *c, mn_pid to, struct mni_msg *m);

/* The same for one that a process finds in its queue and that was meant for the record's last one. */
void mni_signal_stale(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m);

/* Takes all that has come, the oldest first; next: 0, or CLOSED. */
static inline struct mni_msg *mni_outer_take(struct mni_proc *p, uint64_t next) {
    /* Relaxed: what is missed here is seen before the owner sleeps. */
    uint64_t all = a64_load(&p->outer);
    if (all == 0 && next == 0)
        return NULL;
    /* Full: pairs with the push; what its sender wrote is seen. */
    all = mni_swap64(&p->outer, next);
    if (all & (MNI_OUTER_IDLE | MNI_OUTER_CLOSED))
        return NULL;
    struct mni_msg *m = (struct mni_msg *)(uintptr_t)all, *first = NULL;
    while (m) {
        struct mni_msg *older = m->next;
        m->next = first;
        first = m;
        m = older;
    }
    return first;
}

/* Acts on all signals that have come; messages go to the mailbox.  False: there were none.  By the owner. */
bool mni_signals_take_some(struct mni_cpu *c, struct mni_proc *p);
static inline bool mni_signals_take(struct mni_cpu *c, struct mni_proc *p) {
    /* Relaxed: as in mni_outer_take. */
    return a64_load(&p->outer) != 0 && mni_signals_take_some(c, p);
}

/* inspect.c: answers MNI_K_INSPECT. */
void mni_inspected(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m);

/* Whether one has come, and was not taken, that will end the process.  By the owner. */
bool mni_signals_fatal(const struct mni_proc *p);

/* Acts on one. */
void mni_signal_act(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m);

static inline void mni_mailbox_append(struct mni_proc *p, struct mni_msg *m) {
    m->next = NULL;
    *p->tail = m;
    p->tail = &m->next;
    a32_store(&p->length, p->length + 1); /* relaxed, here and below: others look at it (info.c) */
}

/* Removes the message that *at points to. */
static inline struct mni_msg *mni_mailbox_remove(struct mni_proc *p, struct mni_msg **at) {
    struct mni_msg *m = *at;
    *at = m->next;
    if (p->tail == &m->next)
        p->tail = at;
    if (p->more && p->more->mark == &m->next)
        p->more->mark = at;
    a32_store(&p->length, p->length - 1);
    return m;
}

/* The process is to end for this reason; the first one counts. */
void mni_proc_doom(struct mni_proc *p, int64_t reason, struct mn_bin *detail);

/* Why it ends; *detail: its own, or NULL. */
int64_t mni_proc_reason(const struct mni_proc *p, struct mn_bin **detail);

/* The caller's process, for calls that no other than a process can make; *cpu: inside the runtime.  NULL: it
 * has left. */
static inline struct mni_proc *mni_proc_begin(struct mni_cpu **cpu) {
    struct mni_cpu *c = mni_enter();
    if (__builtin_expect(!c, 0))
        return NULL;
    struct mni_proc *p = mni_proc_self(c);
    if (__builtin_expect(!p, 0)) {
        mni_leave(c);
        return NULL;
    }
    if (__builtin_expect((a32_load(&c->current->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL, 0))
        mni_proc_check(c, p);
    *cpu = c;
    return p;
}

#endif
