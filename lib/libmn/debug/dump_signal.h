/* dump_signal: see dump_signal.c. */
#ifndef MNI_DUMP_SIGNAL_H
#define MNI_DUMP_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The runtime starts: has *events changed and woken, as a futex, when the signal comes.  0; -EINVAL:
 * MN_DUMP_SIGNAL makes no sense.  end: it ends, or this is a fork's child, where it does not run.
 */
int mni_dump_signal_start(uint32_t *events);
void mni_dump_signal_end(void);

/* Which it is; 0: the runtime has no handler installed. */
int mni_dump_signal_number(void);

/* Whether it came since the last call. */
bool mni_dump_signal_came(void);

#endif
