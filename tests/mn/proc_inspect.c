/* What processes say of themselves when they are asked. */
#include "proc_actor.h"

#include <pthread.h>

static struct mn_proc_report report;

static int ask(mn_pid pid) {
    memset(&report, 0xff, sizeof report);
    return mn_proc_inspect_until(pid, &report, sizeof report, mn_after(50000000000));
}

static mn_pid root;

static int busy(void *arg) {
    struct mn_msg *m;
    mn_ref ref;
    (void)arg;
    char *p = mn_alloc(100000);
    mn_free(mn_alloc(5000));
    mn_proc_link(root);
    for (int i = 0; i < 3; i++)
        mn_monitor(root, &ref);
    mn_alias(&ref, 0);
    mn_receive(&m); /* held */
    struct mn_mutex mutex = MN_MUTEX_INIT;
    for (int i = 0; i < 10000; i++) {
        mn_mutex_lock(&mutex);
        mn_mutex_unlock(&mutex);
    }
    int r = mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_TAG, .tag = 99});
    return p ? r : -ENOMEM;
}

static int mute(void *arg) {
    (void)arg;
    return mn_sleep(MN_FOREVER);
}

static atomic_int goes_on;

static int message(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == 1) {
        mn_ref ref;
        mn_monitor(m->from, &ref);
        while (!goes_on)
            mn_sleep(100000);
    }
    return m->tag == 99 ? MN_STOP : MN_GO_ON;
}

/* As often as `pid` is among them. */
static int64_t among(mn_pid of, enum mn_relation which, mn_pid pid) {
    mn_pid pids[50];
    int64_t n = mn_proc_related_until(of, which, pids, 50, mn_after(50000000000)), found = 0;
    for (int64_t i = 0; i < n && i < 50; i++)
        found += pids[i] == pid;
    return n < 0 ? n : found;
}

static void threads(void) {
    mn_pid pid;
    mn_ref ref;
    mn_spawn(&pid, busy, NULL);
    mn_monitor(pid, &ref);
    mn_register("busy", pid);
    mn_register("also busy", pid);
    static const char bytes[5000];
    mn_post(pid, 1, bytes, 500);
    mn_post(pid, 2, bytes, 500);
    mn_post(pid, 3, bytes, sizeof bytes);
    do
        if (ask(pid) != 0)
            break;
    while (report.mailbox != 2); /* until it has taken one, */
    until_waits(pid, "message"); /* and waits for another */
    is(ask(pid), 0, "a thread answers");
    ok(report.fn == busy, "its function");
    is(report.allocated, 100000, "what it has by mn_alloc");
    is(report.mailbox, 2, "messages that wait");
    ok(report.messages >= 6000 && report.messages < 10000, "their bytes, and those of one that it holds: %ld",
       (long)report.messages);
    ok(report.memory > 100000 + report.messages && report.memory < 110000 + report.messages, "all bytes: %ld",
       (long)report.memory);
    is(report.links, 1, "links");
    is(report.monitors, 3, "monitors");
    is(report.watchers, 3, "watchers: one, and two names");
    is(report.aliases, 1, "aliases");
    ok(report.reductions >= 9000 && report.reductions < 100000, "reductions: %ld", (long)report.reductions);
    is(among(pid, MN_LINKED, root), 1, "who is linked to it");
    is(among(pid, MN_WATCHED_BY_IT, root), 3, "whom it monitors");
    is(among(pid, MN_WATCHING_IT, root), 1, "who monitors it");
    is(mn_proc_related(pid, MN_WATCHED_BY_IT, NULL, 0), 3, "how many");
    struct mn_name_info names[3];
    is(mn_names_of(pid, names, 3), 2, "its names");
    ok(names[0].pid == pid && strstr(names[0].name, "busy"), "are its own");
    is(mn_names_of(root, NULL, 0), 0, "another has none");
    is(ask(root), 0, "the caller asks itself");
    ok(report.links == 1 && report.monitors == 1 && report.watchers == 3 && !report.fn, "and answers");
    is(among(root, MN_WATCHING_IT, pid), 3, "also who monitors it");
    mn_proc_unlink(pid);
    mn_post(pid, 99, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "it ends");
    is(ask(pid), -ESRCH, "and does not answer any more");
    is(mn_proc_related(pid, MN_LINKED, NULL, 0), -ESRCH, "to any question");
}

static void handlers(void) {
    static const struct mn_handler h = {.state_size = 1000, .handle_message = message};
    mn_pid pid;
    mn_ref ref;
    mn_spawn_handler(&pid, &h, NULL, 0, NULL);
    mn_monitor(pid, &ref);
    mn_post(pid, 1, NULL, 0);
    struct mn_proc_state st;
    while (mn_proc_info(pid, &st) == 0 && st.received == 0)
        mn_yield();
    is(mn_proc_inspect_until(pid, &report, sizeof report, mn_after(1000000)), -ETIMEDOUT,
       "a handler does not answer in a callback");
    ok(!report.answered && report.doing == MN_PROC_READY && report.memory >= 1128, "but is seen");
    goes_on = 1;
    is(ask(pid), 0, "it answers after its callback");
    ok(report.monitors == 1 && report.watchers == 1 && report.links == 0 && !report.fn, "its relations");
    ok(report.memory >= 1128 && report.memory < 2000, "its memory: %ld", (long)report.memory);
    is(report.reductions, 1, "its reductions");
    do
        if (ask(pid) != 0)
            break;
    while (report.doing != MN_PROC_WAITS);
    ok(report.answered, "then it waits");
    is(among(pid, MN_WATCHED_BY_IT, root), 1, "whom it monitors");
    mn_post(pid, 99, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "it ends");
}

