/*
 * mn/offload.h: calls that block for real, made where they hold up nobody.
 *
 * What the runtime cannot make asynchronous (files, name look-ups, other libraries) runs on LWPs of three
 * pools.  Each has as many as there is work for, at most so many as the configuration says (mn/run.h), none
 * before its first use; those that have had nothing to do for a while end.
 */
#ifndef MN_OFFLOAD_H
#define MN_OFFLOAD_H

#include <mn/time.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Calls fn(arg) on an LWP of the pool for such calls while the caller waits, and other threads run.  fn is
 * foreign code: not a green thread, so what it calls may block; signals are blocked there.  Called by a foreign
 * LWP or a bound thread, and where no LWP can be had at all, fn runs on the caller's LWP.
 *   -ETIMEDOUT, -ECANCELED   fn did not run, and will not: once it has begun it is waited for
 *   -EINVAL                  fn is NULL
 * Contexts: any.
 */
int mn_block_call(void (*fn)(void *arg), void *arg);
int mn_block_call_until(void (*fn)(void *arg), void *arg, int64_t deadline);

enum mn_pool { MN_POOL_FILE, MN_POOL_DNS, MN_POOL_CALL };

/* What a pool is doing at this moment, and what it has done since the runtime started.  Later versions add
 * members. */
struct mn_pool_use {
    uint32_t limit;     /* LWPs that it may have */
    uint32_t running;   /* LWPs that make a call */
    uint32_t idle;      /* and that have nothing to do */
    uint32_t queued;    /* calls that wait for an LWP */
    uint32_t most;      /* the most LWPs that there were at a time */
    uint32_t longest;   /* the most calls that were queued at a time */
    uint64_t done;      /* calls that were made by its LWPs */
    uint64_t direct;    /* by the caller's own, since there was no other to be had */
    uint64_t withdrawn; /* calls not made: their deadline had passed, or their thread was cancelled */
    uint64_t started;   /* LWPs that were made */
};

/*
 * size: sizeof(struct mn_pool_use).
 *   -EPERM    no runtime runs
 *   -EINVAL   no such pool; stats is NULL; size is smaller than the first version's structure
 * Contexts: any; not while the runtime starts or ends.
 */
int mn_stats_pool(enum mn_pool pool, struct mn_pool_use *stats, size_t size);

#ifdef __cplusplus
}
#endif

#endif
