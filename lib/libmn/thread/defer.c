/* defer: cancellation requests, and what runs when a thread ends (mn/cancel.h). */
#include <errno.h>
#include <stdlib.h>

#include "bound.h"
#include "boundary.h"
#include "chan/select.h"
#include "exit.h"
#include "export.h"
#include "fault.h"
#include "local.h"
#include "proc/proc.h"
#include "runtime/keep.h"
#include "sched/sched.h"
#include "scope.h"
#include "sync/robust.h"
#include "table.h"
#include "wait/call.h"
#include "wait/foreign.h"

struct mni_defer {
    struct mni_defer *next;
    void (*fn)(void *);
    void *arg;
};

/*
 * Who was cancelled by mn_cancel stays so.  A process that an exit signal pokes (proc/poke.c) has POKED, too,
 * as long as nobody else has cancelled it: that can be taken back.
 */
int mni_cancel(mn_thread thread, uint32_t poked) {
    struct mni_thread *t = mni_thread_find(thread);
    if (!t || a8_load(&t->ended) >= MNI_ENDED || a8_load(&t->state) == MNI_DONE)
        return -ESRCH;
    uint32_t claim, next;
    /*
     * The thread may end at any time, and its descriptor be another's, whose claim counts on.  So the claim is
     * read before the handle is looked at again.  Acquire: pairs with the release by which a thread begins
     * (create.c).  Full: pairs with the compare-and-swap that stores WAITING, which fails when CANCEL came
     * first.
     */
    do {
        claim = a32_load_acquire(&t->park.claim);
        if (mni_thread_find(thread) != t)
            return -ESRCH;
        next = claim & MNI_CANCEL && poked ? claim : (claim & ~(uint32_t)MNI_POKED) | MNI_CANCEL | poked;
    } while (!mni_cas32(&t->park.claim, claim, next));
    claim = next;
    /* It waits and is not shielded: nobody else may have claimed it.  A later wait that is hit, of any thread
     * that is cancelled, ends with the same. */
    while ((claim & (MNI_CLAIM_MASK | MNI_SHIELD | MNI_CANCEL)) == (MNI_WAITING_CLAIM | MNI_CANCEL)) {
        if (mni_cas32(&t->park.claim, claim, claim ^ (MNI_WAITING_CLAIM | MNI_CLAIMED))) {
            t->park.result = -ECANCELED;
            mni_wake(&t->park);
            break;
        }
        claim = a32_load(&t->park.claim);
    }
    return 0;
}

/* The thread may be another's by now: its claim counts on. */
void mni_cancel_wait(struct mni_thread *t, uint32_t seq) {
    for (;;) {
        uint32_t claim = a32_load(&t->park.claim), next = claim | MNI_CANCEL | MNI_POKED;
        if (claim / MNI_CLAIM_SEQ != seq || claim & MNI_CANCEL)
            return;
        bool waits = (claim & (MNI_CLAIM_MASK | MNI_SHIELD)) == MNI_WAITING_CLAIM;
        /* Full: as in mni_cancel. */
        if (!mni_cas32(&t->park.claim, claim, waits ? next ^ (MNI_WAITING_CLAIM | MNI_CLAIMED) : next))
            continue;
        if (waits) {
            t->park.result = -ECANCELED;
            mni_wake(&t->park);
        }
        return;
    }
}

MN_EXPORT int mn_cancel(mn_thread thread) {
    MNI_KEEP_OR(-ESRCH);
    struct mni_cpu *c = mni_enter();
    if (!c)
        mni_foreign_enter();
    int r = mni_cancel(thread, 0);
    if (c)
        mni_leave(c);
    return r;
}

MN_EXPORT bool mn_cancelled(void) {
    struct mni_cpu *c = mni_enter();
    if (c && c->current->flags & MNI_EXECUTOR)
        mni_callback_looks(c->current);
    bool r = (c || mni_bound_self()) && mni_cancelled_self();
    if (c)
        mni_leave(c);
    return r;
}

MN_EXPORT bool mn_shield(bool shielded) {
    struct mni_cpu *c = mni_enter();
    bool was = (c || mni_bound_self()) && mni_shield_self(shielded);
    if (c)
        mni_leave(c);
    return was;
}

/*
 * The caller's list of deferred functions: the thread's own, or, in a callback, that of the handler, which
 * lives on when it returns.  NULL: no memory for that.  add: the list is to become longer.
 */
static struct mni_defer **list_of(struct mni_cpu *c, struct mni_thread *t, bool add) {
    struct mni_proc *p = t->own->proc;
    if (__builtin_expect(p && p->flags & MNI_PROC_HANDLER, 0)) {
        struct mni_more *more = add ? mni_more(c, p) : p->more;
        return more ? &more->defers : NULL;
    }
    if (add)
        t->flags |= MNI_UNTIDY;
    return &t->own->defers;
}

MN_EXPORT int mn_defer(void (*fn)(void *), void *arg) {
    if (!fn)
        return -EINVAL;
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    int r = -EPERM;
    if (t) {
        struct mni_defer **list = list_of(c, t, true);
        struct mni_defer *d = !list || fault("malloc") ? NULL : malloc(sizeof *d);
        r = d ? 0 : -ENOMEM;
        if (d) {
            *d = (struct mni_defer){.next = *list, .fn = fn, .arg = arg};
            *list = d;
        }
    }
    if (c)
        mni_leave(c);
    return r;
}

/* There is one. */
static struct mni_defer take_latest(struct mni_defer **list) {
    struct mni_defer *d = *list, copy = *d;
    *list = d->next;
    free(d);
    return copy;
}

MN_EXPORT MNI_THROUGH int mn_undefer(bool run) {
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    struct mni_defer **list = t ? list_of(c, t, false) : NULL;
    if (c)
        mni_leave(c);
    if (!t)
        return -EPERM;
    if (!list || !*list)
        return -ENOENT;
    struct mni_defer d = take_latest(list);
    if (run)
        d.fn(d.arg);
    return 0;
}

MNI_BOUNDARY void mni_handler_deferred(struct mni_proc *p) {
    bool was = mn_shield(true);
    while (p->more->defers) {
        struct mni_defer d = take_latest(&p->more->defers);
        d.fn(d.arg);
    }
    mn_shield(was);
}

/* Called outside the runtime, as the thread itself. */
MNI_BOUNDARY void mni_thread_cleanup(struct mni_thread *t, void *result) {
    if (t->own->defers || t->own->scopes || t->own->locals)
        mn_shield(true);
    for (int round = 0; round <= MN_DESTRUCTOR_ROUNDS; round++) {
        while (t->own->defers || t->own->scopes)
            if (mni_scope_is_next(t)) {
                mn_scope_close(t->own->scopes);
            } else {
                struct mni_defer d = take_latest(&t->own->defers);
                d.fn(d.arg);
            }
        if (round == MN_DESTRUCTOR_ROUNDS || !mni_locals_round(t))
            break;
    }
    struct mni_cpu *c = mni_call_begin();
    mni_locks_end(t);
    mni_call_end_here(c);
    if (t->own->proc)
        mni_proc_thread_ends(t, result);
    mni_locals_release(t);
    if (t->own->select) {
        mni_select_release(t->own->select);
        t->own->select = NULL;
    }
    if (mni_extra(t)->scope)
        mni_scope_leave(t, result);
}
