/*
 * park: mn_park and mn_unpark, a wait without an object.
 *
 * mn_unpark may come from a signal handler, so it takes no lock.  t->permit says what is going on, and which
 * wait, or start, of the thread was the last before: seq is that of parker.claim, which also counts on when the
 * descriptor gets another thread.
 *
 *     seq << 2               nothing
 *     seq << 2 | MNI_PERMIT  mn_unpark came: the next mn_park returns at once
 *     seq << 2 | MNI_PARKED  mn_park waits, in the wait that parker.claim counts as seq
 *
 * mn_unpark makes it MNI_PERMIT.  If it was MNI_PARKED, it is the only one that found that, and moves the claim
 * from WAITING to CLAIMED for that very wait: seq makes sure that it does not wake a later one, if the thread's
 * deadline was faster.  The thread may not have stored WAITING yet; then the claim fails, and the thread finds
 * MNI_PERMIT when it looks at the word again after it has stored WAITING.  Both orders are full
 * (compare-and-swap here and there), so one of the two sees the other.  That look, too, claims that very wait
 * only: by then another may have woken the thread, and it may wait for a mutex.
 *
 * The thread may end at any time, and its descriptor be another's, who is not to find a permit.  So mn_unpark
 * reads the word before it looks at the handle's generation, and changes it by a compare-and-swap: when the
 * handle was good, the word read was that thread's, and another's is another word, since seq has counted on.
 * tests/model/mn_park.c walks through all orders.
 * The 27 bits of seq wrap after 134 million waits of one thread, all within one mn_unpark.
 */
#include <errno.h>

#include "export.h"
#include "call.h"
#include "runtime/keep.h"
#include "sched/sched.h"
#include "thread/bound.h"
#include "thread/table.h"

static void after_park(struct mni_cpu *c, struct mni_thread *t) {
    uint32_t seq = a32_load(&t->park.claim) / MNI_CLAIM_SEQ;
    if (!mni_begin_wait(c, t))
        return;
    /* After its full operation; pairs with the compare-and-swap of mn_unpark. */
    if (mni_permitted(a32_load(&t->permit)) && mni_claim_wait(&t->park, seq, 0))
        mni_ready(c, t);
}

MN_EXPORT int mn_park_until(const char *what, int64_t deadline) {
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    if (!t)
        return -EPERM;
    if (!c)
        mni_foreign_enter();
    int r = 0;
    uint32_t nothing = a32_load(&t->park.claim) / MNI_CLAIM_SEQ << MNI_PARK_SEQ, old = a32_load(&t->permit);
    /* Full: pairs with that of mn_unpark, whose thread's writes are seen here.  Only others make it
     * MNI_PERMIT, only we nothing. */
    if (!mni_permitted(old) && mni_cas32(&t->permit, old, nothing | MNI_PARKED)) {
        if (!c)
            r = mni_wait_foreign(what ? what : "park", NULL, NULL, &t->permit, deadline);
        else if (mni_passed(deadline))
            r = mni_cancelled_self() ? -ECANCELED : -ETIMEDOUT;
        else
            r = mni_wait_after(c, what ? what : "park", NULL, deadline, after_park);
        /* An unpark that came at the last moment counts. */
        if (mni_permitted(mni_swap32(&t->permit, nothing)))
            r = 0;
    } else {
        mni_swap32(&t->permit, nothing); /* full, as above */
    }
    if (c)
        mni_leave_slice(mni_cpu_self());
    return r;
}

MN_EXPORT int mn_park(const char *what) {
    return mn_park_until(what, MN_FOREVER);
}

MN_EXPORT int mn_unpark(mn_thread thread) {
    MNI_KEEP_OR(-ESRCH);
    struct mni_cpu *c = mni_call_begin();
    struct mni_thread *t = mni_thread_find(thread);
    int r = -ESRCH;
    if (t && a8_load(&t->ended) < MNI_ENDED) {
        uint32_t old;
        do {
            /* Acquire: pairs with the release by which a thread begins (create.c). */
            old = a32_load_acquire(&t->permit);
            /* Relaxed: ordered by the load before. */
            r = a32_load(&t->generation) == (uint32_t)(thread >> 32) ? 0 : -ESRCH;
            /* Full: pairs with after_park's look, see above. */
        } while (r == 0 && !mni_cas32(&t->permit, old, (old & ~(uint32_t)MNI_PARKED) | MNI_PERMIT));
        if (r == 0 && old & MNI_PARKED && mni_claim_wait(&t->park, old >> MNI_PARK_SEQ, 0))
            mni_wake(&t->park);
    }
    mni_call_end_here(c);
    return r;
}
