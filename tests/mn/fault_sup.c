/* workers: 1 2 8 */
/* timeout: 200 */
/*
 * Supervisors, groups and state machines when memory runs out: each call reports it or does without, none waits for
 * ever, and nothing is left behind.
 *
 * The program runs itself again and again with the first, second, ... allocation failing, and then with many
 * that fail.
 */
#include "fault_life.h"
#include "proc_actor.h"

#include <mn/registry.h>
#include <mn/statem.h>
#include <mn/sup.h>

/* A supervisor may also have given up. */
static bool works(const char *what, int64_t r) {
    if (r < 0 && r != -ENOMEM && r != -EAGAIN && r != -ESRCH && r != -ECONNRESET)
        wrong(what, r);
    return r >= 0;
}

static mn_pid self;

static int waits(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        uint64_t tag = m->tag;
        mn_msg_free(m);
        if (tag == 1000)
            return -EIO;
    }
}

static int message(void *state, struct mn_msg *m) {
    (void)state;
    return m->tag == 1000 ? -EIO : MN_GO_ON;
}
static const struct mn_handler handler = {.state_size = 200, .handle_message = message};

static void supervised(enum mn_strategy how) {
    static const struct mn_child leaves[] = {{.id = "x", .handler = &handler}, {.id = "y", .fn = waits}};
    static const struct mn_sup inner = {.strategy = MN_REST_FOR_ONE, .children = leaves, .nchildren = 2};
    static const struct mn_child children[] = {
        {.id = "a", .fn = waits},
        {.id = "b", .handler = &handler, .init = "state", .init_size = 5},
        {.id = "c", .sup = &inner}};
    const struct mn_sup top = {
        .strategy = how, .intensity = 1000, .children = children, .nchildren = how == MN_DYNAMIC ? 0 : 3};
    struct mn_child_info info[50];
    mn_pid sup, pid;
    if (!works("mn_sup_start", mn_sup_start(&sup, &top)))
        return;
    char id[2] = "d";
    for (int i = 0; i < 20; i++) {
        id[0] = (char)('d' + i);
        const struct mn_child more = {.id = how == MN_DYNAMIC ? NULL : id, .fn = i % 2 ? waits : NULL,
                                      .handler = i % 2 ? NULL : &handler, .restart = (enum mn_restart)(i % 3)};
        if (works("mn_sup_start_child", mn_sup_start_child(sup, &more, &pid)) && i % 4 == 0)
            works("mn_post", mn_post(pid, 1000, NULL, 0));
    }
    int64_t n = mn_sup_children(sup, info, 50);
    works("mn_sup_children", n);
    for (int i = 0; i < n; i++) {
        int r;
        if (i % 3 == 0) {
            works("mn_exit_signal", mn_exit_signal(info[i].pid, 1024));
        } else if (i % 3 == 1 && (r = mn_sup_stop_pid(sup, info[i].pid)) != -ENOENT) {
            works("mn_sup_stop_pid", r);
        } else if (how != MN_DYNAMIC && (r = mn_sup_stop_child(sup, info[i].id)) != -ENOENT && works("stop", r)) {
            if ((r = mn_sup_restart_child(sup, info[i].id, &pid)) != -ENOENT && r != -EBUSY)
                works("mn_sup_restart_child", r);
            if ((r = mn_sup_delete_child(sup, info[i].id)) != -ENOENT && r != -EBUSY)
                works("mn_sup_delete_child", r);
        }
    }
    while (!works("mn_sup_stop", n = mn_sup_stop(sup, MN_FOREVER)) && n != -ESRCH && n != -ECONNRESET)
        continue;
}

/* Who does not trap exits goes on when a supervisor does not start, and when it has stopped one. */
static int fails(mn_pid *pid, void *arg) {
    (void)pid, (void)arg;
    return -EIO;
}

static int starts_and_stops(void *arg) {
    static const struct mn_child children[] = {{.id = "a", .fn = waits}, {.id = "f", .start = fails}};
    mn_pid sup;
    int r;
    (void)arg;
    for (size_t n = 2; n > 0; n--) {
        r = mn_sup_start(&sup, &(struct mn_sup){.children = children, .nchildren = n});
        if (r == 0)
            while ((r = mn_sup_stop(sup, MN_FOREVER)) == -ENOMEM)
                continue;
        if (r != (n == 2 ? -EIO : 0) && r != -ENOMEM && r != -EAGAIN && r != -ECONNRESET)
            wrong("mn_sup_start, mn_sup_stop", r);
        mn_sleep(100000); /* an exit signal would be here now */
    }
    return 0;
}

