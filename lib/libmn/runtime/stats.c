/*
 * stats: what the runtime counts, for the program (mn/stats.h).
 *
 * Each count is a word that its cpu's owner alone writes, by a plain store; here they are read relaxed, so each
 * is right and no two are of the same moment.
 */
#include <errno.h>
#include <mn/stats.h>
#include <stddef.h>
#include <string.h>

#include "export.h"
#include "keep.h"
#include "runtime.h"
#include "sched/runq.h"
#include "thread/create.h"

enum { FIRST_VERSION = offsetof(struct mn_stats_cpu, solos) }; /* that much every caller knows */

static void read_cpu(const struct mni_runtime *rt, const struct mni_cpu *c, struct mn_stats_cpu *s) {
    *s = (struct mn_stats_cpu){
        .cpu = c->index,
        .os_cpu = rt->topo.pin ? rt->topo.cpu[c->index] : UINT32_MAX,
        .switches = a64_load(&c->count.switches),
        .spawns = a64_load(&c->count.spawns),
        .ends = a64_load(&c->count.ends),
        .yields = a64_load(&c->count.yields),
        .parks = a64_load(&c->count.parks),
        .wakes = a64_load(&c->count.wakes),
        .steals = a64_load(&c->count.steals),
        .stolen = a64_load(&c->count.stolen),
        .searches = a64_load(&c->count.searches),
        .sleeps = a64_load(&c->count.sleeps),
        .rouses = a64_load(&c->count.rouses),
        .handoffs = a64_load(&c->count.handoffs),
        .overflows = a64_load(&c->count.overflows),
        .ready = mni_ring_length(c) % (MNI_RING_MOST + 1) + a64_load(&c->overflow.length) +
                 a64_load(&c->high.length) + a64_load(&c->low.length) + (aptr_load(&c->hot) != NULL),
        .running = aptr_load(&c->current) != NULL,
        .timers = mni_timers_pending(c->timers),
        .solos = a64_load(&c->count.solos),
    };
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        uint32_t n = a32_load(&c->stacks.class[class].nfree);
        s->stacks += n;
        s->stack_bytes += n * mni_stack_bytes(class);
    }
}

/* As much of the structure as the caller knows; zeroes for what we do not. */
static void give(void *to, size_t size, const void *from, size_t ours) {
    memcpy(to, from, size < ours ? size : ours);
    if (size > ours)
        memset((char *)to + ours, 0, size - ours);
}

MN_EXPORT int mn_stats(struct mn_stats_cpu *array, unsigned n, size_t size) {
    if (size < FIRST_VERSION || (!array && n))
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    const struct mni_runtime *rt = mni_rt;
    for (unsigned i = 0; i < n && i < rt->ncpus; i++) {
        struct mn_stats_cpu s;
        read_cpu(rt, rt->cpus[i], &s);
        give((char *)array + i * size, size, &s, sizeof s);
    }
    return (int)rt->ncpus;
}

MN_EXPORT int mn_stats_stacks(enum mn_stack stack, struct mn_stacks_of_class *stats, size_t size) {
    if (size < sizeof(struct mn_stacks_of_class) || !stats || (unsigned)stack == 0 ||
        (unsigned)stack >= MNI_STACK_CLASSES)
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    struct mni_stack_totals t;
    mni_stack_totals(stack, &t);
    const struct mn_stacks_of_class s = {
        .mapped = t.mapped_bytes,
        .resident = t.resident_bytes,
        .stacks = t.slots,
        .used = t.touched,
        .kept = t.warm,
        .trimmed = t.trimmed,
        .unguarded = t.unguarded,
    };
    give(stats, size, &s, sizeof s);
    return 0;
}

MN_EXPORT uint64_t mn_threads(void) {
    MNI_KEEP_OR(0);
    return mni_alive();
}
