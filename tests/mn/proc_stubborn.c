/* timeout: 120 */
/*
 * Processes that heed nothing, in threads and in callbacks: whatever call that can block they go on making,
 * they end there when they are killed, and when the runtime ends.
 */
#include "proc_actor.h"

#include <fcntl.h>
#include <mn/child.h>
#include <mn/kqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* What they wait for never happens. */
static struct mn_mutex mutex = MN_MUTEX_INIT;
static struct mn_rmutex rmutex;
static struct mn_rwlock rwlock;
static struct mn_sem sem;
static struct mn_barrier barrier;
static struct mn_event event;
static struct mn_waitgroup group;
static struct mn_once once;
static struct mn_chan *chan;
static struct mn_future *future;
static int quiet[2], full, listener, kq;
static mn_pid mute, stuffed, sup;
static mn_thread sleeper;

static int never(void *arg) {
    (void)arg;
    mn_shield(true);
    mn_event_wait(&event);
    return 0;
}

static int in_scope(void *arg) {
    (void)arg;
    mn_sleep(MN_FOREVER);
    return 0;
}

static void nothing(void *arg) {
    (void)arg;
}

static void do_sleep(void) { mn_sleep(MN_FOREVER); }
static void do_sleep_0(void) { mn_sleep(0); }
static void do_sleep_until(void) { mn_sleep_until(mn_after(50000000000)); }
static void do_yield(void) { mn_yield(); }
static void do_park(void) { mn_park("nothing"); }
static void do_park_until(void) { mn_park_until("nothing", mn_after(1000000)); }
static void do_mutex(void) { mn_mutex_lock(&mutex); }
static void do_mutex_until(void) { mn_mutex_lock_until(&mutex, mn_after(1000000)); }
static void do_rmutex(void) { mn_rmutex_lock(&rmutex); }
static void do_read_lock(void) { mn_rwlock_rdlock(&rwlock); }
static void do_write_lock(void) { mn_rwlock_wrlock(&rwlock); }
static void do_sem(void) { mn_sem_wait(&sem); }
static void do_barrier(void) { mn_barrier_wait(&barrier); }
static void do_event(void) { mn_event_wait(&event); }
static void do_waitgroup(void) { mn_waitgroup_wait(&group); }
static void do_once(void) {
    if (mn_once_run(&once, never, NULL) == 0)
        mn_yield(); /* it is over, and does not block any more */
}
static void do_send(void) { mn_chan_send(chan, &full); }
static void do_recv(void) { int n; mn_chan_recv(chan, &n); mn_chan_recv(chan, &n); }
static void do_select(void) {
    struct mn_case c = {.kind = MN_CASE_RECV, .channel = chan, .data = &c.error};
    mn_select(&c, 1, MN_FOREVER);
    mn_select(&c, 1, MN_FOREVER);
}
static void do_future(void) { mn_future_get(future, NULL); }
static void do_join(void) { mn_join(sleeper, NULL); }
static void do_scope(void) {
    struct mn_scope *s;
    if (mn_scope_open(&s, 0) < 0)
        return;
    mn_scope_go(s, in_scope, NULL);
    mn_scope_wait(s);
    mn_scope_close(s);
}
static void do_read(void) { char c; mn_read(quiet[0], &c, 1); }
static void do_read_until(void) { char c; mn_read_until(quiet[0], &c, 1, mn_after(1000000)); }
static void do_write(void) { static char block[65536]; mn_write_all(full, block, sizeof block); }
static void do_readable(void) { mn_wait_readable(quiet[0]); }
static void do_poll(void) {
    struct pollfd p = {.fd = quiet[0], .events = POLLIN};
    mn_poll(&p, 1);
}
static void do_accept(void) { mn_accept(listener, NULL, NULL); }
static void do_recvmsg(void) {
    struct msghdr m = {0};
    mn_recvmsg(quiet[1], &m, 0);
}
static void do_kevent(void) {
    struct kevent e;
    mn_kevent(kq, NULL, 0, &e, 1, NULL);
}
static void do_stat(void) { struct stat st; mn_stat("/", &st); }
static void do_pread(void) {
    static int fd = -1;
    char c;
    if (fd < 0)
        fd = mn_open("/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
    mn_pread(fd, &c, 1, 0);
}
static void do_block_call(void) { mn_block_call(nothing, NULL); }
static void do_resolve(void) {
    struct addrinfo *a = NULL, hints = {.ai_flags = AI_NUMERICHOST};
    if (mn_getaddrinfo("127.0.0.1", NULL, &hints, &a) == 0)
        freeaddrinfo(a);
}
static void do_waitid(void) {
    siginfo_t info;
    mn_waitid(P_PID, (id_t)getppid(), &info, WEXITED);
}
static void do_receive(void) { struct mn_msg *m; mn_receive(&m); }
static void do_receive_until(void) { struct mn_msg *m; mn_receive_until(&m, mn_after(1000000)); }
static void do_receive_match(void) {
    struct mn_msg *m;
    mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_TAG, .tag = 77});
}
static void do_call(void) { mn_call(mute, 1, NULL, 0, NULL); }
static void do_call_until(void) { mn_call_until(mute, 1, NULL, 0, NULL, mn_after(1000000)); }
static void do_post(void) { mn_post(stuffed, 1, NULL, 0); }
static void do_cond(void) {
    struct mn_mutex m = MN_MUTEX_INIT;
    struct mn_cond c = MN_COND_INIT;
    mn_mutex_lock(&m);
    mn_cond_wait(&c, &m);
    mn_mutex_unlock(&m);
}
static void do_sup(void) { mn_sup_stop_child(sup, "nobody"); }
static void do_ticker(void) {
    struct mn_ticker t;
    mn_ticker_init(&t, 1000000);
    mn_ticker_wait(&t);
}
static void do_send_itself(void) {
    struct mn_msg *m;
    mn_post(mn_pid_self(), 1, NULL, 0);
    if (mn_receive(&m) == 0) /* a callback may not */
        mn_msg_free(m);
}

