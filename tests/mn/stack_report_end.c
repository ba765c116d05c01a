/* The report of stacks at the end, while CPUs are handed off: a first thread that loses its CPU as the runtime
 * ends stays where it is, and the report counts it. */
#include <mn.h>

#include "tap.h"

enum { RUNS = 50 };

static int nothing(void *arg) {
    return arg != NULL;
}

int main(void) {
    int runs = 0, err = dup(2);
    FILE *f = tmpfile();
    setenv("MN_STACK_REPORT", "1", 1);
    setenv("MN_SHAKE", "0", 1);
    dup2(fileno(f), 2);
    while (runs < RUNS && mn_run(nothing, NULL, NULL) == 0)
        runs++;
    dup2(err, 2);
    is(runs, RUNS, "it is written");
    return done();
}
