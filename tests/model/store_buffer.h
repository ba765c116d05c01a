/*
 * store_buffer: stores that others do not see yet (TSO), for models in which barriers matter.
 *
 * A process of the model has `struct stores stores`, the state `uint8_t word[]` and `p[]`, the processes.
 * STORE_BUFFERS(struct state) then defines what process i does with a word: load and store; flush: all its
 * stores are seen, as before an atomic operation; flush_one: the oldest is.
 */
#ifndef STORE_BUFFER_H
#define STORE_BUFFER_H

#include <stdint.h>

enum { STORES = 3 };

struct stores {
    uint8_t n, address[STORES], value[STORES]; /* oldest first */
};

static inline uint8_t stores_load(const struct stores *b, const uint8_t *word, int address) {
    for (int n = b->n; n > 0; n--)
        if (b->address[n - 1] == address)
            return b->value[n - 1];
    return word[address];
}

static inline void stores_flush_one(struct stores *b, uint8_t *word) {
    word[b->address[0]] = b->value[0];
    b->n--;
    for (int n = 0; n < b->n; n++) {
        b->address[n] = b->address[n + 1];
        b->value[n] = b->value[n + 1];
    }
    b->address[b->n] = b->value[b->n] = 0;
}

static inline void stores_add(struct stores *b, uint8_t *word, int address, int value) {
    if (b->n == STORES)
        stores_flush_one(b, word);
    b->address[b->n] = (uint8_t)address;
    b->value[b->n++] = (uint8_t)value;
}

#define STORE_BUFFERS(state)                                                                                   \
    static uint8_t load(const state *s, int i, int address) {                                                  \
        return stores_load(&s->p[i].stores, s->word, address);                                                 \
    }                                                                                                          \
    static void flush_one(state *s, int i) {                                                                   \
        stores_flush_one(&s->p[i].stores, s->word);                                                            \
    }                                                                                                          \
    static void flush(state *s, int i) {                                                                       \
        while (s->p[i].stores.n)                                                                               \
            flush_one(s, i);                                                                                   \
    }                                                                                                          \
    static void store(state *s, int i, int address, int value) {                                               \
        stores_add(&s->p[i].stores, s->word, address, value);                                                  \
    }

#endif