/* QUICK: it may have nothing to wait for. */
#define CALL(what) {#what, do_##what, false}
#define QUICK(what) {#what, do_##what, true}
static const struct {
    const char *name;
    void (*call)(void);
    bool quick;
} calls[] = {
    CALL(sleep),      CALL(sleep_0),       CALL(sleep_until),   CALL(yield),      CALL(park),
    CALL(park_until), CALL(mutex),         CALL(mutex_until),   CALL(rmutex),     CALL(read_lock),
    CALL(write_lock), CALL(sem),           CALL(barrier),       CALL(event),      CALL(waitgroup),
    CALL(once),       QUICK(send),          QUICK(recv),          QUICK(select),     CALL(future),
    QUICK(join),       CALL(scope),         CALL(read),          CALL(read_until), CALL(write),
    CALL(readable),   CALL(poll),          CALL(accept),        CALL(recvmsg),    CALL(kevent),
    QUICK(stat),       QUICK(pread),         QUICK(block_call),    QUICK(resolve),    QUICK(waitid),
    QUICK(receive),    QUICK(receive_until), QUICK(receive_match), CALL(call),       CALL(call_until),
    CALL(post),       CALL(cond),          CALL(sup),           CALL(ticker),     QUICK(send_itself),
};
enum { CALLS = sizeof calls / sizeof *calls };

_Noreturn static int stubborn(void *arg) {
    for (;;)
        calls[(intptr_t)arg].call();
}

static atomic_int shielded, go_on, returned;
static bool in_callback;

/* It is killed before it calls.  A thread comes back from no call then, a callback from none that waits. */
static int late(void *arg) {
    mn_shield(true);
    atomic_store(&shielded, 1);
    while (!atomic_load(&go_on))
        mn_yield();
    mn_shield(false);
    calls[(intptr_t)arg].call();
    if (!(in_callback && calls[(intptr_t)arg].quick))
        atomic_fetch_add(&returned, 1);
    stubborn(arg);
}

static int stubborn_callback(void *state, struct mn_msg *m) {
    (void)m;
    stubborn(*(void **)state);
}

static int late_callback(void *state, struct mn_msg *m) {
    (void)m;
    return late(*(void **)state);
}

