/*
 * topo: which CPUs the runtime uses, and how far they are from each other (hwloc).
 */
#ifndef MNI_TOPO_H
#define MNI_TOPO_H

#include <mn/run.h>
#include <stdbool.h>

struct mni_topo {
    unsigned workers;
    bool pin;       /* bind each worker to its CPU */
    bool quota;     /* a cgroup limits the CPU time: do not spin */
    unsigned *cpu;  /* [workers]: the operating system's number of each worker's CPU */
    unsigned *order; /* [workers][workers - 1]: whom a worker steals from, nearest first */
    char why[256];  /* one line that says how this was decided */
};

/* Decides: 0, -EINVAL, -ENOMEM.  config's fields have been filled in from the environment. */
int mni_topo_decide(struct mni_topo *topo, const struct mn_config *config);
void mni_topo_release(struct mni_topo *topo);

/* Binds the calling LWP to the CPU of that worker; where that is refused it stays free. */
void mni_topo_bind(const struct mni_topo *topo, unsigned worker);

/* A copy of config with its zero fields taken from the environment: 0 or -EINVAL.  complaint: what is wrong with which. */
int mni_config_read(struct mn_config *out, const struct mn_config *config, char complaint[128]);

#endif