static void not_trapping(void) {
    mn_ref ref;
    struct mn_msg *m;
    const struct mn_spawn_attr attr = {.flags = MN_SPAWN_MONITOR, .monitor = &ref};
    if (!works("mn_spawn", mn_spawn_opt(NULL, &attr, starts_and_stops, NULL)))
        return;
    const struct mn_match match = {.fields = MN_MATCH_REF, .ref = ref};
    if (mn_receive_match_until(&m, &match, mn_after(20000000000)) < 0 || mn_msg_reason(m) != 0)
        wrong("it ended with its supervisor", m ? mn_msg_reason(m) : 0);
    mn_msg_free(m);
}

enum { LOCKED, OPEN };
static int locked(void *data, struct mn_msg *m) {
    (void)data;
    return m->tag == 1 ? MN_TO(OPEN) : MN_POSTPONE;
}
static int opened(void *data) {
    (void)data;
    works("mn_state_timeout", mn_state_timeout(mn_after(3600000000000)));
    return MN_GO_ON;
}
static int open_event(void *data, struct mn_msg *m) {
    (void)data;
    return m->tag == 2 ? MN_TO(LOCKED) : MN_GO_ON;
}
static const struct mn_state states[] = {{"locked", NULL, locked, NULL}, {"open", opened, open_event, NULL}};
static const struct mn_statem machine = {MN_STATEM_HANDLER(100), states, 2, NULL};

static void grouped(void) {
    mn_pid pid[8], got[8];
    mn_ref ref, down[8];
    bool watch = works("mn_group_watch", mn_group_watch("g", &ref));
    for (int i = 0; i < 8; i++) {
        if (!works("mn_spawn_statem", mn_spawn_statem(&pid[i], &machine, "data", 4, NULL))) {
            pid[i] = 0;
            continue;
        }
        if (!works("mn_monitor", mn_monitor(pid[i], &down[i])))
            down[i] = 0;
        works("mn_group_join", mn_group_join("g", pid[i]));
    }
    for (uint64_t i = 0; i < 6; i++)
        works("mn_group_post", mn_group_post("g", i % 3, "a message to all", 17));
    works("mn_group_members", mn_group_members("g", got, 8));
    for (int i = 0; i < 8; i++)
        while (pid[i] && !works("mn_exit_signal", mn_exit_signal(pid[i], MN_REASON_KILL)))
            continue;
    struct mn_msg *m;
    for (int i = 0; i < 8; i++)
        if (pid[i] && down[i]) {
            const struct mn_match match = {.fields = MN_MATCH_REF, .ref = down[i]};
            if (mn_receive_match_until(&m, &match, mn_after(20000000000)) < 0)
                wrong("no DOWN", i);
            mn_msg_free(m);
        }
    for (int i = 0; i < 5000 && mn_group_members("g", NULL, 0) > 0; i++)
        mn_sleep(1000000);
    if (mn_group_members("g", NULL, 0) != 0)
        wrong("members are left", mn_group_members("g", NULL, 0));
    if (watch && mn_group_unwatch(ref) < 0)
        wrong("mn_group_unwatch", 0);
    while (mn_receive_until(&m, 0) == 0)
        mn_msg_free(m);
}

static int everything(void *arg) {
    (void)arg;
    while (!works("mn_attach", mn_attach()))
        continue;
    self = mn_pid_self();
    mn_trap_exit(true);
    for (int i = MN_ONE_FOR_ONE; i <= MN_DYNAMIC; i++)
        supervised((enum mn_strategy)i);
    not_trapping();
    grouped();
    for (int i = 0; i < 5000 && mn_proc_list(NULL, 0) != 1; i++)
        mn_sleep(1000000);
    if (mn_proc_list(NULL, 0) != 1)
        wrong("processes are left", mn_proc_list(NULL, 0));
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "life"))
        return life_of(everything, works);
    is(life_under(NULL), 0, "without failures");
    int bad = 0;
    for (int n = 1; n < 1000; n += 1 + n / 8) {
        char rules[64];
        snprintf(rules, sizeof rules, "malloc:nth=%d", n);
        int r = life_under(rules);
        bad += r != 0;
        if (r != 0)
            printf("# %s: status %d\n", rules, r);
    }
    ok(bad == 0, "one call fails");
    static const char *const rules[] = {"malloc:every=61", "malloc:every=31", "malloc:every=17"};
    few_workers();
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
        is(life_under(rules[i]), 0, "calls fail often: %s", rules[i]);
    return done();
}
