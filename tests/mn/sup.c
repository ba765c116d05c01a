/* Supervisors: order of start and stop, strategies, kinds of restart, storms, shutdown, dynamic children,
 * trees, bad input. */
#include <errno.h>
#include <mn/proc.h>
#include <mn/sup.h>

#include "trace.h"

/* Of the trace: 'a' starts, 'A' ends. */
static atomic_int starts[26];
static _Atomic mn_pid pids[26];

static void forget(void) {
    forget_trace();
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        starts[i] = 0;
}

static void end_note(void *arg) {
    note((char)((intptr_t)arg - 'a' + 'A'));
}

/* Waits for a command: its tag is the reason of its end. */
static int worker(void *arg) {
    int who = (int)(intptr_t)arg;
    mn_defer(end_note, arg);
    note((char)who);
    pids[who - 'a'] = mn_pid_self();
    starts[who - 'a']++;
    struct mn_msg *m;
    int r = mn_receive(&m);
    if (r < 0)
        return r;
    int64_t reason = (int64_t)m->tag;
    mn_msg_free(m);
    mn_proc_exit(reason);
}

static void wait_starts(char who, int n) {
    for (int i = 0; i < 5000 && starts[who - 'a'] < n; i++)
        mn_sleep(MS);
}

/* Children that start one after the other may say so in any order; ends are in order. */
static bool went(const char *want) {
    char sorted[TRACE_MOST];
    strcpy(sorted, seen());
    for (char *p = sorted; *p; p++)
        for (char *q = p; q > sorted && q[0] >= 'a' && q[-1] > q[0]; q--) {
            char c = q[0];
            q[0] = q[-1];
            q[-1] = c;
        }
    return strcmp(sorted, want) == 0;
}

static void wait_trace(const char *want) {
    await_trace(went, want);
}

#define WORKER(name, letter) {.id = name, .fn = worker, .arg = (void *)(intptr_t)(letter)}

static void order(void) {
    struct mn_child children[] = {WORKER("a", 'a'), WORKER("b", 'b'), WORKER("c", 'c')};
    mn_pid sup;
    forget();
    is(mn_sup_start(&sup, &(struct mn_sup){.children = children, .nchildren = 3}), 0, "start");
    wait_starts('a', 1), wait_starts('b', 1), wait_starts('c', 1);
    struct mn_child_info info[4];
    is(mn_sup_children(sup, info, 4), 3, "three children");
    ok(strcmp(info[0].id, "a") == 0 && strcmp(info[2].id, "c") == 0, "in order");
    ok(info[1].pid == pids[1], "with their pids");
    is(mn_sup_children(sup, NULL, 0), 3, "only how many");
    forget_trace();
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    ok(is_seen("CBA"), "stopped in reverse: %s", seen());
    ok(!mn_alive(sup), "it has ended");
    is(mn_sup_stop(sup, MN_FOREVER), -ESRCH, "there is none any more");
    is(mn_sup_children(sup, NULL, 0), -ESRCH, "nor has it children");
}

/* Ends b with a reason; what happens then is `want`. */
static void strategy(enum mn_strategy how, int64_t reason, enum mn_restart restart, const char *want) {
    struct mn_child children[] = {WORKER("a", 'a'), WORKER("b", 'b'), WORKER("c", 'c')};
    mn_pid sup;
    forget();
    children[1].restart = restart;
    is(mn_sup_start(&sup, &(struct mn_sup){.strategy = how, .children = children, .nchildren = 3}), 0, "start");
    wait_starts('a', 1), wait_starts('b', 1), wait_starts('c', 1);
    forget_trace();
    mn_post(pids[1], (uint64_t)reason, NULL, 0);
    wait_trace(want);
    mn_sleep(2 * MS);
    ok(went(want), "and no more than that");
    int left = restart == MN_TEMPORARY ? 2 : 3;
    for (int i = 0; i < 5000 && mn_sup_children(sup, NULL, 0) != left; i++)
        mn_sleep(MS); /* it is told a moment later */
    is(mn_sup_children(sup, NULL, 0), left, "how many there are");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
}

