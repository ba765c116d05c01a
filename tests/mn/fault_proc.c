/* workers: 1 2 8 */
/* timeout: 200 */
/*
 * Processes when memory runs out: each call reports it, loses nothing, and works when there is some again;
 * and processes end, and others learn of it, without any memory.
 *
 * The program runs itself again and again with the first, second, ... allocation failing, and then with many
 * that fail.
 */
#include "fault_life.h"
#include "proc_actor.h"

#include <fcntl.h>

static bool works(const char *what, int64_t r) {
    if (r < 0 && r != -ENOMEM && r != -EAGAIN)
        wrong(what, r);
    return r >= 0;
}

static mn_pid self;
static const char bytes[200];

static int waits(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        if (m->type == MN_MSG_CALL)
            works("mn_reply", mn_reply(m, 1, m->data, m->size));
        uint64_t tag = m->tag;
        mn_msg_free(m);
        if (tag == 1000)
            return -EIO;
    }
}

static int owns(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++)
        mn_alloc((size_t)i * 700);
    works("mn_put", mn_put(1, &self));
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !works("mn_own_fd", mn_own_fd(fd)))
        close(fd);
    works("mn_start_timer", mn_start_timer(mn_pid_self(), mn_after(3600000000000), 1, NULL));
    static const char detail[] = "a reason with more than a few words";
    mn_proc_exit_with(2000, detail, sizeof detail);
}

static int message(void *state, struct mn_msg *m) {
    (void)state;
    works("mn_timeout_at", mn_timeout_at(mn_after(3600000000000)));
    if (m->tag == 2 && works("mn_msg_keep", mn_msg_keep(m)))
        return MN_GO_ON;
    if (m->tag == 3)
        mn_sleep(100000);
    if (m->type == MN_MSG_CALL)
        works("mn_reply", mn_reply(m, 1, NULL, 0));
    return m->tag == 1000 ? -EIO : MN_GO_ON;
}
static const struct mn_handler handler = {.state_size = 2000, .handle_message = message};

static void flush(void) {
    struct mn_msg *m;
    while (mn_receive_until(&m, mn_after(300000)) == 0)
        mn_msg_free(m);
}

/* Everything once, of a process that traps exits. */
static void once(bool handlers) {
    mn_pid pid;
    mn_ref ref;
    struct mn_msg *m;
    struct mn_spawn_attr attr = {
        .flags = MN_SPAWN_LINK | MN_SPAWN_MONITOR, .monitor = &ref, .mailbox = 50, .arena = 100000,
        .policy = handlers ? MN_MAILBOX_DROP_OLD : MN_MAILBOX_BLOCK};
    int r =
        handlers ? mn_spawn_handler(&pid, &handler, NULL, 0, &attr) : mn_spawn_opt(&pid, &attr, waits, NULL);
    if (!works("mn_spawn", r))
        return;
    for (uint64_t i = 1; i < 5; i++)
        works("mn_post", mn_post(pid, i, bytes, i * 20));
    struct mn_bin *bin;
    if (works("mn_bin_make", mn_bin_make(&bin, "shared", 7))) {
        works("mn_post_bin", mn_post_bin(pid, 5, bin));
        mn_bin_drop(bin);
    }
    void *p = malloc(10);
    if (!works("mn_post_ref", mn_post_ref(pid, 6, p, 10, free)))
        free(p);
    mn_ref timer;
    if (works("mn_post_at", mn_post_at(pid, mn_after(100000), 7, bytes, 100, &timer)))
        mn_cancel_timer(timer);
    r = mn_call_until(pid, 8, "question", 9, &m, mn_after(20000000));
    if (r == 0)
        mn_msg_free(m);
    else if (r != -ETIMEDOUT)
        works("mn_call", r);
    if (works("mn_request", mn_request(pid, 8, NULL, 0, &timer)))
        mn_demonitor(timer, true);
    mn_ref more[30];
    for (int i = 0; i < 30; i++)
        if (!works("mn_monitor", mn_monitor(pid, &more[i])))
            more[i] = 0;
    for (int i = 0; i < 30; i += 2)
        if (more[i])
            mn_demonitor(more[i], true);
    struct mn_proc_report report;
    mn_pid related[4];
    r = mn_proc_inspect_until(pid, &report, sizeof report, mn_after(20000000));
    if (r != -ETIMEDOUT)
        works("mn_proc_inspect", r);
    works("mn_proc_related", mn_proc_related(self, MN_WATCHED_BY_IT, related, 4));
    works("mn_proc_set_priority", mn_proc_set_priority(pid, MN_HIGH));
    mn_ref alias;
    if (works("mn_alias", mn_alias(&alias, MN_ALIAS_ONCE)))
        works("mn_post_alias", mn_post_alias(self, alias, 1, bytes, 100));
    mn_ref named[2];
    if (works("mn_register", mn_register("one", pid)))
        for (int i = 0; i < 2; i++)
            if (works("mn_monitor_name", mn_monitor_name("one", &named[i])) && i)
                mn_demonitor(named[i], true);
    if (works("mn_proc_unlink", mn_proc_unlink(pid)))
        works("mn_proc_link", mn_proc_link(pid));
    mn_pid other;
    if (works("mn_spawn", mn_spawn(&other, owns, NULL)) && works("mn_monitor", mn_monitor(other, &timer)))
        flush();
    works("mn_exit_signal_with", mn_exit_signal_with(pid, MN_REASON_NORMAL, bytes, 100)); /* does nothing to it */
    if (!works("mn_exit_signal", mn_exit_signal(pid, MN_REASON_KILL)))
        while (!works("mn_exit_signal", mn_exit_signal(pid, 3000)))
            continue;
    /* The one thing that comes in any case: DOWN, with the monitor of the spawn. */
    struct mn_match down = {.fields = MN_MATCH_REF, .ref = ref};
    if (mn_receive_match_until(&m, &down, mn_after(20000000000)) != 0 || m->type != MN_MSG_DOWN ||
        m->from != pid)
        wrong("DOWN", 0);
    mn_msg_free(m);
    flush();
}

static int everything(void *arg) {
    (void)arg;
    while (!works("mn_attach", mn_attach()))
        continue;
    self = mn_pid_self();
    mn_trap_exit(true);
    for (int i = 0; i < 3; i++) {
        once(false);
        once(true);
    }
    for (int i = 0; i < 10000 && mn_proc_list(NULL, 0) != 1; i++)
        mn_sleep(1000000);
    if (mn_proc_list(NULL, 0) != 1)
        wrong("processes are left", mn_proc_list(NULL, 0));
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "life"))
        return life_of(everything, works);
    is(life_under(NULL), 0, "without failures");
    static const char *const points[] = {"malloc", "mmap"};
    for (int i = 0; i < 2; i++) {
        int bad = 0, n;
        for (n = 1; n < (i ? 12 : 200); n += 1 + n / 12) {
            char rules[64];
            snprintf(rules, sizeof rules, "%s:nth=%d", points[i], n);
            int r = life_under(rules);
            bad += r != 0;
            if (r != 0)
                printf("# %s: status %d\n", rules, r);
        }
        ok(bad == 0, "%s: one call fails", points[i]);
    }
    static const char *const rules[] = {"malloc:every=61", "malloc:every=31", "malloc:every=97,mmap:every=23"};
    few_workers();
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
        is(life_under(rules[i]), 0, "calls fail often: %s", rules[i]);
    return done();
}
