/* workers: 1 2 64 */
/*
 * Processes of both kinds, threads and foreign LWPs do to each other whatever can be done to a pid, at random,
 * while the processes are killed, end, fail, and others take their records: no call says what it must not, all
 * end, and nothing is left of them.
 */
#include "proc_actor.h"

#include <pthread.h>

enum { PIDS = 24, MOST = 2000, OUTSIDERS = 2 };

static _Atomic mn_pid pids[PIDS];
static atomic_int stop;
static atomic_long wrong;
static const char *const names[] = {"a", "b", "c"};
static const char bytes[3000];

static unsigned pick(unsigned *seed, unsigned n) {
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % n;
}

/* Whether a call said one of these (0: the end); what it must not say is printed. */
static void said(const char *what, int64_t r, const int *may) {
    while (*may && r != *may)
        may++;
    if (r < 0 && r != *may && wrong++ < 10)
        printf("# %s: %ld\n", what, (long)r);
}
#define SAID(call, ...) said(#call, call, (const int[]){__VA_ARGS__ __VA_OPT__(, ) -ECANCELED, 0})

static int life(void *arg);
static int begins(void *state);
static int handles(void *state, struct mn_msg *m);
static int late(void *state);
static void ends(void *state, int64_t reason);
static const struct mn_handler handler = {
    .state_size = 64, .init = begins, .handle_message = handles, .handle_timeout = late, .terminate = ends};

static void another(unsigned *seed) {
    mn_ref ref;
    mn_pid pid;
    struct mn_spawn_attr opt = {.flags = pick(seed, 8) ? 0 : MN_SPAWN_TRAP_EXIT,
                                .mailbox = pick(seed, 3) ? 0 : 1 + pick(seed, 5),
                                .policy = (enum mn_mailbox)pick(seed, 4),
                                .priority = (enum mn_priority)pick(seed, 3),
                                .arena = pick(seed, 2) ? 0 : 3000,
                                .monitor = &ref};
    if (mn_pid_self())
        opt.flags |= pick(seed, 4) & (MN_SPAWN_LINK | MN_SPAWN_MONITOR);
    int r = pick(seed, 2) ? mn_spawn_opt(&pid, &opt, life, (void *)(uintptr_t)pick(seed, 30000))
                          : mn_spawn_handler(&pid, &handler, seed, sizeof *seed, &opt);
    if (r == 0)
        pids[pick(seed, PIDS)] = pid;
    else if (wrong++ < 10)
        printf("# spawn: %d\n", r);
}

/* What only processes can do. */
static void as_process(unsigned *seed, mn_pid pid) {
    mn_ref ref;
    const char *name = names[pick(seed, 3)];
    bool back = pick(seed, 2);
    switch (pick(seed, 9)) {
    case 0: SAID(mn_proc_link(pid)); break;
    case 1: SAID(mn_proc_unlink(pid)); break;
    case 2:
        if (mn_monitor(pid, &ref) == 0 && back)
            SAID(mn_demonitor(ref, true));
        break;
    case 3:
        if (mn_monitor_name(name, &ref) == 0 && back)
            SAID(mn_demonitor(ref, false), -ENOENT);
        break;
    case 4:
        if (mn_group_watch(name, &ref) == 0 && back)
            SAID(mn_group_unwatch(ref));
        break;
    case 5:
        if (mn_alias(&ref, back) == 0)
            SAID(mn_post_alias_until(pid, ref, 1, NULL, 0, mn_after(1000)), -EAGAIN, -ETIMEDOUT, -EDEADLK);
        break;
    case 6:
        if (mn_request(pid, 77, NULL, 0, &ref) == 0 && back)
            mn_demonitor(ref, true);
        break;
    case 7:
        mn_put(pick(seed, 20), back ? &stop : NULL);
        void *p = mn_alloc(pick(seed, 2000));
        if (back)
            mn_free(p);
        break;
    default: mn_trap_exit(pick(seed, 8) == 0);
    }
}

