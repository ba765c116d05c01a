/* foreign: LWPs that are not the runtime's workers; see foreign.c. */
#ifndef MNI_FOREIGN_H
#define MNI_FOREIGN_H

#include "wait.h"

struct mni_parker *mni_foreign_enter(void);
struct mni_parker *mni_foreign_parker(void);
struct mni_waiter *mni_foreign_waiter(void);
/* permit: the word of mn_park, or NULL; with MNI_PERMIT in it the wait ends at once. */
int mni_foreign_wait(struct mni_olock *lock, const uint32_t *permit, int64_t deadline);
/* The same of any caller that is not green: a bound thread is seen to wait (wait.c). */
int mni_wait_foreign(const char *what, const void *on, struct mni_olock *lock, const uint32_t *permit,
                     int64_t deadline);
void mni_foreign_wake(struct mni_parker *p);

#endif
