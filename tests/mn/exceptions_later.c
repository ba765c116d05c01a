/*
 * A C program that loads the C++ library later, with a library of its own that throws: its exceptions travel
 * with the thread, too; also when the library comes while threads run.
 */
/* not under: asan, tsan, ubsan */
#include <mn.h>

#include <dlfcn.h>

#include "tap.h"

static int (*throws)(unsigned, int (*)(void));

static void *thread(void *arg) {
    long wrong = 0;
    for (unsigned i = 0; i < 200; i++)
        wrong += throws((unsigned)(uintptr_t)arg * 1000 + i, mn_yield);
    return (void *)wrong;
}

static int run(void *arg) {
    (void)arg;
    enum { THREADS = 20 };
    mn_thread t[THREADS];
    void *lib = dlopen(EXCEPTIONS_LIB, RTLD_NOW | RTLD_LOCAL);
    if (!ok(lib != NULL, "the library is loaded by a green thread") ||
        !(*(void **)&throws = dlsym(lib, "throws"))) {
        printf("# %s\n", dlerror());
        return 1;
    }
    long wrong = 0;
    for (long i = 0; i < THREADS; i++)
        mn_go(&t[i], thread, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        void *r = (void *)1;
        mn_join(t[i], &r);
        wrong += (long)r;
    }
    is(wrong, 0, "each thread saw its own exceptions");
    return 0;
}

int main(void) {
    ok(dlsym(RTLD_DEFAULT, "__cxa_throw") == NULL, "no C++ library at the start");
    is(mn_run(run, NULL, NULL), 0, "the runtime runs");
    return done();
}
