/*
 * take: the rare side of the protocol in enter.h, and the two things that it is for.
 *
 * Stealing.  A thief asks first: it writes its number into remote.want, and the victim, who looks at that word
 * at every switch and where it makes another thread ready, hands over half of its ring: as an array, since a
 * list of threads that lie in another CPU's caches, or in none, is walked at one miss after the other.  The last
 * one goes through the thief's inbox, which wakes it if it sleeps by then.  That costs the victim a load, and
 * its queue stays plain memory.  A victim that does not take the question within ASK_NS runs a thread's code:
 * then its worker is outside the runtime, and the thief seizes the cpu for as long as it takes to move the
 * threads.  A victim that was preempted inside can neither answer nor be seized: its threads wait until it runs
 * again, as the thread that it runs does.
 *
 *     remote.want    the asker's number, from 0 by the thief; back to 0 by who answers, or by the thief, who
 *                    withdraws
 *     remote.given   of the thief: 0 until the answer is there, whole; 0 again by the thief, who has emptied it
 *     asked          the thief's own: its question was taken, and the answer is not emptied.  Until then it asks
 *                    nobody else, so that one cpu at a time writes to its gift.
 *
 * What is left alone.  The hot slot, unless the victim has not switched for HOT_NS; and a queue that the thief
 * has not seen for long: its cpu is about to run those threads, and moving them costs both sides a microsecond,
 * and then a line's way for whatever they share with those that stay.  How long that is, each thief finds out.
 * If what it stole kept it busy for less than PAYS times the wait, as it is when sixteen threads send a hundred
 * messages at a time to one, it waits twice as long from then on: it gets more at once, or nothing.  If that
 * lasted PAYS_WELL times the wait, half as long (mni_ran_dry).  Whether to steal at all: throttle.c.
 *
 * Hand-off.  The same mark, for good: the cpu gets a worker from the spares (or a new one), and the old one
 * finds AWAY when it enters, gives its thread to an inbox and becomes a spare.
 *
 *     taken      set by                     cleared by
 *     SEIZED     a thief, where no mark is  the thief; with WAITED it wakes the worker
 *     AWAY       who hands off, likewise    the worker itself, as a spare, before it can get a cpu again; or by who set it,
 *                                           when the worker turned out to be inside
 *     TELL       who ends solo mode         the worker, when it enters by the way, or with AWAY; it is no mark, nor is FENCE
 *     WAITED     the worker, while it is    with SEIZED; by who hands off, when the cpu is gone; by the worker with AWAY, if
 *                marked                     that was before: a mark that stays would keep everybody off it for good
 *
 * tests/model/mn_take.c walks through all orders.
 */
#include "take.h"

#include <errno.h>

#include "clock.h"
#include "cpu.h"
#include "idle.h"
#include "runq.h"
#include "sched.h"
#include "solo_mode.h"
#include "thread/table.h"
#include "throttle.h"
#include "umtx.h"
#include "worker.h"

enum {
    OLD_NS = 20000, /* the longest that a queue is left alone; MNI_YOUNG_NS the shortest */
    HOT_NS = 30000,
    ASK_NS = 2000,     /* until the question is taken */
    ANSWER_NS = 20000, /* and then until the answer is there */
    PAYS = 2,
    PAYS_WELL = 8,
};

/* Marks the worker of v; NULL: it is inside, or somebody else does. */
static struct mni_worker *mark(struct mni_cpu *v, uint32_t how) {
    /* Acquire: pairs with the release of a hand-off.  NULL: the runtime is starting. */
    struct mni_worker *w = aptr_load_acquire(&v->worker);
    if (!w)
        return NULL;
    uint32_t old = a32_load(&w->taken);
    /* A worker that is inside is not worth a barrier. */
    if (old & MNI_TAKEN_MARKS || a32_load(&w->inside) || !a32_cas_full(&w->taken, old, old | how))
        return NULL;
    mni_heavy_barrier();
    /* Acquire: pairs with the release of mni_leave. */
    if (a32_load_acquire(&w->inside) == 0 && aptr_load_acquire(&v->worker) == w &&
        aptr_load_acquire(&w->cpu) == v)
        return w;
    mni_unmark(w, how);
    return NULL;
}

