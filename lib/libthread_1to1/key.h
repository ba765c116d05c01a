/* The per-thread half of thread-specific data (key.c). */
#ifndef THR_KEY_H
#define THR_KEY_H

#include <stdint.h>

enum {
    KEY_MAX = 1024,   /* PTHREAD_KEYS_MAX */
    KEY_FIRST = 32,   /* values that lie in the descriptor itself; the rest in blocks made on first use */
    KEY_BLOCK = 32,
};

struct key_value {
    uintptr_t seq; /* the key's sequence number when the value was set: tells a deleted key's value apart */
    void *value;
};

struct key_values {
    struct key_value first[KEY_FIRST];
    struct key_value *more[KEY_MAX / KEY_BLOCK - 1];
    uint32_t used; /* some value was set: destructors may have to run */
};

/* Runs the destructors of the calling thread's values, in at most PTHREAD_DESTRUCTOR_ITERATIONS rounds, and releases
 * what holds the values.  start.c calls it as the thread ends. */
void key_run_destructors(void);

#endif
