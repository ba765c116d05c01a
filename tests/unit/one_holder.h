/*
 * One holder at a time: what the tests of both kinds of internal lock do.  Who includes it has defined take(), try() and
 * drop() of the lock under test.
 */
#ifndef ONE_HOLDER_H
#define ONE_HOLDER_H

#include "unit.h"

/* A plain counter, and a word that only one may be in at a time. */
enum { CREW = 8, ROUNDS = 20000 };
static long counter;
static volatile unsigned inside;

static void one_holder_body(unsigned index, uint32_t *random) {
    for (long i = 0; i < scaled(ROUNDS) / 10; i++) {
        if ((random_next(random) & 7) == 0) {
            while (!try())
                sched_yield();
        } else {
            take();
        }
        if (inside != 0)
            cr_assert_fail("two holders: %u and %u", index, inside - 1);
        inside = index + 1;
        counter++;
        random_delay(random);
        if (inside != index + 1)
            cr_assert_fail("another holder came in");
        inside = 0;
        drop();
        random_delay(random);
    }
}

static void check_one_holder(void) {
    crew(CREW, one_holder_body);
    cr_assert_eq(counter, CREW * (scaled(ROUNDS) / 10));
}

#endif
