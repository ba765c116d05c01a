/* The library of proc_trap_lib.c. */
#include <stdlib.h>

__attribute__((visibility("default"))) int faults(int (*then)(void));

static volatile int zero;

int faults(int (*then)(void)) {
    if (then)
        return then() + zero;
    __builtin_trap();
}
