/*
 * topo: how many workers, on which CPUs, and in which order each looks at the others.
 *
 * How many: config.workers; else one for each CPU that is in the affinity mask and in config.cpus, but not more
 * than the CPU quota of the enclosing control groups, rounded up: more would only use up the quota earlier in
 * each period, and then all of them stop at once, one perhaps with a lock.
 *
 * Which: with fewer workers than CPUs, one on each core before a second hardware thread of any, and neighbours
 * before strangers, since what they share (a cache) helps more than it costs.  With more workers than CPUs, the
 * CPUs are used again from the first.
 *
 * Pinned: by default only where the workers are as many as the CPUs.  Fewer workers, pinned, would stay on the
 * first CPUs of the machine, and a second such process on the very same.
 *
 * Order: nearest first: same CPU, core, second-level cache, third-level cache, NUMA node, package.  Among those
 * equally near, a worker begins with its successor, so that not all of them look at the same victim first.
 *
 * hwloc tells the distances.  Reading its topology takes some milliseconds, so only what is used is asked for,
 * and nothing with a single worker that is bound to nothing.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "topo.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alone.h"
#include "cpuset.h"
#include "fault.h"
#include "quota.h"

/* Distances: the first of these that two CPUs have in common; none: SHARES. */
enum { SAME_CPU, SAME_CORE, SAME_L2, SAME_L3, SAME_NODE, SAME_PACKAGE, SHARES };

struct place {
    unsigned cpu;
    int shares[SHARES]; /* which core, cache, ... ; -1: unknown, equal to no other */
};

static int ancestor(hwloc_topology_t t, hwloc_obj_t pu, hwloc_obj_type_t type) {
    hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(t, type, pu);
    return o ? (int)o->logical_index : -1;
}

static void locate(struct place *p, hwloc_topology_t t) {
    hwloc_obj_t pu = t ? hwloc_get_pu_obj_by_os_index(t, p->cpu) : NULL;
    for (int i = 0; i < SHARES; i++)
        p->shares[i] = -1;
    p->shares[SAME_CPU] = (int)p->cpu;
    if (!pu)
        return;
    p->shares[SAME_CORE] = ancestor(t, pu, HWLOC_OBJ_CORE);
    p->shares[SAME_L2] = ancestor(t, pu, HWLOC_OBJ_L2CACHE);
    p->shares[SAME_L3] = ancestor(t, pu, HWLOC_OBJ_L3CACHE);
    p->shares[SAME_NODE] = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1;
    p->shares[SAME_PACKAGE] = ancestor(t, pu, HWLOC_OBJ_PACKAGE);
}

static int distance(const struct place *a, const struct place *b) {
    int i = 0;
    while (i < SHARES && (a->shares[i] < 0 || a->shares[i] != b->shares[i]))
        i++;
    return i;
}

/* The set's CPUs, neighbours beside each other: in hwloc's order, or by number. */
static unsigned list_cpus(struct place *places, const struct mni_cpuset *set, hwloc_topology_t t) {
    unsigned n = 0;
    for (hwloc_obj_t pu = NULL; t && (pu = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_PU, pu));) {
        if (mni_cpuset_has(set, pu->os_index))
            places[n++].cpu = pu->os_index;
    }
    if (n < mni_cpuset_count(set)) { /* hwloc does not know them all */
        n = 0;
        for (unsigned cpu = 0; cpu < MNI_CPUS_MAX; cpu++) {
            if (mni_cpuset_has(set, cpu))
                places[n++].cpu = cpu;
        }
    }
    for (unsigned i = 0; i < n; i++)
        locate(&places[i], t);
    return n;
}

/* How many CPUs before i are on its core. */
static unsigned thread_of_core(const struct place *places, unsigned i) {
    unsigned n = 0;
    int core = places[i].shares[SAME_CORE];
    for (unsigned j = i; j > 0 && core >= 0 && places[j - 1].shares[SAME_CORE] == core; j--)
        n++;
    return n;
}

/* Keeps `workers` of n places in their order: the first thread of each core, then the second, ... */
static void choose(struct place *places, unsigned n, unsigned workers, unsigned char *taken) {
    unsigned left = workers;
    for (unsigned thread = 0; left > 0; thread++) {
        for (unsigned i = 0; i < n && left > 0; i++) {
            if (thread_of_core(places, i) == thread) {
                taken[i] = 1;
                left--;
            }
        }
    }
    unsigned k = 0;
    for (unsigned i = 0; i < n; i++) {
        if (taken[i])
            places[k++] = places[i];
    }
}

