/* lib/base/fault.h */
#include "unit.h"

#include <stdlib.h>

#include "atomic.h"
#include "fault.h"

#ifdef OD_FAULTS

/* Which of the first n calls at the point fail, as bits from the lowest. */
static unsigned pattern(const char *point, int n) {
    unsigned bits = 0;
    for (int i = 0; i < n; i++)
        bits |= (unsigned)(fault(point) ? 1 : 0) << i;
    return bits;
}

Test(fault, nth_from_every) {
    cr_assert(fault_set("mmap:nth=3,clone:from=4,malloc:every=2"));
    cr_assert_eq(pattern("mmap", 8), 1u << 2);
    cr_assert_eq(pattern("clone", 8), 0xf8);
    cr_assert_eq(pattern("malloc", 8), 0xaa);
    cr_assert_eq(pattern("futex", 8), 0);
}

Test(fault, several_rules_at_a_point) {
    cr_assert(fault_set("mmap:nth=1,mmap:nth=5"));
    cr_assert_eq(pattern("mmap", 8), 0x11);
}

Test(fault, set_starts_afresh) {
    cr_assert(fault_set("mmap:nth=2"));
    cr_assert_eq(pattern("mmap", 1), 0);
    cr_assert(fault_set("mmap:nth=2"));
    cr_assert_eq(pattern("mmap", 3), 2);
    cr_assert(fault_set(NULL));
    cr_assert_eq(pattern("mmap", 3), 0);
}

Test(fault, environment) {
    setenv("ODONATA_FAULT", "mprotect:nth=1", 1);
    cr_assert_eq(pattern("mprotect", 3), 1);
    setenv("ODONATA_FAULT", "mprotect:from=1", 1);
    cr_assert_eq(pattern("mprotect", 3), 0, "it is read once");
}

Test(fault, nonsense_is_refused) {
    static const char *const bad[] = {"mmap",           "mmap:",      "mmap:nth",  "mmap:nth=",
                                      "mmap:nth=0",     "mmap:nth=x", ":nth=1",    "mmap:sometimes=1",
                                      "mmap:nth=1,bad", "nth=1",      "mmap:nth=99999999999999999999999"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not(fault_set(bad[i]), "%s", bad[i]);
        cr_assert_eq(pattern("mmap", 4), 0, "%s", bad[i]);
    }
    cr_assert(fault_set("mmap:nth=1,,"));
}

static uint32_t hits;

static void body(unsigned index, uint32_t *random) {
    (void)index;
    for (int i = 0; i < 1000; i++) {
        random_delay(random);
        if (fault("clone"))
            a32_add(&hits, 1); /* relaxed: read after the join */
    }
}

Test(fault, counts_are_exact_with_many_threads) {
    cr_assert(fault_set("clone:every=10"));
    crew(4, body);
    cr_assert_eq(hits, 400);
}

#else

Test(fault, costs_nothing_when_it_is_not_built_in) {
    setenv("ODONATA_FAULT", "mmap:from=1", 1);
    cr_assert_not(fault("mmap"));
    _Static_assert(!fault("mmap"), "a constant");
}

#endif
