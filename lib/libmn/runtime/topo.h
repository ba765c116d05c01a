/*
 * topo: which CPUs the runtime uses, and how far they are from each other (hwloc).
 */
#ifndef MNI_TOPO_H
#define MNI_TOPO_H

#include <mn/run.h>
#include <stdbool.h>

struct mni_cpuset;

enum { MNI_WORKERS_MAX = 1024 };

struct mni_topo {
    unsigned workers;
    bool pin;       /* bind each worker to its CPU */
    unsigned cpus;  /* that the process may use */
    bool quota;     /* a cgroup limits the CPU time: do not spin */
    unsigned *cpu;  /* [workers]: the operating system's number of each worker's CPU */
    unsigned *order; /* [workers][workers - 1]: whom a worker steals from, nearest first */
    void *hwloc;     /* the topology, for binding; NULL: not loaded */
    struct mni_cpuset *mask;  /* what the process might run on when this was decided */
    struct mni_cpuset *bound; /* workers that are not pinned run on these CPUs only; NULL: on all of mask */
    char why[256];   /* one line that says how this was decided, or what is wrong */
};

/*
 * Decides: 0, -EINVAL, -ENOMEM.  config's fields have been filled in from the environment.  Takes a few
 * milliseconds with more than one worker, which is hwloc's reading of /sys.
 */
int mni_topo_decide(struct mni_topo *topo, const struct mn_config *config);
void mni_topo_release(struct mni_topo *topo);

/* Binds the calling LWP to the CPU of that worker; where that is refused it stays free. */
void mni_topo_bind(const struct mni_topo *topo, unsigned worker);

/* The LWP with that number (0: the caller) may run on all of the runtime's CPUs; with leaves, on all of the
 * process's. */
void mni_topo_unbind(const struct mni_topo *topo, int tid, bool leaves);

/* The part of it that needs no machine, for tests: places topo->workers on the CPUs of the set and orders them
 * by the distances in topo->hwloc (a hwloc_topology_t, or NULL: all are equally far).  0 or -ENOMEM. */
int mni_topo_arrange(struct mni_topo *topo, const struct mni_cpuset *set);

/* A copy of config with its zero fields taken from the environment: 0 or -EINVAL.  complaint: what is wrong
 * with which; of *out, only verbose is valid then. */
int mni_config_read(struct mn_config *out, const struct mn_config *config, char complaint[128]);

#endif
