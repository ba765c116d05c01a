/*
 * poke: how a process that does not receive is made to end by an exit signal.
 *
 * A signal lies in the outer queue, and the process acts on it when it looks.  While it waits for a mutex, a
 * descriptor, or time, it does not look; so who sends a signal that will end it also cancels its thread, in
 * the way of mn_cancel: the wait ends with -ECANCELED, and at the end of the call the process looks at its
 * signals, and unwinds (mni_proc_cancelled).
 *
 * It must not be done for a signal that does not end the process in the end: the call would return -ECANCELED
 * to a process that is alive and well.  Whether a signal ends it depends on two things that the receiver may
 * be changing at the same time:
 *
 *   trap exits   Sender: pushes the signal, then reads the flag.  Receiver: stores the flag, whichever way it changes, then takes all
 *                signals, and lets end it what ends a process that does not trap (mn_trap_exit).  Both orders are full.  A
 *                sender that has read what the flag was before has pushed before the store, so that the receiver acts on it
 *                there, and one that has not poked is not missed.  What is in the queue at that moment has not been received,
 *                so the flag may be the one or the other for it.
 *   a link       LINK_EXIT is sent only when the sender's queue was closed with the half still there; who unlinks at that
 *                moment finds the queue closed, and waits in mn_proc_unlink until the signal is there, with its poke, and takes back
 *                the poke (mni_proc_unpoke).
 *
 * The flag MNI_POKED beside MNI_CANCEL says that only a poke has set it, so that taking it back leaves a
 * cancellation by mn_cancel alone.
 *
 * A process that is shielded (mn_shield), or runs what was deferred, goes on to the end of that.
 *
 * A handler has no thread, but the executor that runs its callback.  To cancel that as above would hit the
 * callback of another, if the sender is slow and the first has returned meanwhile.  So what is cancelled is one
 * wait: before it begins, the callback writes down which, and a cancellation hits the executor up to the end of
 * that wait, or not at all (mni_cancel_wait).
 *
 *     thread, of a handler              its callback makes it           a sender, after its push
 *     0, or a wait that has ended       the wait that it begins         POKED
 *     the wait that it is in            -                               POKED, and cancels the wait
 *     POKED                             the wait that it begins; then   -
 *                                       it looks at its queue, and if
 *                                       such a signal is there cancels itself
 *
 * Both change it by full operations: so the sender finds the wait, or the callback finds POKED.  A sender
 * whose pid is stale may leave POKED to the record's next process, which looks once in vain.  The look only
 * reads: the caller may hold the lock of what it waits for, and to act on signals takes others.  A callback that
 * makes calls without a wait looks at the end of each slice, and when it yields or asks (mn_cancelled).
 * tests/model/mn_poke.c walks through all orders.
 */
#include "proc/signal.h"
#include "thread/exit.h"

enum { WAIT_SEQ = 32 }; /* of a handler's wait: above its executor's index + 1 */
#define POKED (~(uint64_t)0)

void mni_proc_poke(struct mni_proc *p, mn_pid pid) {
    for (;;) {
        /* Acquire: before the generation is looked at again; if that is still the pid's, the thread is its
         * thread. */
        uint64_t who = a64_load_acquire(&p->thread);
        bool handler = a32_load_acquire(&p->flags) & MNI_PROC_HANDLER;
        if (!mni_proc_is(p, pid) || (handler ? who == POKED : who == 0))
            return;
        if (!handler) {
            mni_cancel(who, MNI_POKED);
            return;
        }
        if (!mni_cas64(&p->thread, who, POKED)) /* full: pairs with look */
            continue;
        if (who)
            mni_cancel_wait(mni_thread_at((uint32_t)who - 1), (uint32_t)(who >> WAIT_SEQ));
        return;
    }
}

/* A callback is about to begin this wait; 0: none. */
static void look(struct mni_thread *t, uint64_t wait) {
    struct mni_proc *p = t->own->proc;
    if (p->flags & MNI_PROC_ENDING)
        return; /* in terminate, or what was deferred */
    /* Full: pairs with mni_proc_poke; what its sender pushed is seen. */
    if (mni_swap64(&p->thread, wait) == POKED && mni_signals_fatal(p))
        mni_cancel(mni_thread_handle(t), MNI_POKED);
}

void mni_callback_looks(struct mni_thread *t) {
    look(t, 0);
}

void mni_callback_waits(struct mni_cpu *c, struct mni_thread *t) {
    uint32_t seq = a32_load(&t->park.claim) / MNI_CLAIM_SEQ;
    look(t, (uint64_t)seq << WAIT_SEQ | (t->index + 1));
    mni_executor_blocks(c, t);
}

void mni_proc_unpoke(struct mni_thread *t) {
    for (;;) {
        uint32_t claim = a32_load(&t->park.claim);
        if (!(claim & MNI_POKED) ||
            /* Full; pairs with mni_cancel, which takes POKED away. */
            mni_cas32(&t->park.claim, claim, claim & ~(uint32_t)(MNI_POKED | MNI_CANCEL)))
            return;
    }
}

static bool shielded(const struct mni_thread *t) {
    return a32_load(&t->park.claim) & MNI_SHIELD;
}

void mni_proc_check(struct mni_cpu *c, struct mni_proc *p) {
    if (p->flags & MNI_PROC_ENDING)
        return;
    mni_signals_take(c, p);
    if (!(p->flags & MNI_PROC_DOOMED))
        return;
    struct mni_thread *t = c->current;
    if (shielded(t)) {
        mni_cancel(mni_thread_handle(t), MNI_POKED); /* it looks again when it is not shielded any more */
        return;
    }
    mni_proc_unwind(c, p);
}

/* A process that goes on making calls answers who asks it (inspect.c).  LIMITED: its oldest message may be
 * dropped, which may be the one that it looks at just now (mn_receive_match). */
void mni_proc_slice_ends(struct mni_cpu *c) {
    struct mni_proc *p = mni_proc_self(c);
    if (!(p->flags & (MNI_PROC_HANDLER | MNI_PROC_ENDING | MNI_PROC_LIMITED)) && mni_signals_take(c, p) &&
        p->flags & MNI_PROC_DOOMED)
        mni_proc_check(c, p);
}

void mni_proc_cancelled(struct mni_cpu *c) {
    struct mni_proc *p = mni_proc_self(c);
    if (p)
        mni_proc_check(c, p);
}
