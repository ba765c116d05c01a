/*
 * quick: calls on files that are made at once, by the worker, as long as their kind has been quick lately.
 *
 * Problem.  Nearly every write to a file, and nearly every file that is made or removed, touches memory only,
 * and takes one to twenty us.  By an LWP of the pool it takes 3 to 25 us more, since two LWPs wake each other.
 * Yet any of them may take seconds, and nobody can tell before; where the kernel can (RWF_NOWAIT,
 * RESOLVE_CACHED), it is asked, but it cannot for these, nor for writes on ext4.
 *
 * Design.  A call of a kind that has been quick is made at once, outside the runtime.  If it takes longer than
 * SLOW_NS, calls of its kind go to the pool for BAN times what it took: so slow ones hold up the others of a
 * cpu for 1/BAN of the time at most.  No longer than BAN_NS, though: sysmon gives the cpu another LWP after
 * half a slice, and a call during which the process was stopped for a night is no sign of anything.  While a
 * call goes on that sysmon found to hold up others, all of its kind go to the pool: a server that does not
 * answer holds up one LWP for each cpu, once.
 *
 *     at_once, of the worker   0, or the kind of its call; | STUCK by sysmon, which has counted it in `stuck`
 *
 * Whoever takes STUCK away counts it down, and that is the worker, after the call.  sysmon may be late, and
 * mark another call of the same kind: it is counted for as long as that takes.
 *
 * A call that was begun is waited for, at once as by the pool; opening, which the pool would leave behind at a
 * deadline, is made at once only without one.  On a cancellation it is not left behind.
 *
 * A slice is so many calls of the runtime, of a us each by default.  These take longer: each counts for its
 * time. Otherwise a thread that makes them one after another is handed off by sysmon in each slice.
 *
 * Not at once: anything, where sysmon may not give a cpu another LWP; and what makes files longer, where they
 * are limited.  That raises SIGXFSZ, which ends the process; LWPs of the pool have it blocked, and the call
 * fails.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "quick.h"

#include <mn/errno.h>
#include <mn/run.h>
#include <sys/resource.h>

#include "clock.h"
#include "feature.h"
#include "offload.h"

enum { SLOW_NS = 100000, BAN = 32, BAN_NS = 1000000000, STUCK = 0x100 };

static struct {
    _Alignas(MNI_LINE) uint64_t until; /* calls go to the pool; atomic */
    uint32_t stuck;                    /* calls of that kind; atomic */
} kinds[MNI_QUICK_KINDS];

static uint32_t on; /* bits 1 << kind; as the runtime starts */

static bool limited(void) {
    struct rlimit size;
    return getrlimit(RLIMIT_FSIZE, &size) != 0 || size.rlim_cur != RLIM_INFINITY;
}

void mni_quick_start(unsigned workers, unsigned max_lwps) {
    on = 0;
    if (mni_feature(MNI_QUICK) && max_lwps > workers)
        on = limited() ? 1 << MNI_QUICK_NAME : 1 << MNI_QUICK_NAME | 1 << MNI_QUICK_WRITE | 1 << MNI_QUICK_SIZE;
    for (int i = 0; i < MNI_QUICK_KINDS; i++) {
        a64_store(&kinds[i].until, 0);
        a32_store(&kinds[i].stuck, 0);
    }
}

static void pay(struct mni_cpu *cpu, uint64_t ns) {
    uint64_t calls = ns * MNI_BUDGET / (mni_rt->config.slice_us * 1000ull);
    cpu->budget -= calls < MNI_BUDGET ? (int32_t)calls : MNI_BUDGET;
}

bool mni_quick_run(enum mni_quick kind, void (*fn)(void *), void *arg) {
    struct mni_cpu *cpu = mni_cpu_here();
    if (!cpu || !(on >> kind & 1) || a32_load(&kinds[kind].stuck)) /* relaxed: a hint, as until */
        return false;
    uint64_t begun = clock_now_ns();
    if (begun < a64_load(&kinds[kind].until))
        return false;
    struct mni_worker *w = cpu->worker;
    a32_store(&w->at_once, kind); /* relaxed: sysmon looks at it again and again */
    mni_leave(cpu);
    fn(arg);
    /* The LWP is the same, though its cpu may be another's now. */
    uint64_t now = clock_now_ns(), took = now - begun;
    if (took > SLOW_NS)
        a64_store(&kinds[kind].until, now + (took < BAN_NS / BAN ? took * BAN : BAN_NS));
    /* Full; pairs with sysmon's compare-and-swap. */
    if (a32_swap_full(&w->at_once, 0) & STUCK)
        a32_add_full(&kinds[kind].stuck, (uint32_t)-1);
    cpu = mni_enter();
    if (cpu && cpu->worker == w) /* unless it lost its cpu, and has waited for another */
        pay(cpu, took);
    return true;
}

int mni_offload_quick(enum mni_quick kind, void (*fn)(void *), void *arg, int64_t deadline) {
    if (mni_passed(deadline))
        return -ETIMEDOUT;
    return mni_quick_run(kind, fn, arg) ? 0 : mni_offload(MNI_POOL_FILE, fn, arg, deadline);
}

void mni_quick_stuck(struct mni_worker *w) {
    uint32_t kind = a32_load(&w->at_once);
    if (kind == 0 || kind & STUCK)
        return;
    /* Counted first: the worker counts it down when it sees the mark.  Full, both; pair with its swap. */
    a32_add_full(&kinds[kind].stuck, 1);
    if (!a32_cas_full(&w->at_once, kind, kind | STUCK))
        a32_add_full(&kinds[kind].stuck, (uint32_t)-1);
}