/* In threads of their own, or in callbacks. */
static mn_pid start(bool is_late, intptr_t i) {
    static const struct mn_handler handlers[] = {
        {.state_size = sizeof(void *), .handle_message = stubborn_callback},
        {.state_size = sizeof(void *), .handle_message = late_callback}};
    mn_pid pid = 0;
    if (!in_callback)
        mn_spawn(&pid, is_late ? late : stubborn, (void *)i);
    else if (mn_spawn_handler(&pid, &handlers[is_late], &i, sizeof i, NULL) == 0)
        mn_post(pid, 0, NULL, 0);
    return pid;
}

static int holder(void *arg) {
    mn_mutex_lock(&mutex);
    mn_rmutex_lock(&rmutex);
    mn_rwlock_wrlock(&rwlock);
    mn_event_set(arg);
    mn_once_run(&once, never, NULL);
    return 0;
}

static void *sleeps(void *arg) {
    never(arg);
    return NULL;
}

static int sits(void *arg) {
    (void)arg;
    return never(NULL);
}

static void prepare(void) {
    struct mn_event ready = {0};
    mn_pid pid;
    mn_sem_init(&sem, 0);
    mn_barrier_init(&barrier, 1000000);
    mn_waitgroup_add(&group, 1);
    mn_chan_create(&chan, sizeof(int), 1);
    mn_future_create(&future);
    mn_go(&sleeper, sleeps, NULL);
    mn_spawn(&pid, holder, &ready);
    mn_event_wait(&ready);
    mn_spawn(&mute, sits, NULL);
    mn_spawn_opt(&stuffed, &(struct mn_spawn_attr){.mailbox = 1}, sits, NULL);
    mn_post(stuffed, 1, NULL, 0);
    mn_sup_start(&sup, &(struct mn_sup){.strategy = MN_DYNAMIC});
    mn_socketpair(AF_UNIX, SOCK_STREAM, 0, quiet);
    int other[2];
    mn_socketpair(AF_UNIX, SOCK_STREAM, 0, other);
    full = other[0];
    listener = mn_listen_tcp("127.0.0.1", "0", 5);
    kq = mn_kqueue();
}

static bool ends(mn_pid pid, mn_ref ref, int i) {
    struct mn_match match = {.fields = MN_MATCH_REF, .ref = ref};
    struct mn_msg *m = NULL;
    mn_exit_signal(pid, i % 2 ? MN_REASON_KILL : 2000);
    atomic_store(&go_on, 1);
    mn_receive_match_until(&m, &match, mn_after(20000000000));
    bool right = m && mn_msg_reason(m) == (i % 2 ? MN_REASON_KILLED : 2000);
    mn_msg_free(m);
    return right;
}

static void kind(bool callback) {
    const char *what = callback ? "a callback" : "a thread";
    in_callback = callback;
    mn_pid pids[CALLS];
    mn_ref refs[CALLS];
    for (intptr_t i = 0; i < CALLS; i++) {
        pids[i] = start(false, i);
        mn_monitor(pids[i], &refs[i]);
    }
    mn_sleep(5000000);
    for (int i = 0; i < CALLS; i++)
        ok(ends(pids[i], refs[i], i), "%s ends where it waits: %s", what, calls[i].name);
    for (intptr_t i = 0; i < CALLS; i++) {
        atomic_store(&shielded, 0);
        atomic_store(&go_on, 0);
        pids[i] = start(true, i);
        mn_monitor(pids[i], &refs[i]);
        while (!atomic_load(&shielded))
            mn_yield();
        ok(ends(pids[i], refs[i], (int)i), "%s ends before it waits: %s", what, calls[i].name);
    }
    is(atomic_load(&returned), 0, "none of them returned to one that had been killed");
    for (intptr_t i = 0; i < CALLS; i++)
        start(false, i);
}

static int all(void *arg) {
    (void)arg;
    mn_attach();
    prepare();
    kind(false);
    kind(true);
    mn_sleep(2000000);
    mn_event_set(&event); /* for those that are shielded */
    mn_event_reset(&event);
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "the runtime ends although they go on");
    return done();
}