static void storm(void) {
    struct mn_child child = WORKER("a", 'a');
    mn_pid sup;
    forget();
    is(mn_attach(), 0, "attach");
    mn_trap_exit(true);
    is(mn_sup_start(
           &sup,
           &(struct mn_sup){.intensity = 3, .period = 3600ll * 1000 * MS, .children = &child, .nchildren = 1}),
       0, "start");
    for (int i = 1; i <= 4; i++) {
        wait_starts('a', i);
        mn_post(pids[0], 1024, NULL, 0);
    }
    struct mn_msg *m;
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_FROM, .from = sup}), 0,
       "the supervisor ends");
    is(m->type, MN_MSG_EXIT, "its starter is told");
    is(mn_msg_reason(m), MN_REASON_SHUTDOWN, "by shutdown");
    mn_msg_free(m);
    is(starts[0], 4, "after three restarts");
    mn_trap_exit(false);
}

static void spaced(void) {
    struct mn_child child = WORKER("a", 'a');
    mn_pid sup;
    forget();
    is(mn_sup_start(&sup, &(struct mn_sup){.period = 1, .children = &child, .nchildren = 1}), 0, "start");
    for (int i = 1; i <= 20; i++) {
        wait_starts('a', i);
        mn_post(pids[0], 1024, NULL, 0);
    }
    wait_starts('a', 21);
    ok(mn_alive(sup), "restarts that are further apart than the period are no storm");
    struct mn_child_info info;
    is(mn_sup_children(sup, &info, 1), 1, "its child");
    is(info.restarts, 20, "has been restarted 20 times");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
}

static void none_borne(void) {
    struct mn_child child = WORKER("a", 'a');
    mn_pid sup;
    mn_ref ref;
    struct mn_msg *m;
    forget();
    mn_trap_exit(true);
    is(mn_sup_start(&sup, &(struct mn_sup){.intensity = MN_NO_RESTARTS, .children = &child, .nchildren = 1}), 0,
       "start");
    mn_proc_unlink(sup);
    is(mn_monitor(sup, &ref), 0, "monitor");
    wait_starts('a', 1);
    mn_post(pids[0], 1024, NULL, 0);
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}), 0,
       "the first end is one too many");
    mn_msg_free(m);
    is(starts[0], 1, "no restart");
    mn_trap_exit(false);
}

/* Does not end when it is told to. */
static int stubborn(void *arg) {
    (void)arg;
    mn_defer(end_note, (void *)(intptr_t)'s');
    mn_trap_exit(true);
    note('s');
    for (;;) {
        struct mn_msg *m;
        if (mn_receive(&m) < 0)
            return 0;
        bool exit = m->type == MN_MSG_EXIT, alone = exit && mn_msg_reason(m) == MN_REASON_KILLED;
        note(alone ? '!' : exit && mn_msg_reason(m) == MN_REASON_SHUTDOWN ? '.' : '?');
        mn_msg_free(m);
        if (alone)
            return 0;
    }
}

static void shutdown_spans(void) {
    struct mn_child child = {.id = "s", .fn = stubborn};
    mn_pid sup;
    /* On a busy machine it may take longer until it hears that it is told. */
    for (int64_t span = 5 * MS; span < 10000ll * MS; span *= 10) {
        forget();
        child.shutdown = span;
        is(mn_sup_start(&sup, &(struct mn_sup){.children = &child, .nchildren = 1}), 0, "start");
        wait_trace("s");
        is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
        if (!is_seen("sS"))
            break;
    }
    ok(is_seen("s.S"), "told, then killed: %s", seen());
    forget();
    child.shutdown = MN_SHUTDOWN_KILL;
    is(mn_sup_start(&sup, &(struct mn_sup){.children = &child, .nchildren = 1}), 0, "start");
    wait_trace("s");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    ok(is_seen("sS"), "killed at once: %s", seen());
    forget();
    child.shutdown = MN_FOREVER;
    is(mn_sup_start(&sup, &(struct mn_sup){.children = &child, .nchildren = 1}), 0, "start");
    wait_trace("s");
    is(mn_sup_stop(sup, mn_after(10 * MS)), -ETIMEDOUT, "a deadline");
    wait_trace("s.");
    mn_exit_signal(sup, MN_REASON_KILL);
    wait_trace("s.!S"); /* it is told by the link, and goes by its own will */
}

static atomic_int failures;

