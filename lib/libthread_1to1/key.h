/* The per-thread half of thread-specific data (key.c). */
#ifndef THR_KEY_H
#define THR_KEY_H

#include <stdint.h>

enum {
    KEY_MAX = 1024, /* PTHREAD_KEYS_MAX */
    KEY_FIRST = 32, /* values that lie in the descriptor itself; the others in an array made on first use */
};

struct key_value {
    uintptr_t seq; /* the key's sequence number when the value was set: tells a deleted key's value apart */
    void *value;
};

/* Read and written by its own thread only (its signal handlers included).  All zero: no values. */
struct key_values {
    struct key_value first[KEY_FIRST];
    struct key_value *more; /* KEY_MAX - KEY_FIRST of them, or NULL */
    uint32_t more_high;     /* no value at or above this index of more was ever set */
    uint32_t used;          /* some value was set: destructors may have to run */
};

/*
 * Runs the destructors of the calling thread's values, in at most PTHREAD_DESTRUCTOR_ITERATIONS rounds,
 * releases what holds the values and leaves all of them NULL.  Called as a thread ends: start.c for ours,
 * pthread_exit for main; in foreign threads the libc calls it, through a key of its own (key.c).  Harmless when
 * called again.
 */
void key_run_destructors(void);

#endif
