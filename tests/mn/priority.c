/* Changing the priority of threads and processes that have started. */
#include "proc_actor.h"

enum { TURNS = 4000 };
static atomic_int turns[2], stop;

static void *takes_turns(void *arg) {
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&turns[(intptr_t)arg], 1);
        mn_yield();
    }
    return NULL;
}

/* How many turns the second kind gets while the first has TURNS. */
static int turns_of_second(void) {
    mn_sleep(1000000); /* until they have noticed */
    int first = atomic_load(&turns[0]), second = atomic_load(&turns[1]);
    while (atomic_load(&turns[0]) - first < TURNS)
        mn_sleep(100000);
    return (int)((int64_t)(atomic_load(&turns[1]) - second) * TURNS / (atomic_load(&turns[0]) - first + 1));
}

/* With one worker: who runs is the scheduler's choice alone.  Two threads of the first kind, so that one is
 * ready when another yields. */
static void order(void) {
    static const struct {
        enum mn_priority priority;
        int least, most;
        const char *what;
    } steps[] = {{MN_NORMAL, TURNS / 4, TURNS, "a third of the turns with normal priority"},
                 {MN_LOW, 1, TURNS / 8, "few with low"},
                 {MN_NORMAL, TURNS / 4, TURNS, "a third with normal again"},
                 {MN_HIGH, TURNS * 3 / 4, TURNS * 2, "each second one with high"}};
    mn_thread t[3];
    for (intptr_t i = 0; i < 3; i++)
        mn_go(&t[i], takes_turns, (void *)(i / 2));
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        is(mn_set_priority(t[2], steps[i].priority), 0, "mn_set_priority");
        int n = turns_of_second();
        /* One whose LWP the kernel has stopped has none for a while. */
        for (int again = 0; again < 300 && (n < steps[i].least || n > steps[i].most); again++)
            n = turns_of_second();
        ok(n >= steps[i].least && n <= steps[i].most, "%s: %d", steps[i].what, n);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 3; i++)
        mn_join(t[i], NULL);
    is(mn_set_priority(t[0], MN_LOW), -ESRCH, "one that has ended");
}

/* ---- processes */

static int waits(void *arg) {
    (void)arg;
    struct mn_msg *m;
    return mn_receive(&m);
}

static int message(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == 1)
        return mn_set_priority(mn_self(), MN_LOW);
    return mn_reply(m, 0, NULL, 0);
}

static void processes(void) {
    static const struct mn_handler h = {.handle_message = message};
    struct mn_proc_state st;
    for (int handler = 0; handler < 2; handler++) {
        mn_pid pid;
        mn_ref ref;
        if (handler)
            mn_spawn_handler(&pid, &h, NULL, 0, NULL);
        else
            mn_spawn(&pid, waits, NULL);
        mn_monitor(pid, &ref);
        for (int p = MN_LOW; p >= MN_NORMAL; p--) {
            is(mn_proc_set_priority(pid, (enum mn_priority)p), 0, "mn_proc_set_priority");
            if (handler)
                mn_call(pid, 0, NULL, 0, NULL);
            mn_proc_info(pid, &st);
            is(st.priority, p, "shown by mn_proc_info");
        }
        is(mn_proc_set_priority(pid, (enum mn_priority)3), -EINVAL, "no such priority");
        mn_post(pid, 1, NULL, 0);
        ok(comes(MN_MSG_DOWN, pid, handler ? -EPERM : 0),
           handler ? "a callback cannot set its executor's" : "it ends");
        is(mn_proc_set_priority(pid, MN_HIGH), -ESRCH, "no such process");
    }
    is(mn_set_priority(mn_self(), (enum mn_priority)-1), -EINVAL, "no such priority");
    is(mn_set_priority(0, MN_LOW), -ESRCH, "no such thread");
}

/* ---- changes while they are queued, woken, ended */

static _Atomic mn_thread shown[8]; /* one of these has ended, or is another by now */

static void *changes(void *arg) {
    mn_thread *all = arg;
    unsigned seed = 1;
    while (!atomic_load(&stop)) {
        seed = seed * 1103515245 + 12345;
        unsigned i = seed >> 16 & 7;
        mn_set_priority(seed >> 20 & 1 ? all[i] : atomic_load(&shown[i]), (enum mn_priority)((seed >> 24) % 3));
        if (seed >> 28 == 0)
            mn_yield();
    }
    return NULL;
}

static void *short_one(void *arg) {
    mn_yield();
    return arg;
}

static void *starts(void *arg) {
    while (!atomic_load(&stop)) {
        mn_thread t;
        if (mn_go(&t, short_one, arg) == 0) {
            atomic_store((_Atomic mn_thread *)arg, t);
            mn_yield();
            mn_join(t, NULL);
        }
    }
    return NULL;
}

static void at_random(void) {
    static mn_thread all[8];
    mn_thread changer[2];
    atomic_store(&stop, 0);
    for (int i = 0; i < 8; i++)
        mn_go(&all[i], i % 2 ? takes_turns : starts, i % 2 ? NULL : (void *)&shown[i]);
    mn_go(&changer[0], changes, all);
    mn_go_attr(&changer[1], &(struct mn_attr){.flags = MN_BOUND}, changes, all);
    mn_sleep((int64_t)(100000000 * scale()));
    atomic_store(&stop, 1);
    for (int i = 0; i < 8; i++)
        mn_join(all[i], NULL);
    mn_join(changer[0], NULL);
    mn_join(changer[1], NULL);
    ok(true, "all end, though their priorities change all the time");
}

static int all(void *arg) {
    (void)arg;
    mn_attach();
    mn_set_priority(mn_self(), MN_HIGH);
    if (mn_workers() == 1)
        order();
    processes();
    mn_set_priority(mn_self(), MN_NORMAL);
    at_random();
    return 0;
}

int main(void) {
    is(mn_set_priority(1, MN_LOW), -EPERM, "without a runtime");
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
