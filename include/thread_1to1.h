/*
 * thread_1to1.h: what libthread_1to1 offers beside <pthread.h>, <semaphore.h> and <threads.h>.
 *
 * A program does not need this header to run on the library.  One that wants to run with and without it
 * (preloaded, or not) declares these functions weak before it looks:
 *
 *     #pragma weak thread_1to1_version
 *     if (thread_1to1_version)
 *         printf("on libthread_1to1 %s\n", thread_1to1_version());
 */
#ifndef THREAD_1TO1_H
#define THREAD_1TO1_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, as in "0.1.0".  Contexts: any, signal handlers included.  No errors. */
const char *thread_1to1_version(void);

/*
 * What the library has done in this process.  Later versions add fields at the end, never in between.  The
 * counts are exact once the threads that create threads are at rest; until then each is a recent value.
 */
struct thread_1to1_counts {
    uint64_t created;         /* threads that were created */
    uint64_t refused;         /* creations that failed */
    uint64_t reused;          /* of those created: on the LWP of a thread that had ended */
    /* "libc", "own" or "reuse": see ODONATA_LWP in libthread_1to1(7); valid for ever. */
    const char *lwp_source;
    const char *fallback_why; /* why LWPs are the libc's though others were wanted; NULL if they are not */
};

/*
 * Fills in what fits into size bytes, which is sizeof(struct thread_1to1_counts) as the caller knows it; fields
 * that the caller knows and the library does not are zero.  Before the first thread was created, lwp_source is
 * a guess.
 *   0        filled
 *   EINVAL   size is smaller than the first version's structure
 * Contexts: any, signal handlers included.
 */
int thread_1to1_stats(struct thread_1to1_counts *stats, size_t size);

#ifdef __cplusplus
}
#endif

#endif
