/*
 * Traps when memory runs out: what is to be trapped says so, or works; a process that faults ends with its
 * reason, with or without the bytes.  Where an LWP has no alternate stack, its faults end the program.
 */
#include <errno.h>
#include <mn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tap.h"

static int faults(void *arg) {
    (void)arg;
    __builtin_trap();
}

static int first(void *arg) {
    (void)arg;
    struct mn_msg *m;
    mn_ref ref;
    const struct mn_spawn_attr opt = {.flags = MN_SPAWN_MONITOR, .monitor = &ref};
    while (mn_attach() < 0)
        continue;
    for (int i = 0; i < 5; i++) {
        while (mn_spawn_opt(NULL, &opt, faults, NULL) < 0)
            continue;
        if (mn_receive(&m) < 0 || mn_msg_reason(m) != MN_REASON_ILL)
            return 2;
        mn_msg_free(m);
    }
    return 0;
}

static int life(void) {
    int r;
    while ((r = mn_trap_faults(&first)) == -ENOMEM)
        continue;
    if (r < 0)
        return 3;
    while ((r = mn_run(first, NULL, NULL)) == -ENOMEM || r == -EAGAIN)
        continue;
    return r;
}

static int under(const char *point, int n) {
    char rules[64];
    int status;
    snprintf(rules, sizeof rules, "%s:nth=%d", point, n);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        setenv("ODONATA_FAULT", rules, 1);
        alarm(60);
        execl("/proc/self/exe", "fault-trap", "life", (char *)NULL);
        _exit(97);
    }
    waitpid(pid, &status, 0);
    int r = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    if (r != 0)
        printf("# %s: status %d\n", rules, r);
    return r;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "life"))
        return life();
    if (mn_trap_faults(&first) == -ENOTSUP) {
        skip("no libunwind, or a sanitizer that reports faults itself");
        return done();
    }
    int bad = 0;
    for (int n = 1; n < 40; n++)
        bad += under("malloc", n) != 0;
    is(bad, 0, "malloc: one call fails");
    bad = 0;
    for (int n = 1; n < 20; n++) {
        int r = under("mmap", n);
        bad += r != 0 && r != 1000 + SIGILL;
    }
    is(bad, 0, "mmap: one call fails");
    return done();
}
