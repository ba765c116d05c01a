/* Exits that race with unlinking, receiving and starting; the order of a message and an exit; priorities. */
#include "proc_actor.h"

static mn_pid self;

/* Ends at about the time at which the other unlinks. */
static int short_life(void *arg) {
    for (int i = 0; i < (int)(intptr_t)arg; i++)
        mn_yield();
    return -EIO;
}

static int races(void *arg) {
    (void)arg;
    struct mn_spawn_attr linked = {.flags = MN_SPAWN_LINK};
    mn_trap_exit(true);
    int wrong = 0;
    for (int i = 0; i < (int)(200 * scale()); i++) {
        mn_pid pid;
        mn_spawn_opt(&pid, &linked, short_life, (void *)(intptr_t)(i % 4));
        for (int k = 0; k < i / 4 % 4; k++)
            wrong += mn_yield() != 0;
        mn_proc_unlink(pid);
        struct mn_match exit = {.fields = MN_MATCH_TYPE, .type = MN_MSG_EXIT};
        struct mn_msg *m;
        while (mn_receive_match_until(&m, &exit, 0) == 0) /* before the unlinking */
            mn_msg_free(m);
        wrong += mn_yield() != 0;
        wrong += mn_receive_match_until(&m, &exit, 0) != -ETIMEDOUT;
    }
    mn_trap_exit(false);
    for (int i = 0; i < (int)(200 * scale()); i++) {
        mn_pid pid;
        mn_trap_exit(true);
        mn_spawn_opt(&pid, &linked, short_life, (void *)(intptr_t)(i % 4));
        mn_proc_unlink(pid);
        mn_trap_exit(false);
        wrong += mn_sleep(1000) != 0; /* a stale poke would end it */
        mn_spawn(&pid, short_life, (void *)(intptr_t)(i % 4));
        mn_trap_exit(true);
        mn_proc_link(pid);
        mn_proc_unlink(pid);
        mn_trap_exit(false);
        wrong += mn_sleep(1000) != 0;
        struct mn_msg *m;
        while (mn_receive_until(&m, 0) == 0)
            mn_msg_free(m);
    }
    return wrong ? -EPROTO : 0;
}

static int timed(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive_until(&m, mn_after(20000));
        if (r != -ETIMEDOUT)
            return -EPROTO;
    }
}

static int receives(void *arg) {
    struct mn_msg *m;
    (void)arg;
    return mn_receive(&m);
}

static void racing(void) {
    enum { N = 8 };
    mn_pid pid[N];
    int wrong = 0;
    for (int i = 0; i < N; i++)
        pid[i] = spawn_watched(races, NULL, 0);
    for (int i = 0; i < N; i++)
        wrong += !comes(MN_MSG_DOWN, 0, 0);
    is(wrong, 0, "unlinking races with the end: no exit afterwards, no wait disturbed");
    (void)pid;
    for (int i = 0; i < 100; i++) {
        mn_pid t = spawn_watched(timed, NULL, 0);
        mn_sleep(15000 + i * 100);
        mn_exit_signal(t, 2013);
        wrong += !comes(MN_MSG_DOWN, t, 2013);
    }
    is(wrong, 0, "an exit signal races with a timed receive");
    for (int i = 0; i < 300; i++) {
        mn_pid t = spawn_watched(receives, NULL, 0);
        if (i % 2)
            mn_yield();
        mn_exit_signal(t, 2014);
        wrong += !comes(MN_MSG_DOWN, t, 2014);
    }
    is(wrong, 0, "an exit signal to one that has hardly begun");
}

/* ---- order: a message, then the exit; and priorities */

static int sends_and_ends(void *arg) {
    for (uint64_t i = 0; i < 10; i++)
        mn_post(*(mn_pid *)arg, i, NULL, 0);
    mn_proc_exit(2015);
}

static void ordered(void) {
    mn_trap_exit(true);
    int wrong = 0;
    for (int k = 0; k < 50; k++) {
        struct mn_spawn_attr linked = {.flags = MN_SPAWN_LINK};
        mn_pid pid;
        mn_spawn_opt(&pid, &linked, sends_and_ends, &self);
        for (uint64_t i = 0; i < 10; i++) {
            struct mn_msg *m = next_msg();
            wrong += !m || m->type != MN_MSG || m->tag != i;
            mn_msg_free(m);
        }
        wrong += !comes(MN_MSG_EXIT, pid, 2015);
    }
    is(wrong, 0, "messages come before the exit of their sender");
    mn_trap_exit(false);
}

static atomic_long turns[3];
static atomic_int stop;
static int spins(void *arg) {
    while (!stop) {
        atomic_fetch_add(&turns[(intptr_t)arg], 1);
        mn_yield();
    }
    return 0;
}

static void priorities(void) {
    mn_pid pid[3];
    struct mn_spawn_attr low = {.priority = MN_LOW};
    mn_spawn_opt(&pid[0], &low, spins, (void *)0);
    mn_spawn(&pid[1], spins, (void *)1);
    for (int i = 0; i < 2000 && (turns[0] == 0 || turns[1] < 100); i++)
        mn_sleep(1000000);
    ok(turns[0] > 0 && turns[1] >= 100, "low priority progresses beside normal");
    stop = 1;
    await_end(pid[0]);
    await_end(pid[1]);
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    racing();
    ordered();
    priorities();
    ok(nothing_comes(), "nothing is left");
    return 0;
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
