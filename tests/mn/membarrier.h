/* Whether there is solo mode at all. */
#ifndef TEST_MEMBARRIER_H
#define TEST_MEMBARRIER_H

#include <linux/membarrier.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* False: the kernel lacks it, or ODONATA_DISABLE names it. */
static inline bool has_membarrier(void) {
    const char *without = getenv("ODONATA_DISABLE");
    return !(without && strstr(without, "membarrier")) && syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0) > 0;
}

#endif