static void *no_process(void *arg) {
    return (void *)(intptr_t)ask(*(mn_pid *)arg);
}

static void *foreign(void *arg) {
    return no_process(arg);
}

/* Makes some calls, and then none until it is told to. */
static atomic_int computes;

static int compute(void *arg) {
    struct mn_msg *m;
    struct mn_mutex mutex = MN_MUTEX_INIT;
    (void)arg;
    mn_proc_link(root);
    mn_receive(&m);
    for (int i = 0; i < 10000; i++) {
        mn_mutex_lock(&mutex);
        mn_mutex_unlock(&mutex);
    }
    computes = 1;
    while (computes == 1)
        continue;
    while (computes == 2) {
        mn_mutex_lock(&mutex);
        mn_mutex_unlock(&mutex);
    }
    return 0;
}

static void computing(void) {
    mn_pid pid;
    mn_ref ref;
    mn_spawn(&pid, compute, NULL);
    mn_monitor(pid, &ref);
    is(ask(pid), 0, "a process answers");
    ok(report.answered && report.relations == 1 + (uint32_t)report.links, "itself");
    mn_post(pid, 1, NULL, 0);
    while (!computes)
        mn_sleep(100000);
    for (int i = 0; i < 2; i++) {
        memset(&report, 0xff, sizeof report);
        is(mn_proc_inspect_until(pid, &report, sizeof report, i ? mn_after(2000000) : 0), -ETIMEDOUT,
           "one that computes does not");
        ok(!report.answered && report.doing == MN_PROC_RUNS, "it is seen to run");
        ok(report.relations == 2 && report.links == 0 && report.mailbox == 0 && report.memory >= 128,
           "related");
        ok(report.reductions >= 9000 && report.reductions < 1000000, "having run: %ld",
           (long)report.reductions);
    }
    computes = 2;
    is(ask(pid), 0, "when it makes calls, it answers");
    ok(report.answered && report.links == 1 && report.watchers == 1, "itself");
    mn_proc_unlink(pid);
    computes = 3;
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "it ends");
    is(mn_proc_inspect_until(pid, &report, sizeof report, 0), -ESRCH, "and is there no more");
    is(mn_proc_inspect_until(root, &report, sizeof report, 0), 0, "one knows of oneself");
    ok(report.answered && report.doing == MN_PROC_RUNS, "that one runs");
}

static void others(void) {
    mn_pid pid;
    mn_ref ref;
    mn_spawn(&pid, mute, NULL);
    mn_monitor(pid, &ref);
    until_waits(pid, "sleep");
    is(mn_proc_inspect_until(pid, &report, sizeof report, mn_after(2000000)), -ETIMEDOUT,
       "one that waits for something else");
    ok(!report.answered && report.doing == MN_PROC_WAITS, "is seen to wait");
    struct mn_proc_state st;
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "is killed");
    mn_proc_info(root, &st);
    is(st.relations, 0, "nothing is left of the question");
    const size_t first = offsetof(struct mn_proc_report, relations);
    is(mn_proc_inspect(root, &report, first - 1), -EINVAL, "a structure that is too small");
    memset(&report, 0xff, sizeof report);
    is(mn_proc_inspect(root, &report, first), 0, "one of the first version");
    ok(report.monitors == 0 && report.relations == ~0u, "is filled as far as it goes");
    struct {
        struct mn_proc_report report;
        uint64_t more;
    } later = {.more = 1};
    is(mn_proc_inspect(root, &later.report, sizeof later), 0, "one of a later version");
    is(later.more, 0, "is filled up with zeroes");
    is(mn_proc_related(root, (enum mn_relation)3, NULL, 0), -EINVAL, "no such relation");
    mn_thread t;
    pthread_t lwp;
    void *result = &t;
    mn_go(&t, no_process, &root);
    while (mn_sleep(100000) == 0 && mn_mailbox_length() == 0 && mn_join_until(t, &result, mn_after(100000)) < 0)
        continue;
    is((intptr_t)result, 0, "a thread that is no process asks");
    pthread_create(&lwp, NULL, foreign, &root);
    struct mn_msg *m;
    mn_receive_until(&m, mn_after(20000000)); /* answers meanwhile */
    while (pthread_tryjoin_np(lwp, &result) != 0)
        mn_receive_until(&m, mn_after(1000000));
    is((intptr_t)result, 0, "a foreign LWP asks");
}

static int all(void *arg) {
    (void)arg;
    mn_attach();
    root = mn_pid_self();
    threads();
    handlers();
    computing();
    others();
    return 0;
}

int main(void) {
    is(mn_proc_inspect(1, &report, sizeof report), -EPERM, "without a runtime");
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
