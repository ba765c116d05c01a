/* scope: see scope.c. */
#ifndef MNI_SCOPE_H
#define MNI_SCOPE_H

#include "thread.h"

/* A thread that is about to start becomes a member: 0, -ECANCELED, -EINVAL.  The caller is in the runtime,
 * or foreign. */
int mni_scope_enter(struct mn_scope *scope, struct mni_thread *t);

/* The thread itself has nothing left to do but to end.  Called outside the runtime. */
void mni_scope_leave(struct mni_thread *t, void *result);

/* Whether the thread's innermost open scope was opened after its latest deferred function was given. */
bool mni_scope_is_next(const struct mni_thread *t);

#endif
