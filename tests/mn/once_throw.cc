/* Once: an exception leaves the function, and it is not done. */
#include <mn.h>

#include "tap.h"

static struct mn_once o = MN_ONCE_INIT;

static int throws(void *) {
    throw 5;
}

static int counts(void *arg) {
    ++*static_cast<int *>(arg);
    return 0;
}

static int test(void *arg) {
    const char *kind = static_cast<const char *>(arg);
    int caught = 0, calls = 0;
    o = MN_ONCE_INIT;
    try {
        mn_once_run(&o, throws, nullptr);
    } catch (int value) {
        caught = value;
    }
    is(caught, 5, "%s: the exception passes", kind);
    is(mn_once_run(&o, counts, &calls), 0, "%s: the next call does it", kind);
    is(mn_once_run(&o, counts, &calls), 0, "%s: and the one after that need not", kind);
    is(calls, 1, "%s: it was done once", kind);
    return 0;
}

int main() {
    char green[] = "green", foreign[] = "foreign";
    test(foreign);
    mn_run(test, green, nullptr);
    return done();
}
