/* exceptions: the C++ runtime's two words of each thread (exceptions.c). */
#ifndef MNI_EXCEPTIONS_H
#define MNI_EXCEPTIONS_H

#include "thread.h"

/* As the runtime starts: finds out whether the C++ library asks us. */
void mni_exceptions_start(void);

/* For a worker, on its LWP: where the C++ library keeps its two words, if it does not ask us; otherwise
 * NULL. */
void **mni_exceptions_lwp(void);

/* For switches; `words` is what mni_exceptions_lwp returned to the worker. */
static inline void mni_exceptions_save(struct mni_thread *t, void *const *words) {
    if (__builtin_expect(words != NULL, 0)) {
        t->own->exceptions[0] = words[0];
        t->own->exceptions[1] = words[1];
    }
}
static inline void mni_exceptions_restore(const struct mni_thread *t, void **words) {
    if (__builtin_expect(words != NULL, 0)) {
        words[0] = t->own->exceptions[0];
        words[1] = t->own->exceptions[1];
    }
}
/* The thread ends; its descriptor's words are for the next one that has it. */
static inline void mni_exceptions_ended(struct mni_thread *t, void *const *words) {
    if (__builtin_expect(words != NULL, 0))
        t->own->exceptions[0] = t->own->exceptions[1] = NULL;
}

#endif