static void as_anyone(unsigned *seed, mn_pid pid) {
    struct mn_proc_report report;
    struct mn_proc_state state;
    struct mn_msg *m;
    mn_pid some[8];
    mn_ref ref;
    const char *name = names[pick(seed, 3)];
    int64_t soon = mn_after(pick(seed, 200000));
    switch (pick(seed, 20)) {
    case 0: SAID(mn_exit_signal(pid, MN_REASON_KILL)); break;
    case 1: SAID(mn_exit_signal(pid, 2000)); break;
    case 2: SAID(mn_exit_signal_with(pid, 2001, bytes, 100)); break;
    case 3: SAID(mn_post_until(pid, pick(seed, 50), NULL, 0, soon), -EAGAIN, -ETIMEDOUT, -EDEADLK); break;
    case 4:
        SAID(mn_post_until(pid, pick(seed, 50), bytes, pick(seed, 3000), soon), -EAGAIN, -ETIMEDOUT, -EDEADLK);
        break;
    case 5:
        SAID(mn_call_until(pid, 77, NULL, 0, NULL, soon), -EAGAIN, -ETIMEDOUT, -EDEADLK, -ESRCH, -ECONNRESET);
        break;
    case 6:
        if (mn_pid_self() && mn_call_until(pid, 77, NULL, 0, &m, soon) == 0)
            mn_msg_free(m);
        break;
    case 7: SAID(mn_proc_inspect_until(pid, &report, sizeof report, soon), -ETIMEDOUT, -ESRCH); break;
    case 8: SAID(mn_proc_inspect_until(pid, &report, sizeof report, 0), -ETIMEDOUT, -ESRCH); break;
    case 9: SAID(mn_proc_related_until(pid, MN_LINKED, some, 8, soon), -ETIMEDOUT, -ESRCH); break;
    case 10: SAID(mn_proc_info(pid, &state), -ESRCH); break;
    case 11: SAID(mn_proc_list(some, 8)); break;
    case 12: SAID(mn_proc_set_priority(pid, (enum mn_priority)pick(seed, 3)), -ESRCH); break;
    case 13: SAID(mn_register(name, pid), -ESRCH, -EEXIST); break;
    case 14: SAID(mn_unregister(name), -ENOENT); break;
    case 15: SAID(mn_group_join(name, pid), -ESRCH); break;
    case 16: SAID(mn_group_leave(name, pid), -ENOENT); break;
    case 17: SAID(mn_group_members(name, some, 8)); break;
    case 18:
        SAID(mn_post_at(pid, soon, 3, "timed", 6, &ref));
        if (pick(seed, 2))
            SAID(mn_cancel_timer(ref), -ENOENT);
        break;
    default: another(seed);
    }
}

static void act(unsigned *seed) {
    mn_pid pid = pids[pick(seed, PIDS)];
    if (mn_pid_self() && pick(seed, 3) == 0)
        as_process(seed, pid);
    else
        as_anyone(seed, pid);
}

static void got(unsigned *seed, struct mn_msg *m) {
    if (m->type == MN_MSG_CALL && pick(seed, 4))
        mn_reply(m, 1, NULL, 0);
    if (m->type == MN_MSG && m->tag == 1 && pick(seed, 20) == 0)
        mn_proc_exit_with(2002, bytes, 10);
    act(seed);
}

static int life(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg + 1;
    while (!stop && pick(&seed, 60)) {
        struct mn_msg *m;
        struct mn_match match = {.fields = MN_MATCH_TAG, .tag = pick(&seed, 50)};
        int64_t until = mn_after(pick(&seed, 200000));
        int r = pick(&seed, 4) ? mn_receive_until(&m, until) : mn_receive_match_until(&m, &match, until);
        if (r == 0) {
            got(&seed, m);
            if (pick(&seed, 8))
                mn_msg_free(m);
        }
        act(&seed);
    }
    return pick(&seed, 2) ? 0 : -EIO;
}

static int begins(void *state) {
    return pick(state, 30) ? MN_GO_ON : -EBADMSG;
}

static int handles(void *state, struct mn_msg *m) {
    got(state, m);
    if (pick(state, 10) == 0)
        mn_msg_keep(m);
    if (pick(state, 4) == 0)
        mn_timeout_at(mn_after(pick(state, 100000)));
    return pick(state, 80) ? MN_GO_ON : pick(state, 2) ? MN_STOP : -EIO;
}

static int late(void *state) {
    act(state);
    return MN_GO_ON;
}

static void ends(void *state, int64_t reason) {
    (void)reason;
    act(state);
}

static void *outside(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    while (!stop)
        act(&seed);
    return NULL;
}

/* Every `each`th of those that live. */
static int64_t kill_some(unsigned each) {
    static mn_pid list[4 * MOST];
    int64_t n = mn_proc_list(list, 4 * MOST);
    for (int64_t i = 0; i < n && i < 4 * MOST; i += each)
        mn_exit_signal(list[i], MN_REASON_KILL);
    return n;
}

static int all(void *arg) {
    unsigned seed = 1;
    mn_thread thread[OUTSIDERS];
    pthread_t lwp[OUTSIDERS];
    (void)arg;
    for (uintptr_t i = 0; i < OUTSIDERS; i++) {
        mn_go(&thread[i], outside, (void *)(i + 1));
        pthread_create(&lwp[i], NULL, outside, (void *)(i + 100));
    }
    for (int64_t end = mn_after((int64_t)(1e9 * scale())); mn_now() < end; mn_sleep(500000)) {
        for (int i = 0; i < PIDS; i++)
            if (!mn_alive(pids[i]))
                another(&seed);
        if (mn_proc_list(NULL, 0) > MOST)
            kill_some(2);
    }
    stop = 1;
    for (int i = 0; i < OUTSIDERS; i++) {
        mn_join(thread[i], NULL);
        while (pthread_tryjoin_np(lwp[i], NULL) != 0)
            mn_sleep(100000);
    }
    is(wrong, 0, "what calls say");
    int64_t left = -1;
    for (int i = 0; i < 20000 && left; i++) {
        left = kill_some(1);
        mn_sleep(500000);
    }
    is(left, 0, "all end");
    is(mn_registered(NULL, 0), 0, "no name is left");
    int64_t members = 0;
    for (int i = 0; i < 3; i++)
        members += mn_group_members(names[i], NULL, 0);
    is(members, 0, "nor a member of a group");
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