static int fails(mn_pid *pid, void *arg) {
    (void)arg;
    if (failures-- > 0)
        return -ENOSPC;
    struct mn_spawn_attr opt = {.flags = MN_SPAWN_LINK};
    return mn_spawn_opt(pid, &opt, worker, (void *)(intptr_t)'f');
}

static void failing(void) {
    struct mn_child children[] = {WORKER("a", 'a'), {.id = "f", .start = fails}, WORKER("c", 'c')};
    mn_pid sup = 0;
    forget();
    failures = 1;
    is(mn_sup_start(&sup, &(struct mn_sup){.children = children, .nchildren = 3}), -ENOSPC,
       "a child that does not start");
    is(sup, 0, "no supervisor");
    is(starts[2], 0, "the one after it was not started");
    ok(mn_alive(mn_pid_self()), "the caller goes on");
    forget();
    failures = 0;
    is(mn_sup_start(&sup, &(struct mn_sup){.intensity = 10, .children = children, .nchildren = 3}), 0, "start");
    wait_starts('f', 1);
    failures = 5;
    mn_post(pids['f' - 'a'], 1024, NULL, 0);
    wait_starts('f', 2);
    is(starts['f' - 'a'], 2, "tried until it starts");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
}

static void by_hand(void) {
    mn_pid sup, pid = 0, again = 0;
    struct mn_child child = WORKER("a", 'a');
    forget();
    is(mn_sup_start(&sup, &(struct mn_sup){.name = "empty"}), 0, "without children");
    is(mn_sup_start_child(sup, &child, &pid), 0, "add one");
    ok(pid && mn_alive(pid), "it runs");
    is(mn_sup_start_child(sup, &child, NULL), -EEXIST, "the same id");
    is(mn_sup_delete_child(sup, "a"), -EBUSY, "it cannot be deleted while it runs");
    is(mn_sup_restart_child(sup, "a", NULL), -EBUSY, "nor restarted");
    is(mn_sup_stop_child(sup, "a"), 0, "stop it");
    ok(!mn_alive(pid), "it has ended");
    is(mn_sup_stop_child(sup, "a"), 0, "again: nothing to do");
    is(mn_sup_restart_child(sup, "a", &again), 0, "restart");
    ok(again && again != pid, "another process");
    is(mn_sup_stop_pid(sup, again), 0, "stop by pid");
    is(mn_sup_delete_child(sup, "a"), 0, "delete");
    is(mn_sup_stop_child(sup, "a"), -ENOENT, "gone");
    is(mn_sup_restart_child(sup, "a", NULL), -ENOENT, "gone");
    is(mn_sup_stop_pid(sup, again), -ENOENT, "gone");
    is(mn_sup_start_child(sup, NULL, NULL), -EINVAL, "no child");
    is(mn_sup_start_child(sup, &(struct mn_child){.id = "x"}, NULL), -EINVAL, "a child that is nothing");
    is(mn_sup_start_child(sup, &(struct mn_child){.fn = worker}, NULL), -EINVAL, "without an id");
    is(mn_sup_stop_child(sup, NULL), -EINVAL, "no id");
    failures = 1;
    is(mn_sup_start_child(sup, &(struct mn_child){.id = "f", .start = fails}, NULL), -ENOSPC,
       "one that does not start");
    is(mn_sup_children(sup, NULL, 0), 0, "is not kept");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    is(mn_sup_start(&sup, NULL), -EINVAL, "nothing");
    struct mn_child twice[] = {WORKER("a", 'a'), WORKER("a", 'b')};
    is(mn_sup_start(&sup, &(struct mn_sup){.children = twice, .nchildren = 2}), -EINVAL,
       "an id that is given twice");
    is(mn_sup_start(&sup, &(struct mn_sup){.strategy = (enum mn_strategy)7}), -EINVAL, "an unknown strategy");
    is(mn_sup_start(&sup, &(struct mn_sup){.nchildren = 1}), -EINVAL, "no children");
}

static int ignores(mn_pid *pid, void *arg) {
    (void)pid;
    starts['i' - 'a']++;
    return *(int *)arg;
}

