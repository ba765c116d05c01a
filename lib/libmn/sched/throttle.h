/* throttle: whether work is worth sharing; see throttle.c. */
#ifndef MNI_THROTTLE_H
#define MNI_THROTTLE_H

#include "runtime/runtime.h"

void mni_throttle_init(struct mni_throttle *t);

/* Contexts, of these: the owner of the cpu that decides, with a recent time. */

/* The other has got work of the busy one's. */
void mni_throttle_share(struct mni_throttle *t, const struct mni_cpu *busy, const struct mni_cpu *other,
                        int64_t now);

/* They stay apart.  A phase ends here, of either kind: when it is over, or the busy one does not get on alone. */
bool mni_throttle_apart(struct mni_throttle *t, int64_t now);

#endif
