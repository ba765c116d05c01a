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
 */
#include "proc/signal.h"
#include "thread/exit.h"

void mni_proc_poke(struct mni_proc *p, mn_pid pid) {
    /* Acquire: before the generation is looked at again; if that is still the pid's, the thread is its
     * thread. */
    mn_thread t = a64_load_acquire(&p->thread);
    if (t && mni_proc_is(p, pid))
        mni_cancel(t, MNI_POKED);
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
    if (p->flags & (MNI_PROC_HANDLER | MNI_PROC_ENDING))
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
