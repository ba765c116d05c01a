/*
 * A shared object whose code is, or is not, that of processes: its own faults, and those of what it calls; it
 * stays loaded.
 */
#include <dlfcn.h>
#include <errno.h>
#include <mn.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tap.h"

static bool call_back;
static int (*faults)(int (*then)(void));

static __attribute__((noinline)) int here(void) {
    __builtin_trap();
}

static int process(void *arg) {
    (void)arg;
    return faults(call_back ? here : NULL) + 1;
}

static int first(void *arg) {
    mn_ref ref;
    const struct mn_spawn_attr opt = {.flags = MN_SPAWN_MONITOR, .monitor = &ref};
    struct mn_msg *m;
    int r;
    mn_attach();
    if (mn_spawn_opt(NULL, &opt, process, arg) < 0 || mn_receive(&m) < 0)
        return 2;
    r = mn_msg_reason(m) == MN_REASON_ILL ? 0 : 3;
    mn_msg_free(m);
    return r;
}

/* A signal, or 1000 and an exit status. */
static int run(bool program, bool library, bool back) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGILL, SIG_DFL);
        close(2); /* of reports */
        alarm(60);
        void *lib = dlopen(TRAP_MODULE, RTLD_NOW | RTLD_LOCAL);
        if (!lib || !(*(void **)&faults = dlsym(lib, "faults")))
            _exit(96);
        call_back = back;
        if ((program && mn_trap_faults(&faults) < 0) || (library && mn_trap_faults(*(void **)&faults) < 0))
            _exit(97);
        if (library)
            dlclose(lib);
        _exit(mn_run(first, NULL, NULL));
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status);
}

int main(void) {
    if (mn_trap_faults(&faults) == -ENOTSUP) {
        skip("no libunwind, or a sanitizer that reports faults itself");
        return done();
    }
    is(run(true, true, false), 1000,
       "a library that is processes' code, and stays after dlclose: the process ends");
    is(run(true, true, true), 1000, "so does one of the program's that it called");
    is(run(true, false, false), SIGILL, "in one that is not, it ends the program");
    is(run(true, false, true), SIGILL, "and between, too");
    is(mn_trap_faults((void *)&mn_trap_faults), -ENOTSUP, "libmn itself cannot be processes' code");
    return done();
}
