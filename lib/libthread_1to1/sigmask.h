/* The calling thread's signal mask, as the kernel has it: bit n-1 is signal n. */
#ifndef THR_SIGMASK_H
#define THR_SIGMASK_H

#include <signal.h>
#include <stdint.h>

#include "sys.h"

#define SIGMASK_BIT(n) (UINT64_C(1) << ((n)-1))

/* The libc's own two signals: 32 cancels, 33 changes user ids in every thread.  A program cannot block them.
 * We never block 33 either: who changes ids holds the libc's list of threads until every thread on it has
 * answered. */
#define THR_SIGCANCEL 32
#define THR_SIGSETXID 33
#define SIGMASK_KEPT (SIGMASK_BIT(THR_SIGCANCEL) | SIGMASK_BIT(THR_SIGSETXID))
#define SIGMASK_ALL (~SIGMASK_BIT(THR_SIGSETXID))

/* Returns the mask before. */
static inline uint64_t sigmask_set(uint64_t mask) {
    uint64_t old = 0;
    sys(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof mask);
    return old;
}

/* All that may be blocked: no handler of the program's runs until sigmask_set() of what this returned. */
static inline uint64_t sigmask_block(void) {
    return sigmask_set(SIGMASK_ALL);
}

#endif
