/* Exit signals to handlers whose callbacks block: they end there, as a thread does, and no other callback is
 * disturbed. */
#include "proc_actor.h"

#include <mn/sup.h>

enum { MS = 1000000 };
static mn_pid self;

/* What a callback is to do, and what it has done. */
struct what {
    int (*does)(void);
    mn_pid tell;
};

static atomic_int begun, cleaned, deferred, ended;
static atomic_long last_reason;
static struct mn_event never;

static void clean(int *p) {
    (void)p;
    cleaned++;
}

static void defer(void *arg) {
    (void)arg;
    deferred++;
}

static int message(void *state, struct mn_msg *m) {
    const struct what *w = state;
    __attribute__((unused, cleanup(clean))) int guard = 0;
    if (m->type == MN_MSG_EXIT) {
        mn_post(w->tell, (uint64_t)(mn_msg_reason(m) + 10000), NULL, 0);
        return MN_GO_ON;
    }
    mn_defer(defer, NULL);
    begun++;
    int r = w->does();
    mn_post(w->tell, (uint64_t)(r + 20000), NULL, 0);
    return MN_GO_ON;
}

static void terminate(void *state, int64_t reason) {
    (void)state;
    last_reason = reason;
    if (mn_sleep(MS) < 0) /* it is not interrupted */
        last_reason = -1;
    ended++;
}

static const struct mn_handler handler = {
    .state_size = sizeof(struct what), .handle_message = message, .terminate = terminate, .name = "blocks"};

static void forget(void) {
    begun = cleaned = deferred = ended = 0;
    last_reason = -2;
}

static mn_pid start(int (*does)(void), unsigned flags) {
    static mn_ref ref;
    mn_pid pid = 0;
    struct what w = {does, self};
    struct mn_spawn_attr attr = {.flags = MN_SPAWN_MONITOR | flags, .monitor = &ref};
    forget();
    if (mn_spawn_handler(&pid, &handler, &w, sizeof w, &attr) < 0)
        abort();
    mn_post(pid, 0, NULL, 0);
    while (begun == 0)
        mn_sleep(20000);
    return pid;
}

static int sleeps(void) {
    return mn_sleep(MN_FOREVER);
}

static int sleeps_a_little(void) {
    return mn_sleep(20 * MS);
}

_Noreturn static int yields(void) {
    for (;;)
        mn_yield();
}

static int asks(void) {
    while (!mn_cancelled())
        continue;
    return mn_sleep(0);
}

static int shielded(void) {
    mn_shield(true);
    int r = mn_sleep(10 * MS);
    mn_shield(false);
    mn_post(self, 20001, NULL, 0);
    mn_sleep(0);
    return r;
}

static void signals(void) {
    mn_pid pid = start(sleeps, 0);
    struct mn_proc_state st;
    ok(mn_proc_thread(pid) == 0 && mn_proc_info(pid, &st) == 0 && st.thread == 0, "a callback is no thread");
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "kill ends a callback that sleeps");
    ok(cleaned == 1 && deferred == 1, "it unwinds, and runs what was deferred");
    is(ended, 0, "terminate is not called");
    pid = start(sleeps, 0);
    mn_exit_signal(pid, 2001);
    ok(comes(MN_MSG_DOWN, pid, 2001) && cleaned == 1 && deferred == 1, "another reason does");
    ok(ended == 1 && last_reason == 2001, "terminate is called");
    pid = start(sleeps, MN_SPAWN_TRAP_EXIT);
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "kill ends one that traps exits");
    pid = start(sleeps_a_little, MN_SPAWN_TRAP_EXIT);
    mn_exit_signal(pid, 2002);
    ok(comes(MN_MSG, pid, 20000) && comes(MN_MSG, pid, 12002), "another reason does not, nor its call");
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "it waits for messages, and is killed");
    pid = start(sleeps_a_little, 0);
    mn_exit_signal(pid, MN_REASON_NORMAL);
    ok(comes(MN_MSG, pid, 20000), "normal disturbs no call");
    mn_exit_signal(pid, 2003);
    ok(comes(MN_MSG_DOWN, pid, 2003), "and it ends");
    pid = start(yields, 0);
    mn_exit_signal(pid, 2004);
    ok(comes(MN_MSG_DOWN, pid, 2004), "one that yields");
    pid = start(asks, 0);
    mn_exit_signal(pid, 2005);
    ok(comes(MN_MSG_DOWN, pid, 2005), "one that asks whether it is cancelled");
    pid = start(shielded, 0);
    mn_exit_signal(pid, 2006);
    ok(comes(MN_MSG, pid, 20001) && comes(MN_MSG_DOWN, pid, 2006), "one that is shielded ends after that");
}

