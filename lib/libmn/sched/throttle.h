/* throttle: whether threads of others are worth taking; see throttle.c. */
#ifndef MNI_THROTTLE_H
#define MNI_THROTTLE_H

#include "runtime/runtime.h"

enum { MNI_PEEK_NS = 20000 }; /* who stays apart looks at its victim for so long */

void mni_throttle_init(struct mni_cpu *c);

/* Contexts, of these: the cpu's owner, with a recent time. */

/* It took threads of v. */
void mni_throttle_took(struct mni_cpu *c, const struct mni_cpu *v, int64_t now);

/* It has nothing left. */
void mni_throttle_dry(struct mni_cpu *c, int64_t now);

/* It leaves others' threads alone.  A peek begins: see mni_throttle_same. */
bool mni_throttle_holds(struct mni_cpu *c, int64_t now);

/* The peek ends: the victim gets on.  Otherwise the cpu does not stay apart any more. */
bool mni_throttle_same(struct mni_cpu *c, int64_t now);

#endif