/* Children whose start finds nothing to run. */
static void nothing_to_run(enum mn_strategy how) {
    int result = 0;
    struct mn_child children[] = {WORKER("a", 'a'), {.id = "i", .start = ignores, .arg = &result},
                                  {.id = "t", .start = ignores, .arg = &result, .restart = MN_TEMPORARY}};
    struct mn_child_info info[3];
    mn_pid sup, pid = 0;
    forget();
    is(mn_sup_start(&sup, &(struct mn_sup){.strategy = how, .children = children, .nchildren = 3}), 0, "start");
    is(mn_sup_children(sup, info, 3), 2, "a temporary child that runs nothing is forgotten");
    ok(info[1].pid == 0 && strcmp(info[1].id, "i") == 0, "another stays, stopped");
    is(mn_sup_restart_child(sup, "i", &pid), 0, "it can be started");
    is(mn_sup_restart_child(sup, "i", &pid), 0, "again");
    wait_starts('a', 1);
    mn_exit_signal(info[0].pid, 1024);
    wait_starts('a', 2);
    ok(starts[0] == 2 && starts['i' - 'a'] == (how == MN_ONE_FOR_ONE ? 4 : 5), "and by the strategy");
    is(mn_sup_stop_child(sup, "i"), 0, "stopped");
    is(mn_sup_delete_child(sup, "i"), 0, "deleted");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    is(mn_sup_start(&sup, &(struct mn_sup){.strategy = MN_DYNAMIC}), 0, "a dynamic supervisor");
    is(mn_sup_start_child(sup, &(struct mn_child){.start = ignores, .arg = &result}, &pid), 0, "has nothing");
    ok(pid == 0 && mn_sup_children(sup, NULL, 0) == 0, "to keep");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
}

static atomic_int alive;

static int counter_init(void *state) {
    (void)state;
    alive++;
    return MN_GO_ON;
}
static int counter_message(void *state, struct mn_msg *m) {
    (void)state;
    return m->type == MN_MSG ? -EIO : MN_GO_ON;
}
static void counter_end(void *state, int64_t reason) {
    (void)state;
    (void)reason;
    alive--;
}
static const struct mn_handler counter = {
    .state_size = 8, .init = counter_init, .handle_message = counter_message, .terminate = counter_end};

static void dynamic(void) {
    enum { MANY = 500 };
    static mn_pid many[MANY];
    struct mn_child child = {.handler = &counter};
    mn_pid sup;
    int failed = 0;
    alive = 0;
    is(mn_sup_start(&sup, &(struct mn_sup){.strategy = MN_DYNAMIC, .intensity = 1000}), 0,
       "a dynamic supervisor");
    for (int i = 0; i < MANY; i++) {
        child.restart = i % 2 ? MN_TEMPORARY : MN_PERMANENT;
        failed += mn_sup_start_child(sup, &child, &many[i]) != 0;
    }
    is(failed, 0, "500 children");
    is(mn_sup_children(sup, NULL, 0), MANY, "are there");
    for (int i = 0; i < 100; i++)
        mn_post(many[i], 0, NULL, 0);
    for (int i = 0; i < 5000 && mn_sup_children(sup, NULL, 0) != MANY - 50; i++)
        mn_sleep(MS);
    is(mn_sup_children(sup, NULL, 0), MANY - 50, "temporary ones are not started again");
    for (int i = 0; i < 5000 && alive != MANY - 50; i++)
        mn_sleep(MS);
    is(alive, MANY - 50, "the others are");
    is(mn_sup_stop_pid(sup, many[200]), 0, "one is stopped");
    is(mn_sup_children(sup, NULL, 0), MANY - 51, "and forgotten");
    child.id = "x";
    is(mn_sup_start_child(sup, &child, NULL), -EINVAL, "ids are for the others");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    is(alive, 0, "none is left");
}