/* ---- links */

static int ends_soon(void *arg) {
    struct mn_msg *m;
    mn_receive(&m);
    mn_msg_free(m);
    mn_sleep(MS);
    return (int)(intptr_t)arg;
}

static mn_pid partner;

static int links(void) {
    mn_proc_link(partner);
    mn_post(partner, 0, NULL, 0);
    return mn_sleep(MN_FOREVER);
}

/* The other ends at about the same time: whoever is first, the sleep is not disturbed. */
static int unlinks(void) {
    int r = mn_proc_link(partner);
    mn_exit_signal(partner, 2008);
    r = r < 0 ? r : mn_proc_unlink(partner);
    return r < 0 ? r : mn_sleep(50000);
}

static int links_to_nobody(void) {
    mn_proc_link(partner);
    return mn_sleep(MN_FOREVER);
}

static int waits(void *arg) {
    struct mn_msg *m;
    (void)arg;
    return mn_receive(&m);
}

static void linked(void) {
    mn_spawn(&partner, ends_soon, (void *)-EIO);
    mn_pid pid = start(links, 0);
    ok(comes(MN_MSG_DOWN, pid, -EIO), "a linked process ends: so does the callback");
    ok(ended == 1 && last_reason == -EIO, "terminate is called");
    pid = start(links_to_nobody, 0);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NOPROC), "it links itself to nobody");
    int wrong = 0;
    for (int i = 0; i < 100; i++) {
        mn_spawn(&partner, waits, NULL);
        struct what w = {unlinks, self};
        mn_spawn_handler(&pid, &handler, &w, sizeof w, NULL);
        mn_post(pid, 0, NULL, 0);
        struct mn_msg *m = next_msg();
        /* Linked when it had ended, or it ended before the unlink: then no message says that it slept. */
        wrong += !m || m->type != MN_MSG || m->tag != 20000;
        mn_msg_free(m);
        mn_exit_signal(pid, MN_REASON_KILL);
        await_end(pid);
    }
    is(wrong, 0, "unlinked at the last moment: the next call is not disturbed");
}

/* The other is ending when the callback unlinks, and tells many others before: with two CPUs, the exit signal
 * of the link is sent after the call began. */
static int unlinks_late(void) {
    mn_proc_link(partner);
    mn_post(self, 20002, NULL, 0);
    while (mn_alive(partner))
        continue;
    int r = mn_proc_unlink(partner);
    return r < 0 ? r : mn_sleep(5 * MS);
}

static void unlinked_late(void) {
    enum { MONITORS = 5000 };
    struct mn_msg *m;
    mn_ref ref;
    int wrong = 0;
    for (int i = 0; i < 3; i++) {
        mn_spawn(&partner, waits, NULL);
        mn_pid pid = start(unlinks_late, 0);
        wrong += !comes(MN_MSG, pid, 20002);
        for (int k = 0; k < MONITORS; k++)
            wrong += mn_monitor(partner, &ref) != 0;
        mn_exit_signal(partner, 2010);
        m = NULL;
        mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_FROM, .from = pid});
        wrong += !m || m->tag != 20000;
        mn_msg_free(m);
        for (int k = 0; k < MONITORS; k++)
            wrong += !comes(MN_MSG_DOWN, partner, 2010);
        mn_exit_signal(pid, MN_REASON_KILL);
        wrong += !comes(MN_MSG_DOWN, pid, MN_REASON_KILLED);
    }
    is(wrong, 0, "unlinked while the other ends: nor is it then");
}

