/*
 * What an earlier runtime gave out, pids and references, names nothing in the next, nor what a fork's parent
 * has given out in the child.
 */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { OLD = 200 };

static void count(long *p) {
    __atomic_add_fetch(p, 1, __ATOMIC_RELAXED);
}

static struct {
    mn_pid pid[OLD];
    mn_ref ref[2 * OLD];
    int pids, refs;
} old;

static long strangers, messages;

static int counts(void *state, struct mn_msg *m) {
    (void)state;
    count(m->tag == 7 ? &messages : &strangers);
    return MN_GO_ON;
}

static int answers(void *state, struct mn_msg *m) {
    (void)state;
    count(&strangers);
    return mn_reply(m, 0, NULL, 0);
}

static const struct mn_handler counter = {.state_size = 8, .handle_message = counts, .handle_call = answers};

static int listens(void *arg) {
    struct mn_msg *m;
    while (mn_receive(&m) == 0) {
        counts(arg, m);
        mn_msg_free(m);
    }
    return 0;
}

/* Many processes at once, and some records that several have had; references of all kinds. */
static int gives_out(void *arg) {
    mn_pid *pid = old.pid + old.pids;
    mn_ref *ref = old.ref + old.refs;
    (void)arg;
    mn_attach();
    for (int i = 0; i < OLD / 4; i++) {
        if ((i % 2 ? mn_spawn(&pid[i], listens, NULL) : mn_spawn_handler(&pid[i], &counter, NULL, 0, NULL)) < 0)
            abort();
        mn_monitor(pid[i], &ref[i]);
        if (i % 3 == 0)
            mn_exit_signal(pid[i], MN_REASON_KILL);
        mn_yield();
    }
    old.pids += OLD / 4;
    for (int i = 0; i < OLD / 4; i++)
        if (i % 2 ? mn_alias(&ref[OLD / 4 + i], 0) < 0
                  : mn_start_timer(mn_pid_self(), mn_after(1000000000000), 1, &ref[OLD / 4 + i]) < 0)
            abort();
    old.refs += OLD / 2;
    return 0;
}

static void *from_outside(void *arg) {
    long *wrong = arg;
    for (int i = 0; i < old.pids; i++) {
        *wrong += mn_alive(old.pid[i]) || mn_proc_thread(old.pid[i]);
        *wrong += mn_post(old.pid[i], 1, NULL, 0) != 0;
        *wrong += mn_exit_signal(old.pid[i], MN_REASON_KILL) != 0;
        *wrong += mn_call(old.pid[i], 1, NULL, 0, NULL) != -ESRCH;
        *wrong += mn_proc_set_priority(old.pid[i], MN_LOW) != -ESRCH;
    }
    return NULL;
}

/* The message that comes of it: its reason. */
static int64_t hears(unsigned type) {
    struct mn_msg *m;
    if (mn_receive_until(&m, mn_after(10000000000)) < 0)
        return 0;
    int64_t reason = m->type == type ? mn_msg_reason(m) : 0;
    mn_msg_free(m);
    return reason;
}

static int uses(void *arg) {
    const char *when = arg;
    static mn_pid pid[OLD];
    struct mn_proc_report report;
    long same = 0, wrong = 0, links = 0, monitors = 0, refs = 0;
    messages = strangers = 0;
    mn_attach();
    mn_trap_exit(true);
    for (int i = 0; i < OLD; i++) {
        if ((i % 2 ? mn_spawn(&pid[i], listens, NULL) : mn_spawn_handler(&pid[i], &counter, NULL, 0, NULL)) < 0)
            abort();
        for (int k = 0; k < old.pids; k++)
            same += pid[i] == old.pid[k];
    }
    ok(same == 0, "%s: %d new processes, %d old ones: %ld have the same pid", when, OLD, old.pids, same);
    for (int i = 0; i < old.pids; i++) {
        mn_ref ref;
        wrong += mn_call(old.pid[i], 1, NULL, 0, NULL) != -ESRCH;
        wrong += mn_proc_inspect(old.pid[i], &report, sizeof report) != -ESRCH;
        links += mn_proc_link(old.pid[i]) == 0 && hears(MN_MSG_EXIT) == MN_REASON_NOPROC;
        monitors += mn_monitor(old.pid[i], &ref) == 0 && hears(MN_MSG_DOWN) == MN_REASON_NOPROC;
        for (int k = 0; k < old.refs; k++)
            refs += ref == old.ref[k];
    }
    from_outside(&wrong);
    pthread_t lwp;
    if (pthread_create(&lwp, NULL, from_outside, &wrong))
        abort();
    mn_sleep(1000000);
    pthread_join(lwp, NULL);
    is(wrong, 0, "%s: an old pid is no process for any call", when);
    is(links, old.pids, "%s: a link to one ends at once", when);
    is(monitors, old.pids, "%s: so does a monitor", when);
    mn_ref ref;
    if (mn_start_timer(mn_pid_self(), mn_after(1000000000000), 1, &ref) < 0)
        abort();
    for (int k = 0; k < old.refs; k++)
        refs += mn_cancel_timer(old.ref[k]) != -ENOENT || mn_demonitor(old.ref[k], true) != -ENOENT ||
                mn_unalias(old.ref[k]) != -ENOENT;
    is(refs, 0, "%s: an old reference is none", when);
    ok(mn_cancel_timer(ref) > 0, "%s: nor does it hit a timer", when);
    is(mn_post_from_signal(mn_pid_self(), 1, 1), 0, "%s: a signal handler can send", when);
    for (int i = 0; i < OLD; i++)
        mn_post(pid[i], 7, NULL, 0);
    while (__atomic_load_n(&messages, __ATOMIC_RELAXED) < OLD)
        mn_sleep(100000);
    ok(strangers == 0, "%s: each process has had what was for it, and %ld others", when, strangers);
    return gives_out(NULL);
}

static void earlier(void) {
    old.pids = old.refs = 0;
    mn_run(gives_out, NULL, NULL);
    mn_run(uses, (void *)(uintptr_t)"the next runtime", NULL);
    mn_run(uses, (void *)(uintptr_t)"one more", NULL);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FORKS
/* In a fork's child the parent's processes are none, also those that live. */
static int forks(void *arg) {
    int status;
    (void)arg;
    old.pids = old.refs = 0;
    gives_out(NULL);
    mn_attach();
    for (int i = 0; i < 1000 && mn_post_from_signal(mn_pid_self(), 1, 1) == 0; i++)
        continue; /* as many as can be on their way */
    pid_t child = fork();
    if (child == 0) {
        dup2(2, 1); /* it counts by itself */
        mn_run(uses, (void *)(uintptr_t)"a fork's child", NULL);
        _exit(tap_failed);
    }
    waitpid(child, &status, 0);
    return status;
}
#endif

int main(void) {
    earlier();
#ifdef FORKS /* the tools do not bear a fork's child that starts threads */
    is(mn_run(forks, NULL, NULL), 0, "a fork's child");
#endif
    return done();
}
