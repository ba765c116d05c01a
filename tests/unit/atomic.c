/* lib/base/atomic.h: each operation's value and result, and the orders by litmus tests. */
#include "unit.h"

#include "atomic.h"

#define VALUES(width, big)                                                                                   \
    Test(atomic, values_##width) {                                                                           \
        uint##width##_t w = 5;                                                                               \
        cr_assert_eq(a##width##_load(&w), 5);                                                                \
        cr_assert_eq(a##width##_load_acquire(&w), 5);                                                        \
        a##width##_store(&w, big);                                                                           \
        cr_assert_eq(w, big);                                                                                \
        a##width##_store_release(&w, 7);                                                                     \
        cr_assert_eq(w, 7);                                                                                  \
        cr_assert(a##width##_cas(&w, 7, big) && w == (big));                                                 \
        cr_assert(!a##width##_cas(&w, 7, 1) && w == (big));                                                  \
        cr_assert(a##width##_cas_acquire(&w, big, 8) && w == 8);                                             \
        cr_assert(!a##width##_cas_acquire(&w, big, 9) && w == 8);                                            \
        cr_assert(a##width##_cas_release(&w, 8, 9) && w == 9);                                               \
        cr_assert(!a##width##_cas_release(&w, 8, 1) && w == 9);                                              \
        cr_assert(a##width##_cas_full(&w, 9, 10) && w == 10);                                                \
        cr_assert(!a##width##_cas_full(&w, 9, 1) && w == 10);                                                \
        cr_assert(a##width##_fetch_cas_acquire(&w, 10, 11) == 10 && w == 11);                                \
        cr_assert(a##width##_fetch_cas_acquire(&w, 10, 1) == 11 && w == 11);                                 \
        cr_assert(a##width##_fetch_cas_full(&w, 11, 12) == 11 && w == 12);                                   \
        cr_assert(a##width##_fetch_cas_full(&w, 11, 1) == 12 && w == 12);                                    \
        cr_assert(a##width##_add(&w, 1) == 12 && w == 13);                                                   \
        cr_assert(a##width##_add_acquire(&w, 1) == 13 && w == 14);                                           \
        cr_assert(a##width##_add_release(&w, (uint##width##_t)-2) == 14 && w == 12);                         \
        cr_assert(a##width##_add_full(&w, (uint##width##_t)-12) == 12 && w == 0);                            \
        cr_assert(a##width##_add_full(&w, (uint##width##_t)-1) == 0 && w == (uint##width##_t)-1);            \
        cr_assert(a##width##_swap_full(&w, 0xf0) == (uint##width##_t)-1 && w == 0xf0);                       \
        cr_assert(a##width##_or_full(&w, 0x0f) == 0xf0 && w == 0xff);                                        \
        cr_assert(a##width##_and_full(&w, 0x3c) == 0xff && w == 0x3c);                                       \
    }
VALUES(32, 0xfffffff1u)
VALUES(64, 0xfffffffffffffff1ull)

Test(atomic, neighbours_are_left_alone) {
    uint32_t w[3] = {0x11111111, 0, 0x33333333};
    a32_store(&w[1], 0xffffffff);
    a32_add_full(&w[1], 1);
    a32_swap_full(&w[1], 0xffffffff);
    a32_or_full(&w[1], 1);
    cr_assert(w[0] == 0x11111111 && w[1] == 0xffffffff && w[2] == 0x33333333);
}

Test(atomic, pointers) {
    int a, b;
    int *p = &a;
    cr_assert_eq(aptr_load(&p), &a);
    aptr_store(&p, &b);
    cr_assert_eq(aptr_load_acquire(&p), &b);
    aptr_store_release(&p, NULL);
    cr_assert_null(p);
    cr_assert(aptr_cas_acquire(&p, NULL, &a) && p == &a);
    cr_assert(!aptr_cas_release(&p, &b, NULL) && p == &a);
    cr_assert(aptr_cas_release(&p, &a, &b) && p == &b);
    cr_assert(aptr_cas_full(&p, &b, &a) && p == &a);
    cr_assert_eq(aptr_swap_full(&p, &b), &a);
    cr_assert_eq(p, &b);
}

enum { CREW = 4, ROUNDS = 20000 };
static uint32_t sum32, bits;
static uint64_t sum64, spun;

static void add_body(unsigned index, uint32_t *random) {
    for (int i = 0; i < ROUNDS; i++) {
        a32_add(&sum32, 1);
        a64_add_full(&sum64, 0x100000001ull);
        for (uint64_t seen = a64_load(&spun); !a64_cas_full(&spun, seen, seen + 1); seen = a64_load(&spun))
            ;
        a32_or_full(&bits, 1u << index);
        if ((a32_and_full(&bits, ~(1u << index)) >> index & 1) == 0)
            cr_assert_fail("another thread took my bit");
        if ((i & 15) == 0)
            random_delay(random);
    }
}

Test(atomic, nothing_is_lost) {
    crew(CREW, add_body);
    cr_assert_eq(sum32, CREW * ROUNDS);
    cr_assert_eq(sum64, CREW * ROUNDS * 0x100000001ull);
    cr_assert_eq(spun, CREW * ROUNDS);
    cr_assert_eq(bits, 0);
}

/* Message passing: who sees the flag sees the data. */
static uint32_t flag;
static uint64_t data[16];
static uint32_t wrong;

static void message_body(unsigned index, uint32_t *random) {
    for (uint32_t round = 1; round <= 5000; round++) {
        if (index == 0) {
            while (a32_load_acquire(&flag) != 2 * round - 2) /* acquire: pairs with the reader's release */
                sched_yield();
            for (int i = 0; i < 16; i++)
                data[i] = round;
            if ((round & 31) == 0)
                random_delay(random);
            a32_store_release(&flag, 2 * round - 1); /* release: pairs with the reader's acquire */
        } else {
            while (a32_load_acquire(&flag) != 2 * round - 1) /* acquire: pairs with the writer's release */
                sched_yield();
            for (int i = 0; i < 16; i++)
                wrong += data[i] != round;
            a32_store_release(&flag, 2 * round); /* release: pairs with the writer's acquire */
        }
    }
}

Test(atomic, release_to_acquire) {
    crew(2, message_body);
    cr_assert_eq(wrong, 0);
}

/*
 * Dekker: x = 1, read y against y = 1, read x.  With a full fence between, at least one sees the other; without
 * it, x86 shows both reading 0 within a few thousand rounds.  Both start a round together on `arrived`, each on
 * a CPU of its own: on one CPU nothing would ever be out of order.
 */
static struct {
    uint32_t value;
    char pad[124]; /* a cache line of its own */
} x[2], seen[2];
static uint32_t arrived, both_missed;

static void meet(uint32_t phase) {
    a32_add_full(&arrived, 1);
    /* Acquire: pairs with the other's full add. */
    for (int spins = 0; a32_load_acquire(&arrived) < 2 * phase; spins++)
        if (spins > 1000)
            sched_yield();
}

static void dekker_body(unsigned index, uint32_t *random) {
    uint32_t phase = 0;
    cpu_set_t mine;
    sched_getaffinity(0, sizeof mine, &mine);
    for (int cpu = 0, nth = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &mine) && nth++ != (int)index)
            CPU_CLR(cpu, &mine);
    if (CPU_COUNT(&mine) == 1)
        sched_setaffinity(0, sizeof mine, &mine);
    for (int round = 0; round < 20000; round++) {
        a32_store(&x[index].value, 0);
        meet(++phase);
        for (uint32_t n = random_next(random) & 127; n > 0; n--)
            fence_signal();
        a32_store(&x[index].value, 1);
        fence_full(); /* pairs with the other's */
        a32_store(&seen[index].value, a32_load(&x[1 - index].value));
        meet(++phase);
        if (index == 0)
            both_missed += seen[0].value == 0 && seen[1].value == 0;
        meet(++phase);
    }
}

Test(atomic, full_fence_orders_store_before_load) {
    crew(2, dekker_body);
    cr_assert_eq(both_missed, 0);
}
