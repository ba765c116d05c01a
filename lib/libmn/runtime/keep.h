/* keep: foreign LWPs that use the runtime's memory keep it from going; see keep.c. */
#ifndef MNI_KEEP_H
#define MNI_KEEP_H

#include <stdbool.h>

#include "runtime.h"
#include "tls.h"

bool mni_keep_foreign(void);
void mni_let_go_foreign(void);

/* True: there is a runtime, and it stays until mni_let_go.  A green thread's does anyhow.  Contexts: any,
 * signal. */
static inline bool mni_keep(void) {
    return __builtin_expect(mni_worker_self() != NULL, 1) || mni_keep_foreign();
}
static inline void mni_let_go(const bool *kept) {
    if (*kept && __builtin_expect(!mni_worker_self(), 0))
        mni_let_go_foreign();
}

/* In a function: without a runtime it returns that; with one, it is kept until the function returns. */
#define MNI_KEEP_OR(failure) \
    const bool kept __attribute__((cleanup(mni_let_go))) = mni_keep(); \
    if (!kept) \
        return failure

/* The same for one who has to do with a thread that has not ended, so that there is a runtime.  Foreign. */
void mni_keep_alive(void);

/* By who starts and ends it: from now on it can be kept, or not any more: then all have let go. */
void mni_keep_open(void);
void mni_keep_close(void);
void mni_keep_forked(void);

#endif