static void tree(void) {
    struct mn_child leaves[] = {WORKER("b", 'b'), WORKER("c", 'c')};
    struct mn_sup inner = {.strategy = MN_ONE_FOR_ALL, .children = leaves, .nchildren = 2};
    struct mn_child top[] = {WORKER("a", 'a'), {.id = "inner", .sup = &inner}, WORKER("d", 'd')};
    mn_pid sup;
    forget();
    is(mn_sup_start(&sup, &(struct mn_sup){.children = top, .nchildren = 3}), 0, "a tree");
    wait_starts('a', 1), wait_starts('b', 1), wait_starts('c', 1), wait_starts('d', 1);
    struct mn_child_info info[3];
    is(mn_sup_children(sup, info, 3), 3, "three");
    ok(info[1].supervisor && !info[0].supervisor, "one of them is a supervisor");
    mn_exit_signal(info[1].pid, MN_REASON_KILL);
    wait_starts('b', 2), wait_starts('c', 2);
    for (int i = 0; i < 5000 && strlen(seen()) < 8; i++)
        mn_sleep(MS); /* those that it took along may say so later */
    is(starts[0] + starts[3], 2, "a killed supervisor takes its children along, and comes back with them");
    forget_trace();
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    ok(is_seen("DCBA"), "stopped from the end: %s", seen());
}

static int family(void *arg) {
    struct mn_child child = WORKER("a", 'a');
    (void)arg;
    is(mn_sup_start(NULL, &(struct mn_sup){.children = &child, .nchildren = 1}), 0, "start in a process");
    wait_starts('a', 1);
    mn_proc_exit(1024);
}

static void orphan(void) {
    forget();
    is(mn_spawn(NULL, family, NULL), 0, "a process with a supervisor");
    wait_trace("aA");
    ok(true, "it ends with its starter");
}

/* A caller that is cancelled while the children start goes on; what has been started does not. */
static struct mn_event starting, never;

static int starts_for_ever(mn_pid *pid, void *arg) {
    (void)pid, (void)arg;
    mn_event_set(&starting);
    mn_event_wait(&never);
    return -EIO;
}

static atomic_int start_result;

static int starts_in_vain(void *arg) {
    struct mn_child children[] = {WORKER("a", 'a'), {.id = "x", .start = starts_for_ever}};
    (void)arg;
    start_result = mn_sup_start(NULL, &(struct mn_sup){.children = children, .nchildren = 2});
    for (int i = 0; i < 5000 && !is_seen("aA") && !is_seen("A"); i++)
        mn_sleep(MS);
    mn_sleep(MS); /* an exit signal of the supervisor's would be here now */
    return 0;
}

static void cancelled(void) {
    mn_ref ref;
    mn_pid pid;
    struct mn_msg *m;
    forget();
    mn_spawn_opt(&pid, &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref}, starts_in_vain, NULL);
    mn_event_wait(&starting);
    wait_starts('a', 1);
    mn_cancel(mn_proc_thread(pid));
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}), 0, "the caller ends");
    is(start_result, -ECANCELED, "its call was cancelled");
    is(mn_msg_reason(m), MN_REASON_NORMAL, "it did not end by the supervisor");
    ok(is_seen("aA"), "the child that was started has ended: %s", seen());
    mn_msg_free(m);
}

/* ---- deadlines: the supervisor is held up, and does later what it was asked for */

static struct mn_event let_go;

static int held(void *arg) {
    struct mn_msg *m;
    (void)arg;
    mn_trap_exit(true);
    starts['h' - 'a']++;
    mn_receive(&m);
    return mn_event_wait(&let_go);
}

static int hangs(mn_pid *pid, void *arg) {
    (void)pid;
    (void)arg;
    return mn_event_wait(&let_go);
}

