/* A test that is another program of this directory, under a switch that takes a feature away. */
#ifndef TEST_WITHOUT_H
#define TEST_WITHOUT_H

#include "tap.h"

/* What main returns, if it does. */
static inline int run_without(const char *feature, const char *program, const char *self) {
    char path[4096];
    const char *slash = strrchr(self, '/');
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - self + 1) : 0, self, program);
    setenv("ODONATA_DISABLE", feature, 1);
    execl(path, path, NULL);
    ok(0, "no %s", path);
    return done();
}

#endif
