/*
 * Eight shapes of the Savina suite of actor benchmarks, as ns a unit of work.  The same in Erlang and Go:
 * bench/peers.  Each function does one round, checks what it did, and returns how many units that was.
 */
#ifndef BENCH_SAVINA_H
#define BENCH_SAVINA_H

#include "proc.h"

unsigned long ping_pong(void);    /* round trips between two */
unsigned long counting(void);     /* messages to one that counts them */
unsigned long fork_join(void);    /* processes that are started, sent a message, and answer */
unsigned long thread_ring(void);  /* passes of a token, round 100 */
unsigned long chameneos(void);    /* meetings of two out of 100, in a mall of one place */
unsigned long big(void);          /* pings from each of 120 to any other, answered among their own */
unsigned long dictionary(void);   /* reads and writes (a tenth) of 20 in a dictionary of one */
unsigned long philosophers(void); /* meals of 20, by leave of an arbitrator */

/* A number that looks random. */
static inline uint32_t next_random(uint64_t *x) {
    *x = *x * 6364136223846793005ul + 1442695040888963407ul;
    return (uint32_t)(*x >> 33);
}

/* The oldest message. */
static inline struct mn_msg next_message(void) {
    struct mn_msg *m;
    must(mn_receive(&m));
    struct mn_msg copy = *m; /* without data */
    mn_msg_free(m);
    return copy;
}

#endif