void mni_unmark(struct mni_worker *w, uint32_t how) {
    /* Full: a release for what was done to the cpu; pairs with the acquire of mni_enter. */
    if (a32_and_full(&w->taken, ~(how | MNI_TAKEN_WAITED)) & MNI_TAKEN_WAITED)
        umtx_wake(&w->taken, 1, UMTX_PRIVATE);
}

/* The worker waits, outside, until the mark has been cleared, or its cpu is gone. */
static void wait_unmarked(struct mni_worker *w, uint32_t taken) {
    a32_store_release(&w->inside, 0);
    for (int i = 0; i < 100 && a32_load(&w->taken) == taken; i++)
        cpu_relax();
    /* Full: pairs with the and of whoever clears the mark, or has handed the cpu off: then cpu is NULL
     * already. */
    uint32_t now = a32_load(&w->taken);
    if ((now == taken ? a32_cas_full(&w->taken, taken, taken | MNI_TAKEN_WAITED)
                      : now == (taken | MNI_TAKEN_WAITED)) && /* it woke for no reason */
        aptr_load(&w->cpu))
        umtx_wait(&w->taken, taken | MNI_TAKEN_WAITED, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
    a32_store(&w->inside, 1);
    fence_full();
}

/* The cpu is gone.  The thread is given up once the worker's own loop runs; it continues on another worker. */
static struct mni_cpu *give_up(struct mni_worker *w) {
    struct mni_thread *t = w->detached;
    a32_store_release(&w->inside, 0);
    int err = *w->err;
    mni_exceptions_save(t, w->exceptions);
    a8_store(&t->state, MNI_READY);
    w->lost = t;
    mni_fiber_leave(&mni_extra(t)->fiber, &w->fiber);
    mni_ctx_switch(&t->sp, w->sp);
    return mni_arrive(err);
}

struct mni_cpu *mni_enter_slow(struct mni_worker *w) {
    for (;;) {
        /* Acquire: pairs with mni_unmark. */
        uint32_t taken = a32_load_acquire(&w->taken);
        if (taken & MNI_TAKEN_AWAY && aptr_load_acquire(&w->cpu) == NULL)
            return give_up(w);
        if (taken & (MNI_TAKEN_SEIZED | MNI_TAKEN_AWAY)) {
            wait_unmarked(w, taken & ~(uint32_t)MNI_TAKEN_WAITED);
            continue;
        }
        if (taken & MNI_TAKEN_TELL) {
            a32_and_full(&w->taken, ~(uint32_t)MNI_TAKEN_TELL); /* full: before the look at the word */
            mni_solo_told();
            continue;
        }
        if (taken & MNI_TAKEN_FENCE) {
            fence_full();
            if (a32_load_acquire(&w->taken) != taken)
                continue;
        }
        return w->cpu;
    }
}

struct mni_cpu *mni_enter_loop(struct mni_worker *w) {
    a32_store(&w->inside, 1);
    fence_full();
    for (;;) {
        uint32_t taken = a32_load_acquire(&w->taken);
        if (taken & MNI_TAKEN_AWAY && aptr_load_acquire(&w->cpu) == NULL)
            return NULL;
        if (!(taken & (MNI_TAKEN_SEIZED | MNI_TAKEN_AWAY)))
            return w->cpu;
        wait_unmarked(w, taken & ~(uint32_t)MNI_TAKEN_WAITED);
    }
}

/* ---- stealing */

void mni_give(struct mni_cpu *c) {
    /* Full: pairs with the thief's compare-and-swap. */
    uint32_t want = a32_swap_full(&c->remote.want, 0);
    if (!want)
        return;
    struct mni_cpu *thief = mni_rt->cpus[want - 1];
    struct mni_thread **gift = thief->remote.gift;
    unsigned n = mni_runq_give(c, false, gift, MNI_GIFT);
    mni_count(c, stolen, n);
    struct mni_thread *last = n ? gift[n - 1] : NULL;
    /* Release: the gift; pairs with mni_gift_open.  Before the last one, which wakes the thief if it sleeps. */
    a32_store_release(&thief->remote.given, n ? n : 1);
    if (last)
        mni_inbox_push(thief, last);
}

void mni_gift_open(struct mni_cpu *c) {
    /* Acquire: pairs with mni_give. */
    uint32_t given = a32_load_acquire(&c->remote.given);
    if (!given)
        return;
    mni_runq_adopt(c, c->remote.gift, given - 1);
    c->asked = false;
    a32_store(&c->remote.given, 0); /* relaxed: the next answer comes after the next question */
}

static bool seize(struct mni_cpu *c, struct mni_cpu *v, bool hot) {
    struct mni_worker *w = mark(v, MNI_TAKEN_SEIZED);
    if (!w)
        return false;
    struct mni_thread *loot[MNI_GIFT];
    unsigned n = mni_runq_give(v, hot, loot, MNI_GIFT);
    mni_count(v, stolen, n);
    mni_unmark(w, MNI_TAKEN_SEIZED);
    mni_runq_adopt(c, loot, n);
    mni_count(c, steals, n != 0);
    return n != 0;
}

bool mni_move(struct mni_cpu *from, struct mni_cpu *to) {
    struct mni_worker *w = mark(from, MNI_TAKEN_SEIZED);
    if (!w)
        return false;
    if (aptr_load(&from->remote.inbox))
        mni_inbox_drain(from);
    struct mni_thread *moved[MNI_GIFT];
    unsigned n = mni_runq_give(from, true, moved, MNI_GIFT);
    mni_count(from, stolen, n);
    mni_unmark(w, MNI_TAKEN_SEIZED);
    mni_inbox_push_all(to, moved, n);
    return n != 0;
}

static bool ask(struct mni_cpu *c, struct mni_cpu *v) {
    if (c->asked)
        mni_gift_open(c); /* it was empty, or its last one is in the inbox */
    /* Full: pairs with the swap of mni_give. */
    if (c->asked || !a32_cas_full(&v->remote.want, 0, c->index + 1))
        return false;
    c->asked = true;
    int64_t from = (int64_t)clock_now_ns(), passed;
    bool came = false;
    do {
        for (int i = 0; i < 16 && !came; i++) {
            cpu_relax();
            came = a32_load(&c->remote.given) || aptr_load(&c->remote.inbox); /* relaxed: looked at again below */
        }
        passed = (int64_t)clock_now_ns() - from;
    } while (!came && passed < (a32_load(&v->remote.want) == c->index + 1 ? ASK_NS : ANSWER_NS));
    bool withdrawn = a32_cas_full(&v->remote.want, c->index + 1, 0);
    if (withdrawn)
        c->asked = false;
    if (!came)
        return withdrawn && seize(c, v, false);
    mni_inbox_drain(c);
    if (mni_runq_empty(c))
        return false; /* the victim had nothing, or one, which is on its way */
    mni_count(c, steals, 1);
    return true;
}

void mni_ran_dry(struct mni_cpu *c, int64_t now) {
    mni_throttle_apart(&c->throttle, now);
    if (c->stole == 0)
        return;
    int64_t lasted = now - c->stole;
    c->stole = 0;
    if (lasted < PAYS * c->young && c->young < OLD_NS)
        c->young *= 2;
    else if (lasted > PAYS_WELL * c->young && c->young > MNI_YOUNG_NS)
        c->young /= 2;
}

bool mni_steal(struct mni_cpu *c, struct mni_search *m, int64_t now) {
    const unsigned n = mni_rt->ncpus, *order = mni_rt->topo.order + (size_t)c->index * (n - 1);
    struct mni_cpu *more = NULL, *hot = NULL;
    for (unsigned i = 0; i + 1 < n && !more; i++) {
        struct mni_cpu *v = mni_rt->cpus[order[i]];
        if (v == c->throttle.apart)
            continue;
        if (mni_runq_more(v))
            more = v;
        else if (!hot && aptr_load(&v->hot))
            hot = v;
    }
    struct mni_cpu *v = more ? more : hot;
    if (!v) {
        m->victim = NULL;
        return false;
    }
    uint64_t switches = a64_load(&v->count.switches);
    if (m->victim != v || (!more && m->switches != switches)) {
        m->victim = v;
        m->switches = switches;
        m->since = now;
        return false;
    }
    int64_t least = !more ? HOT_NS : c->young < m->most ? c->young : m->most;
    if (now - m->since < (least > m->least ? least : m->least))
        return false;
    m->since = now;
    if (!(more ? ask(c, v) : seize(c, v, true)))
        return false;
    if (more) {
        c->stole = now;
        mni_throttle_share(&c->throttle, v, c, now);
    }
    return true;
}

bool mni_take_free(struct mni_cpu *v) {
    struct mni_worker *w = mark(v, MNI_TAKEN_SEIZED);
    if (!w)
        return false;
    mni_thread_flush(v, true);
    mni_unmark(w, MNI_TAKEN_SEIZED);
    return true;
}

/* ---- hand-off */

int mni_hand_off(struct mni_cpu *c) {
    struct mni_worker *spare = mni_spare_take();
    if (!spare)
        return -EAGAIN;
    struct mni_worker *w = a32_load(&c->remote.idle) ? NULL : mark(c, MNI_TAKEN_AWAY);
    if (!w || !c->current) {
        if (w)
            mni_unmark(w, MNI_TAKEN_AWAY);
        mni_spare_give(spare);
        return w ? -ENOENT : -EBUSY;
    }
    aptr_store(&w->detached, c->current); /* relaxed: read by dumps */
    aptr_store(&c->current, NULL);
    mni_count(c, handoffs, 1);
    mni_executor_blocks(c, w->detached); /* if it is the executor on duty; that is outside in callbacks only */
    /* While it cannot get another cpu, to which it would bind itself. */
    mni_worker_detached(w);
    /*
     * Release, in this order: marks of the new worker need cpu and worker to agree; it may run as soon as it
     * has the cpu (its LWP may be about to start), and leaves as c->worker; the old one acts on cpu == NULL.
     */
    aptr_store_release(&c->worker, spare);
    aptr_store_release(&spare->cpu, c);
    aptr_store_release(&w->cpu, NULL);
    /* Full: after the cpu is gone; pairs with the compare-and-swap of wait_unmarked. */
    if (a32_and_full(&w->taken, ~(uint32_t)MNI_TAKEN_WAITED) & MNI_TAKEN_WAITED)
        umtx_wake(&w->taken, 1, UMTX_PRIVATE);
    mni_spare_start(spare);
    return 0;
}

bool mni_in_motion(const struct mni_cpu *c) {
    /* Acquire, all: pair with the release of mni_leave, and with what clears the mark, or ends a hand-off. */
    const struct mni_worker *w = aptr_load_acquire(&c->worker);
    if (!w)
        return false; /* it begins, and looks at everything after that */
    const uint32_t taken = a32_load_acquire(&w->taken);
    return taken & MNI_TAKEN_SEIZED || (taken & MNI_TAKEN_AWAY && aptr_load_acquire(&w->cpu)) ||
           a32_load_acquire(&w->inside);
}

void mni_tell(const struct mni_cpu *c) {
    struct mni_worker *w = aptr_load_acquire(&c->worker);
    if (w && !(a32_load(&w->taken) & MNI_TAKEN_TELL))
        a32_or_full(&w->taken, MNI_TAKEN_TELL); /* full: pairs with the and of mni_enter_slow */
}