static void order_victims(struct mni_topo *topo, const struct place *places) {
    unsigned n = topo->workers;
    for (unsigned i = 0; i < n; i++) {
        unsigned count[SHARES + 1] = {0}, begin[SHARES + 1] = {0};
        for (unsigned k = 1; k < n; k++)
            count[distance(&places[i], &places[(i + k) % n])]++;
        for (int d = 1; d <= SHARES; d++)
            begin[d] = begin[d - 1] + count[d - 1];
        for (unsigned k = 1; k < n; k++) {
            unsigned j = (i + k) % n;
            topo->order[i * (n - 1) + begin[distance(&places[i], &places[j])]++] = j;
        }
    }
}

int mni_topo_arrange(struct mni_topo *topo, const struct mni_cpuset *set) {
    unsigned n = mni_cpuset_count(set), workers = topo->workers, size = n > workers ? n : workers;
    struct place *places = fault("malloc") ? NULL : calloc(size, sizeof *places);
    unsigned char *taken = fault("malloc") ? NULL : calloc(size, 1);
    topo->cpu = fault("malloc") ? NULL : calloc(workers, sizeof *topo->cpu);
    topo->order = fault("malloc") ? NULL : calloc((size_t)workers * workers, sizeof *topo->order);
    int r = places && taken && topo->cpu && topo->order ? 0 : -ENOMEM;
    if (r == 0) {
        list_cpus(places, set, topo->hwloc);
        if (workers < n)
            choose(places, n, workers, taken);
        for (unsigned i = n; i < workers; i++)
            places[i] = places[i - n];
        for (unsigned i = 0; i < workers; i++)
            topo->cpu[i] = places[i].cpu;
        order_victims(topo, places);
    }
    free(places);
    free(taken);
    return r;
}

/*
 * hwloc's initialisation loads every plugin that is installed, for XML, OpenCL and X11 displays: 20 libraries
 * and a millisecond, for nothing that is used here.  Only a variable of the environment keeps it from that, and
 * the environment must not be changed beside other threads; with any, the plugins are loaded.
 */
static int init_without_plugins(hwloc_topology_t *t) {
    static const char variable[] = "HWLOC_PLUGINS_PATH";
    if (!process_is_alone() || getenv(variable))
        return hwloc_topology_init(t);
    setenv(variable, "/nonexistent", 1); /* failed: they are loaded */
    int r = hwloc_topology_init(t);
    unsetenv(variable);
    return r;
}

/*
 * NULL: hwloc could not read it.  The x86 component asks the CPU itself by running on each CPU in turn: on a
 * machine with other work that takes tens of milliseconds, and /sys knows it all.
 */