/* ---- terminate */

static int stops(void *state, struct mn_msg *m) {
    (void)state, (void)m;
    return MN_STOP;
}

static void terminating(void *state, int64_t reason) {
    (void)state, (void)reason;
    begun++;
    last_reason = mn_sleep(10 * MS);
}

static void in_terminate(void) {
    static const struct mn_handler h = {.handle_message = stops, .terminate = terminating};
    mn_ref ref;
    mn_pid pid;
    forget();
    mn_spawn_handler(&pid, &h, NULL, 0, &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref});
    mn_post(pid, 0, NULL, 0);
    while (begun == 0)
        mn_sleep(20000);
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL) && last_reason == 0, "one that ends is not disturbed");
}

/* ---- init */

static int init_sleeps(void *state) {
    (void)state;
    begun++;
    return mn_sleep(MN_FOREVER);
}

static void init(void) {
    static const struct mn_handler h = {.init = init_sleeps, .handle_message = message, .terminate = terminate};
    mn_ref ref;
    mn_pid pid;
    forget();
    mn_spawn_handler(&pid, &h, NULL, 0, &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref});
    while (begun == 0)
        mn_sleep(20000);
    mn_exit_signal(pid, 2007);
    ok(comes(MN_MSG_DOWN, pid, 2007) && ended == 0, "one whose init blocks");
}

/* ---- a supervisor stops it */

static int told_and_sleeps(void) {
    mn_event_wait(&never);
    return 0;
}

static void supervised(void) {
    struct what w = {told_and_sleeps, self};
    struct mn_child child = {.id = "h", .handler = &handler, .init = &w, .init_size = sizeof w};
    mn_pid sup, pid;
    for (int trap = 0; trap < 2; trap++) {
        forget();
        mn_sup_start(&sup, &(struct mn_sup){.strategy = MN_ONE_FOR_ONE});
        child.opt.flags = trap ? MN_SPAWN_TRAP_EXIT : 0;
        child.shutdown = trap ? 5 * MS : MN_FOREVER;
        is(mn_sup_start_child(sup, &child, &pid), 0, "a child made of callbacks");
        mn_post(pid, 0, NULL, 0);
        while (begun == 0)
            mn_sleep(20000);
        is(mn_sup_stop(sup, mn_after(50000ll * MS)), 0, "its supervisor stops it");
        ok(trap ? ended == 0 : ended == 1 && last_reason == MN_REASON_SHUTDOWN,
           trap ? "one that traps exits is killed when its time is over" : "it ends by the first signal");
    }
}

/* ---- an executor runs one callback after another: what is meant for one does not come to the next */

static atomic_int disturbed, finished;

static int naps(void *state, struct mn_msg *m) {
    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        if (mn_sleep((int64_t)(m->tag * 7919 + i * 104729) % 40000) != 0)
            disturbed++;
    return MN_GO_ON;
}

static int counts(void *state, struct mn_msg *m) {
    (void)state, (void)m;
    finished++;
    return MN_STOP;
}

static int either(void *state, struct mn_msg *m) {
    return m->tag == 1000 ? counts(state, m) : naps(state, m);
}

/* One has waited before, and is killed while it computes: by now its executor runs another. */
static atomic_int go_on, computes;

static int computes_then(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == 0) {
        mn_sleep(100000);
        mn_post(self, 1, NULL, 0);
        return MN_GO_ON;
    }
    computes = 1;
    while (!go_on)
        continue;
    return MN_GO_ON;
}

static int waits_alone(void) {
    return mn_sleep(10 * MS);
}

