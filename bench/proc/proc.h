/* What the programs about processes share.  Each runs as the first green thread, which is a process as well. */
#ifndef BENCH_PROC_H
#define BENCH_PROC_H

#include <mn/proc.h>
#include <string.h>

#include "mn/job.h"

/* The oldest message's tag. */
static inline uint64_t take(void) {
    struct mn_msg *m;
    must(mn_receive(&m));
    uint64_t tag = m->tag;
    mn_msg_free(m);
    return tag;
}

static inline void post(mn_pid to, uint64_t tag) {
    must(mn_post(to, tag, NULL, 0));
}

static inline mn_pid start(int (*fn)(void *), void *arg) {
    mn_pid pid;
    must(mn_spawn(&pid, fn, arg));
    return pid;
}

static inline mn_pid start_handler(const struct mn_handler *h, const void *state, size_t size) {
    mn_pid pid;
    must(mn_spawn_handler(&pid, h, state, size, NULL));
    return pid;
}

/* A count that processes on several CPUs add to, and one of them waits for. */
struct tally {
    BENCH_ALIGNED uint64_t n; /* atomic */
};

static inline uint64_t tally_add(struct tally *t) {
    return __atomic_add_fetch(&t->n, 1, __ATOMIC_ACQ_REL);
}

static inline uint64_t tally_get(const struct tally *t) {
    return __atomic_load_n(&t->n, __ATOMIC_ACQUIRE);
}

#endif
