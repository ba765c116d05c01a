/*
 * explore: visits every state that some threads can reach together.
 *
 * A model is a struct of plain data (zeroed padding: states are compared as bytes) and a function
 * step(state, thread) that makes one atomic step of one thread: one access to shared memory, as the code
 * makes it.  The explorer follows all orders of steps, each state once.  Reported are: a state that check()
 * refuses, and a state in which nobody can go on though not all have finished (a lost wake-up).  Memory is
 * sequentially consistent here; what orders the real accesses is written beside them in the code.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"

enum outcome { STEP_DONE, STEP_BLOCKED, STEP_FINISHED };

struct model {
    size_t size;                                               /* of the state */
    int threads;                                               /* that step() knows */
    enum outcome (*step)(void *state, int thread, int choice); /* choice: 0 .. choices-1 */
    int choices;                                               /* 1: a timeout happens now */
    const char *(*check)(const void *state);                   /* NULL: the state is fine */
    const char *(*check_end)(const void *state);               /* the same when all have finished */
};

struct explore_result {
    unsigned long states, ends;
    const char *wrong;
};

/* Eight bytes at a time: most of an exploration is this. */
static inline uint32_t explore_hash(const unsigned char *p, size_t n) {
    uint64_t h = n, word;
    for (; n; n -= n < sizeof word ? n : sizeof word, p += sizeof word) {
        word = 0;
        memcpy(&word, p, n < sizeof word ? n : sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

/* In the table of states seen; the hash, so that hardly any two states are compared that differ. */
struct explore_place {
    uint32_t index, hash; /* index + 1 of the state; 0: free */
};

/* Breadth does not matter, only completeness: a stack of states to visit, a table of states seen. */
static inline struct explore_result explore(const struct model *m, const void *initial) {
    struct explore_result result = {0};
    size_t room = 1 << 16, used = 0, table_size = 1 << 17;
    unsigned char *states = malloc(room * m->size), *now = malloc(m->size), *next = malloc(m->size);
    struct explore_place *table = calloc(table_size, sizeof *table);
    memcpy(states, initial, m->size);
    used = 1;
    uint32_t first = explore_hash(states, m->size);
    table[first & (table_size - 1)] = (struct explore_place){1, first};
    for (size_t at = 0; at < used && !result.wrong; at++) {
        memcpy(now, states + at * m->size, m->size);
        int moved = 0, finished = 0;
        for (int t = 0; t < m->threads && !result.wrong; t++) {
            for (int c = 0; c < m->choices && !result.wrong; c++) {
                memcpy(next, now, m->size);
                enum outcome o = m->step(next, t, c);
                if (o == STEP_FINISHED && c == 0)
                    finished++;
                if (o != STEP_DONE)
                    continue;
                moved += c == 0; /* an alternative such as a timeout must not be needed to go on */
                if ((result.wrong = m->check(next)))
                    break;
                uint32_t hash = explore_hash(next, m->size);
                size_t h = hash & (table_size - 1);
                while (table[h].index && (table[h].hash != hash ||
                                          memcmp(states + (table[h].index - 1) * m->size, next, m->size) != 0))
                    h = (h + 1) & (table_size - 1);
                if (table[h].index)
                    continue;
                if (used == room)
                    states = realloc(states, (room *= 2) * m->size);
                memcpy(states + used * m->size, next, m->size);
                table[h] = (struct explore_place){(uint32_t)++used, hash};
                if (used * 2 > table_size) {
                    struct explore_place *old = table;
                    size_t old_size = table_size;
                    table = calloc(table_size *= 2, sizeof *table);
                    for (size_t i = 0; i < old_size; i++) {
                        if (!old[i].index)
                            continue;
                        for (h = old[i].hash & (table_size - 1); table[h].index;)
                            h = (h + 1) & (table_size - 1);
                        table[h] = old[i];
                    }
                    free(old);
                }
            }
        }
        if (finished == m->threads) {
            result.ends++;
            if (!result.wrong)
                result.wrong = m->check_end(now);
        } else if (!moved && !result.wrong) {
            result.wrong = "a state in which nobody can go on";
        }
    }
    result.states = used;
    free(states);
    free(now);
    free(next);
    free(table);
    return result;
}

/* One TAP line. */
static inline void explore_ok(const struct model *m, const void *initial, const char *name) {
    struct explore_result r = explore(m, initial);
    ok(!r.wrong && r.ends > 0, "%s: %lu states, %lu ends%s%s", name, r.states, r.ends, r.wrong ? "; " : "",
       r.wrong ? r.wrong : "");
}

/* And one for a model that is broken on purpose: the explorer must see it. */
static inline void explore_not_ok(const struct model *m, const void *initial, const char *name) {
    struct explore_result r = explore(m, initial);
    ok(r.wrong != NULL, "broken on purpose: %s: %s", name, r.wrong ? r.wrong : "not found out");
}

#endif