static void deadlines(void) {
    const struct mn_child slow = {.id = "h", .fn = held, .shutdown = MN_FOREVER}, a = WORKER("a", 'a'),
                          b = WORKER("b", 'b');
    struct mn_child_info info[3];
    struct mn_child first[] = {slow, a};
    mn_pid sup, pid = 4711;
    mn_event_init(&let_go);
    forget();
    is(mn_sup_start_until(&sup, &(struct mn_sup){.children = first, .nchildren = 2}, mn_after(20000ll * MS)), 0,
       "a start in time");
    wait_starts('h', 1), wait_starts('a', 1);
    is(mn_sup_children_until(sup, info, 3, mn_after(20000ll * MS)), 2, "an answer in time");
    is(mn_sup_stop_child_until(sup, "h", mn_after(5 * MS)), -ETIMEDOUT, "stop: the child takes longer");
    is(mn_sup_start_child_until(sup, &b, &pid, mn_after(MS)), -ETIMEDOUT, "start");
    is(pid, 4711, "no pid");
    is(mn_sup_stop_pid_until(sup, pids[0], mn_after(MS)), -ETIMEDOUT, "stop by pid");
    is(mn_sup_restart_child_until(sup, "h", &pid, 0), -ETIMEDOUT, "restart, with a deadline that has passed");
    is(mn_sup_stop_child_until(sup, "h", 0), -ETIMEDOUT, "stop");
    is(mn_sup_delete_child_until(sup, "a", mn_after(MS)), -ETIMEDOUT, "delete");
    is(mn_sup_children_until(sup, info, 3, mn_after(MS)), -ETIMEDOUT, "list");
    mn_event_set(&let_go);
    is(mn_sup_children(sup, info, 3), 2, "all that was done later");
    ok(strcmp(info[0].id, "h") == 0 && !info[0].pid, "one was stopped");
    ok(strcmp(info[1].id, "b") == 0 && info[1].pid, "one was started");
    is(mn_mailbox_length(), 0, "no late answer is in the mailbox");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stop");
    struct mn_child hanging[] = {a, {.id = "h", .start = hangs}};
    mn_event_reset(&let_go);
    forget();
    pid = 0;
    is(mn_sup_start_until(&pid, &(struct mn_sup){.children = hanging, .nchildren = 2}, mn_after(5 * MS)), -ETIMEDOUT,
       "a start that takes too long");
    is(pid, 0, "no supervisor");
    wait_trace("aA");
    is(mn_mailbox_length(), 0, "its end does not come here");
    /* It may be killed before it begins: then AddressSanitizer looks for what it leaves behind. */
    for (int i = 0; i < 10; i++)
        is(mn_sup_start_until(&pid, &(struct mn_sup){.children = hanging + 1, .nchildren = 1}, 0), -ETIMEDOUT,
           "a start whose time is over before");
    is(mn_mailbox_length(), 0, "nor does the end of these");
}

/* The runtime ends while a supervisor stops one child on request. */
static struct mn_event told;

static int slow_to_end(void *arg) {
    struct mn_msg *m;
    (void)arg;
    mn_trap_exit(true);
    starts['s' - 'a']++;
    mn_receive(&m);
    mn_event_set(&told);
    mn_shield(true);
    mn_sleep(20 * MS);
    return 0;
}

static int stops_it(void *arg) {
    return mn_sup_stop_child(*(mn_pid *)arg, "s");
}

static int ends_meanwhile(void *arg) {
    static const struct mn_child child = {.id = "s", .fn = slow_to_end};
    static mn_pid sup;
    (void)arg;
    mn_event_init(&told);
    forget();
    is(mn_sup_start(&sup, &(struct mn_sup){.children = &child, .nchildren = 1}), 0, "start");
    wait_starts('s', 1);
    mn_spawn(NULL, stops_it, &sup);
    return mn_event_wait(&told);
}

static int all(void *arg) {
    (void)arg;
    order();
    strategy(MN_ONE_FOR_ONE, 1024, MN_PERMANENT, "Bb");
    strategy(MN_ONE_FOR_ONE, MN_REASON_NORMAL, MN_PERMANENT, "Bb");
    strategy(MN_ONE_FOR_ONE, MN_REASON_NORMAL, MN_TRANSIENT, "B");
    strategy(MN_ONE_FOR_ONE, MN_REASON_SHUTDOWN, MN_TRANSIENT, "B");
    strategy(MN_ONE_FOR_ONE, 1024, MN_TRANSIENT, "Bb");
    strategy(MN_ONE_FOR_ONE, 1024, MN_TEMPORARY, "B");
    strategy(MN_ONE_FOR_ALL, 1024, MN_PERMANENT, "BCAabc");
    strategy(MN_REST_FOR_ONE, 1024, MN_PERMANENT, "BCbc");
    storm();
    spaced();
    none_borne();
    shutdown_spans();
    failing();
    by_hand();
    nothing_to_run(MN_ONE_FOR_ONE);
    nothing_to_run(MN_ONE_FOR_ALL);
    dynamic();
    tree();
    orphan();
    cancelled();
    deadlines();
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    is(mn_run(ends_meanwhile, NULL, NULL), 0, "the runtime ends while a supervisor stops a child");
    is(mn_sup_start(NULL, &(struct mn_sup){0}), -EPERM, "without a runtime");
    return done();
}
