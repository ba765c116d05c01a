/*
 * quick: calls on files that are made at once, by the worker, as long as their kind has been quick lately.
 */
#ifndef MNI_QUICK_H
#define MNI_QUICK_H

#include <stdbool.h>
#include <stdint.h>

struct mni_worker;

/* Kinds of calls that are quick or slow together. */
enum mni_quick {
    MNI_QUICK_NONE, /* always slow: fsync */
    MNI_QUICK_WRITE,
    MNI_QUICK_NAME, /* what makes, changes or lists names */
    MNI_QUICK_SIZE, /* what changes a file's size */
    MNI_QUICK_KINDS
};

/*
 * As mni_offload with the pool for files (offload.h), but for where fn runs.  Inside the runtime, as mni_wait;
 * fn runs outside it.
 */
int mni_offload_quick(enum mni_quick kind, void (*fn)(void *arg), void *arg, int64_t deadline);

/* Runs fn, and tells that it did; false: it is to be run by an LWP of the pool.  Inside the runtime, likewise.
 */
bool mni_quick_run(enum mni_quick kind, void (*fn)(void *arg), void *arg);

/* The worker is outside the runtime, and holds up others.  By sysmon. */
void mni_quick_stuck(struct mni_worker *w);

/* A runtime starts. */
void mni_quick_start(unsigned workers, unsigned max_lwps);

#endif
