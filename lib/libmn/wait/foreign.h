/* foreign: LWPs that are not the runtime's workers; see foreign.c. */
#ifndef MNI_FOREIGN_H
#define MNI_FOREIGN_H

#include <time.h>

#include "wait.h"

/* First in any call: solo mode is over, and does not begin while the LWP is present.  Its parker is made. */
struct mni_parker *mni_foreign_enter(void);
/* It touches nothing of the runtime's until its next mni_foreign_enter. */
void mni_foreign_rests(void);
/* It rests, and sleeps on the word (umtx_wait); a signal handler that calls meanwhile adds one to that. */
int mni_foreign_sleep(uint32_t *word, uint32_t expected, const struct timespec *until);
/* The first two around what may block the LWP, for those who were present. */
bool mni_foreign_away(void);
void mni_foreign_back(bool here);
/* And for a worker that does what foreign LWPs do. */
void mni_foreign_hold(void);
void mni_foreign_let(void);

/* Whether the caller is present. */
bool mni_foreign_here(void);
/* For who begins solo mode: whether one is present; how often one has become so, as a hint. */
bool mni_foreign_present(void);
uint32_t mni_foreign_comings(void);

/* mni_locals_end_foreign is called as the LWP ends.  False: it will not be. */
bool mni_foreign_hook(void);

void mni_foreign_forked(void);

struct mni_parker *mni_foreign_parker(void);
struct mni_waiter *mni_foreign_waiter(void);
/* permit: the word of mn_park, or NULL; with MNI_PERMIT in it the wait ends at once. */
int mni_foreign_wait(struct mni_olock *lock, const uint32_t *permit, int64_t deadline);
/* The same of any caller that is not green: a bound thread is seen to wait (wait.c). */
int mni_wait_foreign(const char *what, const void *on, struct mni_olock *lock, const uint32_t *permit,
                     int64_t deadline);
void mni_foreign_wake(struct mni_parker *p);

#endif