static void another(void) {
    static const struct mn_handler h = {.handle_message = computes_then};
    enum { OTHERS = 6 };
    struct what w = {waits_alone, self};
    mn_pid pid, other[OTHERS];
    mn_ref ref;
    mn_spawn_handler(&pid, &h, NULL, 0, &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref});
    mn_post(pid, 0, NULL, 0);
    int wrong = !comes(MN_MSG, pid, 1);
    forget();
    mn_sleep(100000);
    mn_post(pid, 1, NULL, 0);
    while (!computes)
        mn_sleep(20000);
    for (int i = 0; i < OTHERS; i++) {
        mn_spawn_handler(&other[i], &handler, &w, sizeof w, NULL);
        mn_post(other[i], 0, NULL, 0);
    }
    while (begun < OTHERS)
        mn_sleep(20000);
    mn_exit_signal(pid, MN_REASON_KILL);
    for (int i = 0; i < OTHERS; i++)
        wrong += !comes(MN_MSG, 0, 20000);
    go_on = 1;
    wrong += !comes(MN_MSG_DOWN, pid, MN_REASON_KILLED);
    for (int i = 0; i < OTHERS; i++)
        mn_exit_signal(other[i], MN_REASON_KILL);
    is(wrong, 0, "nor does the end of one that has waited with the same executor before");
}

static void crowd(void) {
    static const struct mn_handler h = {.handle_message = either};
    enum { MANY = 40 };
    for (int round = 0; round < 20; round++) {
        mn_pid pid[MANY];
        finished = 0;
        for (uint64_t i = 0; i < MANY; i++) {
            mn_spawn_handler(&pid[i], &h, NULL, 0, NULL);
            mn_post(pid[i], i, NULL, 0);
            mn_post(pid[i], 1000, NULL, 0);
        }
        for (int i = 0; i < MANY; i += 2) {
            mn_sleep(5000);
            mn_exit_signal(pid[i], i % 4 ? MN_REASON_KILL : 2009);
        }
        for (int i = 0; i < MANY; i++)
            await_end(pid[i]);
        if (finished < MANY / 2) {
            ok(false, "only %d have finished", finished);
            break;
        }
    }
    is(disturbed, 0, "others' ends do not disturb a callback");
}

/* ---- no thread is left for another executor */

static int blocks(void *state, struct mn_msg *m) {
    (void)state, (void)m;
    begun++;
    return mn_sleep(MN_FOREVER);
}

static int answers(void *state, struct mn_msg *m) {
    (void)state;
    return mn_post(m->from, m->tag, NULL, 0);
}

static void *waits_too(void *arg) {
    mn_event_wait(&never);
    return arg;
}

enum { MOST = 40 };

static int alone(void *arg) {
    static const struct mn_handler block = {.handle_message = blocks}, answer = {.handle_message = answers};
    mn_pid blocking[MOST], pid;
    struct mn_msg *m = NULL;
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    forget();
    mn_spawn_handler(&pid, &answer, NULL, 0, NULL);
    mn_post(pid, 1, NULL, 0);
    bool right = comes(MN_MSG, pid, 1);
    while (mn_go(NULL, waits_too, NULL) == 0)
        continue;
    /* Each makes another executor necessary, until there is none. */
    int n = 0, r;
    do {
        mn_spawn_handler(&blocking[n], &block, NULL, 0, NULL);
        mn_post(blocking[n++], 0, NULL, 0);
        while (begun < n)
            mn_sleep(20000);
        mn_post(pid, 2, NULL, 0);
        r = mn_receive_until(&m, mn_after(100 * MS));
        mn_msg_free(m);
        m = NULL;
    } while (r == 0 && n < MOST);
    is(r, -ETIMEDOUT, "without another thread a callback that blocks holds up the others");
    mn_exit_signal(blocking[n - 1], MN_REASON_KILL);
    ok(right && comes(MN_MSG, pid, 2), "they go on when it is killed");
    for (int i = 0; i < n - 1; i++)
        mn_exit_signal(blocking[i], MN_REASON_KILL);
    mn_exit_signal(pid, MN_REASON_KILL);
    return 0;
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    signals();
    linked();
    unlinked_late();
    in_terminate();
    init();
    supervised();
    crowd();
    another();
    ok(nothing_comes(), "nothing is left");
    return 0;
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    is(mn_run(alone, NULL, &(struct mn_config){.workers = 1, .max_threads = MOST}), 0, "mn_run");
    return done();
}
