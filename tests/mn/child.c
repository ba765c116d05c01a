/* Children that are waited for: by number, by descriptor, any of them; deadlines and cancellation; without
 * pidfd. */
/* not under: tsan */
#include <mn/child.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "procfs.h"
#include "sync.h"

/* Ends with that status when the pipe is closed. */
static int gate[2];

static pid_t child(int status) {
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(gate[1]);
        _exit(read(gate[0], &c, 1) == 0 ? status : 99);
    }
    return pid;
}

static void *opens_gate(void *arg) {
    (void)arg;
    nap_ms(5);
    close(gate[1]);
    return NULL;
}

static int result, begun;
static pid_t waited;

static void *waits(void *arg) {
    (void)arg;
    set(&begun, 1);
    result = mn_waitpid(waited, NULL, 0);
    return NULL;
}

/* A child's end of a pipe is an ordinary one if pipe2() made it and only the other was adopted. */
static void output(void) {
    const char *k = kind_name[kind];
    int ends[2], status = -1;
    static char text[4096];
    ssize_t n, all = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        abort();
    is(mn_adopt(ends[0]), 0, "%s: one end of a pipe is adopted", k);
    ok(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK), "%s: the other blocks", k);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", "head -c 200000 /dev/zero", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((n = mn_read(ends[0], text, sizeof text)) > 0)
        all += n;
    is(all, 200000, "%s: all that a child writes is read", k);
    is(mn_close(ends[0]), 0, "%s: closed", k);
    ok(mn_waitpid(pid, &status, 0) == pid && status == 0, "%s: it had no error", k);
}

static void test(void) {
    const char *k = kind_name[kind];
    int status = 0;
    is(mn_waitpid(-1, &status, 0), -ECHILD, "%s: no child", k);
    is(mn_waitpid(getpid(), &status, 0), -ECHILD, "%s: not a child", k);
    siginfo_t info;
    for (int any = 0; any < 2; any++) {
        if (pipe(gate) < 0)
            abort();
        pid_t pid = child(7), which = any ? -1 : pid;
        is(mn_waitpid(which, &status, WNOHANG), 0, "%s: it has not ended", k);
        is(mn_waitpid_until(which, &status, 0, after_ms(5)), -ETIMEDOUT, "%s: nor up to a deadline", k);
        is(mn_waitpid_until(which, &status, 0, 1), -ETIMEDOUT, "%s: that had passed", k);
        if (mn_self()) {
            waited = which;
            begun = 0;
            cancel_in(waits, NULL, &begun);
            is(result, -ECANCELED, "%s: cancelled", k);
        }
        struct runner r;
        start(&r, opens_gate, NULL);
        is(mn_waitpid(which, &status, 0), pid, "%s: it has ended", k);
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%s: its status", k);
        is(mn_waitpid(which, &status, 0), -ECHILD, "%s: only once", k);
        finish(&r);
        close(gate[0]);
    }
    for (int i = 0; i < 3; i++) {
        if (pipe(gate) < 0)
            abort();
        pid_t pid = child(5);
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        const idtype_t type[] = {P_PID, P_ALL, P_PIDFD};
        id_t id = i == 0 ? (id_t)pid : i == 1 ? 0 : (id_t)fd;
        memset(&info, 0, sizeof info);
        is(mn_waitid(type[i], id, &info, WEXITED | WNOHANG), 0, "%s: waitid that does not wait", k);
        is(info.si_pid, 0, "%s: finds none", k);
        is(mn_waitid_until(type[i], id, &info, WEXITED, after_ms(3)), -ETIMEDOUT, "%s: nor up to a deadline",
           k);
        struct runner r;
        start(&r, opens_gate, NULL);
        is(mn_waitid(type[i], id, &info, WEXITED | WNOWAIT), 0, "%s: it has ended", k);
        ok(info.si_pid == pid && info.si_status == 5, "%s: its status", k);
        is(mn_waitid(type[i], id, NULL, WEXITED), 0, "%s: it was left to be waited for", k);
        finish(&r);
        close(gate[0]);
        close(fd);
    }
    is(mn_waitid(P_PID, 1, &info, 0), -EINVAL, "%s: waiting for nothing", k);
    output();
    /* One that is stopped has not ended. */
    if (pipe(gate) < 0)
        abort();
    pid_t pid = child(3);
    kill(pid, SIGSTOP);
    is(mn_waitpid(pid, &status, WUNTRACED), pid, "%s: it is stopped", k);
    ok(WIFSTOPPED(status), "%s: so its status says", k);
    kill(pid, SIGKILL);
    is(mn_waitpid(pid, &status, 0), pid, "%s: it was killed", k);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: so its status says", k);
    close(gate[0]);
    close(gate[1]);
}

int main(void) {
    long fds = count_fds();
    kinds(test);
    set_environment("ODONATA_DISABLE", "pidfd");
    kinds(test);
    ok(count_fds() <= fds + 4, "no descriptor is left");
    return done();
}
