/* spin: whether it is worth the while to look again before one sleeps. */
#ifndef MNI_SPIN_H
#define MNI_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* Looks at a held lock before one sleeps, and pauses between two of them, some 200 ns: another CPU that has
 * just changed its word may go on in its cache meanwhile. */
enum { MNI_SPIN_LOOKS = 5, MNI_SPIN_PAUSES = 7 };

/* Whether others may be running while the caller is. */
bool mni_may_spin(void);

/* Whether the thread with that number of a lock's owner is a green one that does not run, as far as one can
 * see. For green threads: the runtime does not end meanwhile. */
bool mni_owner_rests(uint32_t owner);

#endif
