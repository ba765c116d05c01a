/*
 * timeout: 10
 * A library's constructor creates the first thread of the process and waits for it.  dlopen holds the loader's
 * lock meanwhile, so neither the creation nor the thread may need it.
 */
#include "life.h"

int main(int argc, char **argv) {
    char path[4200];
    (void)argc;
    const char *slash = strrchr(argv[0], '/');
    snprintf(path, sizeof path, "%.*s/.libs/dlopen_ctor_lib.so", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    void *lib = dlopen(path, RTLD_NOW);
    ok(lib != NULL, "the library is opened");
    int *ran = lib ? (int *)dlsym(lib, "lib_ran") : NULL;
    ok(ran && *ran, "its thread ran");
    return done();
}
