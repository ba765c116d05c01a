/*
 * quota_watch: the CPU quota of the process's control groups is looked at again while the program runs.
 *
 * What topo.c decides when the runtime starts is followed as far as that is simple: the cpus that there are
 * stay, and rt->active says how many of them take part, rt->spin_ns whether idle workers spin.  A cpu from
 * `active` on rests: its worker does not look for work, is not woken to help and does not poll; its threads
 * move to the others at its next look at the clock, but for pinned ones, which it goes on to run.  So a quota
 * that shrinks and grows is followed; one that grows beyond what it was at the start is not, since making cpus
 * would stop solo mode and fixed arrays for what hardly ever happens.  Where the number of workers was
 * configured, it stays.
 *
 * The files are read by the signal LWP (report.c), every second while workers are busy: about 0.1 ms of CPU
 * time.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "panic.h"
#include "report.h"
#include "runtime/quota.h"
#include "runtime/runtime.h"
#include "sched/idle.h"

void mni_quota_watch(void) {
    struct mni_runtime *rt = mni_rt;
    if (rt->ncpus == 1 && rt->config.spin_us <= 0)
        return; /* nothing would change */
    uint64_t quota = mni_quota(mni_quota_root()), cpus = (quota + 999) / 1000;
    unsigned active = rt->fixed || quota == 0 || cpus >= rt->ncpus ? rt->ncpus : (unsigned)cpus;
    int64_t spin = rt->config.spin_us > 0 && (quota == 0 || quota >= (uint64_t)rt->topo.cpus * 1000)
                       ? rt->config.spin_us * 1000ll
                       : 0;
    a64_store(&rt->spin_ns, (uint64_t)spin); /* relaxed, both: seen soon */
    if (a32_load(&rt->active) == active)
        return;
    a32_store(&rt->active, active);
    if (rt->config.verbose)
        notice("libmn: the CPU quota is %llu.%03llu now: %u of %u workers", (unsigned long long)quota / 1000,
               (unsigned long long)quota % 1000, active, rt->ncpus);
    /* They find out what they are now; one that rests must not keep the role of the poller. */
    mni_rouse_all();
}