static hwloc_topology_t load(void) {
    static const hwloc_obj_type_t needed[] = {HWLOC_OBJ_PACKAGE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE,
                                              HWLOC_OBJ_CORE};
    hwloc_topology_t t;
    if (fault("hwloc") || init_without_plugins(&t) != 0)
        return NULL;
    hwloc_topology_set_components(t, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        hwloc_topology_set_type_filter(t, needed[i], HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_flags(t, HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
                                    HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS);
    if (hwloc_topology_load(t) == 0)
        return t;
    hwloc_topology_destroy(t);
    return NULL;
}

/* The CPUs to choose from: 0 or -EINVAL, and then why says why. */
static int gather(struct mni_topo *topo, const struct mn_config *config, struct mni_cpuset *set) {
    int r = mni_cpuset_allowed(set);
    topo->mask = fault("malloc") ? NULL : malloc(sizeof *topo->mask);
    if (!topo->mask)
        return -ENOMEM;
    *topo->mask = *set;
    if (r < 0 || mni_cpuset_count(set) == 0) {
        /* Nothing is known, so nothing will be bound; one worker is right everywhere. */
        memset(set, 0, sizeof *set);
        mni_cpuset_add(set, 0);
        return 0;
    }
    struct mni_cpuset wanted;
    if (!config->cpus)
        return 0;
    if (mni_cpuset_parse(&wanted, config->cpus) < 0) {
        snprintf(topo->why, sizeof topo->why, "cpus: %.100s is no list of CPUs", config->cpus);
        return -EINVAL;
    }
    for (unsigned i = 0; i < MNI_CPUS_MAX / 64; i++)
        set->bits[i] &= wanted.bits[i];
    if (mni_cpuset_count(set) == 0) {
        snprintf(topo->why, sizeof topo->why, "cpus: none of %.100s is in the affinity mask", config->cpus);
        return -EINVAL;
    }
    topo->bound = fault("malloc") ? NULL : malloc(sizeof *topo->bound);
    if (!topo->bound)
        return -ENOMEM;
    *topo->bound = *set;
    return 0;
}

static void explain(struct mni_topo *topo, const struct mn_config *config, unsigned cpus, uint64_t quota) {
    char limit[64] = "no CPU quota";
    if (quota)
        snprintf(limit, sizeof limit, "a CPU quota of %lu.%03lu", (unsigned long)(quota / 1000),
                 (unsigned long)(quota % 1000));
    snprintf(topo->why, sizeof topo->why, "%u worker%s%s: %u CPU%s%s%.60s, %s, %s", topo->workers,
             topo->workers == 1 ? "" : "s", config->workers ? " (as configured)" : "", cpus,
             cpus == 1 ? "" : "s", config->cpus ? " of " : " in the affinity mask",
             config->cpus ? config->cpus : "", limit, topo->pin ? "pinned" : "not pinned");
}

int mni_topo_decide(struct mni_topo *topo, const struct mn_config *config) {
    struct mni_cpuset set;
    memset(topo, 0, sizeof *topo);
    int r = gather(topo, config, &set);
    if (r == 0 && config->workers > MNI_WORKERS_MAX) {
        snprintf(topo->why, sizeof topo->why, "workers: more than %d", MNI_WORKERS_MAX);
        r = -EINVAL;
    }
    if (r < 0) {
        mni_topo_release(topo);
        return r;
    }
    unsigned cpus = mni_cpuset_count(&set);
    uint64_t quota = mni_quota(mni_quota_root());
    topo->cpus = cpus;
    topo->quota = quota && quota < (uint64_t)cpus * 1000;
    topo->workers = config->workers;
    if (topo->workers == 0) {
        topo->workers = cpus < MNI_WORKERS_MAX ? cpus : MNI_WORKERS_MAX;
        if (quota && (quota + 999) / 1000 < topo->workers)
            topo->workers = (unsigned)((quota + 999) / 1000);
    }
    bool known = mni_cpuset_count(topo->mask) > 0;
    topo->pin = known && (config->pin > 0 || (config->pin == 0 && topo->workers == cpus));
    if (topo->workers > 1 || topo->pin || topo->bound)
        topo->hwloc = load();
    r = mni_topo_arrange(topo, &set);
    if (r < 0) {
        mni_topo_release(topo);
        return r;
    }
    explain(topo, config, cpus, quota);
    return 0;
}

void mni_topo_release(struct mni_topo *topo) {
    if (topo->hwloc)
        hwloc_topology_destroy(topo->hwloc);
    free(topo->cpu);
    free(topo->order);
    free(topo->mask);
    free(topo->bound);
    topo->hwloc = NULL;
    topo->cpu = topo->order = NULL;
    topo->mask = topo->bound = NULL;
}

void mni_topo_bind(const struct mni_topo *topo, unsigned worker) {
    if (!topo->hwloc || !(topo->pin || topo->bound))
        return;
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    if (!cpus)
        return;
    if (topo->pin) {
        hwloc_bitmap_only(cpus, topo->cpu[worker]);
    } else {
        for (unsigned cpu = 0; cpu < MNI_CPUS_MAX; cpu++) {
            if (mni_cpuset_has(topo->bound, cpu))
                hwloc_bitmap_set(cpus, cpu);
        }
    }
    hwloc_set_cpubind(topo->hwloc, cpus, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(cpus);
}

void mni_topo_unbind(const struct mni_topo *topo, int tid, bool leaves) {
    if (topo->hwloc && (topo->pin || topo->bound))
        mni_cpuset_apply(topo->bound && !leaves ? topo->bound : topo->mask, tid);
}
