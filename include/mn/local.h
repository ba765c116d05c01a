/*
 * mn/local.h: thread-local values.
 *
 * A key names one value in every thread, NULL until the thread sets it.  Keys belong to the process: they are
 * there before the runtime starts and after it has ended.  Foreign LWPs have values, too, of their own.  The
 * callbacks of handlers (mn/proc.h) run in threads that they share: a handler's own values are those of mn_put.
 */
#ifndef MN_LOCAL_H
#define MN_LOCAL_H

#include <mn/thread.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A key.  Never reused while it could be mistaken for another; 0 is no key. */
typedef uint64_t mn_key;

enum {
    MN_KEYS_MAX = 1024,      /* keys at a time */
    MN_DESTRUCTOR_ROUNDS = 4 /* how often a thread's end looks for values that destructors have set */
};

/*
 * Makes a key.  destructor (or NULL) runs in each thread that ends with a value other than NULL, which it is
 * given; the value is NULL by then, the thread is shielded from cancellation, and its deferred functions
 * (mn_defer) have run.
 *   -EAGAIN   there are MN_KEYS_MAX
 *   -EINVAL   key is NULL
 * Contexts: any.
 */
int mn_key_create(mn_key *key, void (*destructor)(void *value));

/*
 * The values are not seen any more; no destructor is called for them (one that runs already goes on).  A key
 * made later is another one.  -EINVAL: no such key.  Contexts: any.
 */
int mn_key_delete(mn_key key);

/*
 * Sets the caller's value.
 *   -ENOMEM   the value is as it was
 *   -EINVAL   no such key
 * Contexts: any.
 */
int mn_local_set(mn_key key, const void *value);

/* The caller's value; NULL also when there is no such key.  Contexts: any. */
void *mn_local_get(mn_key key);

/*
 * Where the caller's value lies, for those who use it often: the address is good until the thread ends or the
 * key is deleted, whichever LWP the thread is on.  NULL: no memory, or no such key.  Contexts: any.
 */
void **mn_local_ref(mn_key key);

#ifdef __cplusplus
}
#endif

#endif
