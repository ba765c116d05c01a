/* Timers that send messages; timeouts of handlers; looking at processes. */
#include "proc_actor.h"
#include "procfs.h"

#include <pthread.h>

static mn_pid self;

static bool times_out(mn_ref ref, uint64_t tag) {
    struct mn_msg *m = next_msg();
    bool right = m && m->type == MN_MSG_TIMEOUT && m->ref == ref && m->tag == tag;
    mn_msg_free(m);
    return right;
}

static int sets_and_ends(void *arg) {
    for (int i = 0; i < 50; i++)
        mn_post_at(mn_pid_self(), mn_after(60000000000), 1,
                   "some bytes that do not fit into a small block, as they are", 56, i % 2 ? NULL : arg);
    return 0;
}

static int waits(void *arg) {
    struct mn_msg *m;
    (void)arg;
    return mn_receive(&m);
}

static void timers(void) {
    mn_ref ref, other;
    int64_t from = mn_now();
    is(mn_start_timer(self, from + 2000000, 7, &ref), 0, "mn_start_timer");
    int64_t rest = mn_read_timer(ref);
    ok((rest > 0 && rest <= 2000000) || mn_now() >= from + 2000000, "mn_read_timer");
    ok(times_out(ref, 7) && mn_now() >= from + 2000000, "it expires, not early");
    is(mn_read_timer(ref), -ENOENT, "it is over");
    is(mn_cancel_timer(ref), -ENOENT, "and cannot be cancelled");
    mn_start_timer(self, mn_after(3600000000000), 8, &ref);
    int64_t left = mn_cancel_timer(ref);
    ok(left > 3500000000000 && left <= 3600000000000, "mn_cancel_timer says what was left");
    is(mn_cancel_timer(ref), -ENOENT, "once");
    is(mn_post_at(self, mn_after(1000000), 9, "bytes", 6, NULL), 0, "mn_post_at");
    struct mn_msg *m = next_msg();
    ok(m && m->type == MN_MSG && m->tag == 9 && m->from == self && strcmp(m->data, "bytes") == 0, "it comes");
    mn_msg_free(m);
    mn_start_timer(self, 0, 1, &ref);
    ok(times_out(ref, 1), "a deadline that had passed");
    bool in_order, in_time;
    int64_t span = 3000000;
    do { /* on a busy machine the first to be started may expire before the second is */
        int64_t later = mn_after(span);
        mn_start_timer(self, later, 2, &other);
        mn_start_timer(self, mn_after(1000000), 1, &ref);
        in_time = mn_now() < later - span / 2;
        struct mn_msg *first = next_msg(), *second = next_msg();
        in_order =
            first && second && first->tag == 1 && first->ref == ref && second->tag == 2 && second->ref == other;
        mn_msg_free(first), mn_msg_free(second);
        span *= 3;
    } while (!in_order && !in_time && span < 10000000000);
    ok(in_order, "in the order of their deadlines");
    mn_pid pid;
    mn_spawn(&pid, sets_and_ends, &other);
    await_end(pid);
    is(mn_read_timer(other), -ENOENT, "a process's own timers are forgotten when it ends");
    is(mn_start_timer(pid, mn_after(100000), 1, &ref), 0, "a timer for one that has ended");
    is(mn_read_timer(ref), -ENOENT, "is none");
    mn_sleep(200000);
    is(mn_read_timer(ref), -ENOENT, "when it expires, too");
    mn_spawn(&pid, waits, NULL);
    mn_start_timer(pid, mn_after(3600000000000), 1, &ref);
    mn_start_timer(pid, mn_after(3600000000000), 1, &other);
    ok(mn_read_timer(ref) > 0, "a timer for another");
    mn_exit_signal(pid, MN_REASON_KILL);
    await_end(pid);
    is(mn_read_timer(ref), -ENOENT, "goes when that ends");
    is(mn_cancel_timer(other), -ENOENT, "and cannot be cancelled");
    int wrong = 0, came = 0;
    for (int i = 0; i < 500; i++) {
        mn_start_timer(self, mn_after(i * 200), 3, &ref);
        if (i % 3)
            mn_yield();
        bool cancelled = mn_cancel_timer(ref) >= 0;
        bool there = mn_receive_until(&m, cancelled ? 0 : mn_after(50000000000)) == 0;
        wrong += there == cancelled;
        came += there;
        if (there)
            mn_msg_free(m);
    }
    is(wrong, 0, "cancelling races with expiry: a message or not, %d of them", came);
}

static void *foreign(void *arg) {
    (void)arg;
    mn_ref ref;
    long r = mn_start_timer(self, mn_after(1000000), 5, NULL);
    r |= mn_start_timer(self, mn_after(3600000000000), 6, &ref);
    r |= mn_cancel_timer(ref) <= 0;
    return (void *)r;
}

/* ---- handlers */

struct state {
    int timeouts, messages;
    int64_t again;
};

static int message(void *state, struct mn_msg *m) {
    struct state *s = state;
    s->messages++;
    if (m->tag == 1)
        return mn_timeout_at(mn_after(*(const int64_t *)m->data));
    return MN_GO_ON;
}

static int call(void *state, struct mn_msg *m) {
    mn_reply(m, 0, state, sizeof(struct state));
    return MN_GO_ON;
}

static int timeout(void *state) {
    struct state *s = state;
    mn_post(self, (uint64_t)++s->timeouts, NULL, 0);
    return s->timeouts == 3 ? MN_STOP : s->timeouts == 2 ? mn_timeout_at(mn_after(100000)) : MN_GO_ON;
}

static const struct mn_handler idler = {.state_size = sizeof(struct state),
                                        .handle_message = message,
                                        .handle_call = call,
                                        .handle_timeout = timeout,
                                        .name = "idler"};

static void handlers(void) {
    mn_pid pid;
    mn_ref ref;
    struct mn_spawn_attr attr = {.flags = MN_SPAWN_MONITOR, .monitor = &ref};
    mn_spawn_handler(&pid, &idler, NULL, 0, &attr);
    int64_t span = 1000000, longer = 3600000000000;
    mn_post(pid, 1, &span, sizeof span);
    struct mn_msg *m = next_msg();
    ok(m && m->from == pid && m->tag == 1, "handle_timeout");
    mn_msg_free(m);
    mn_post(pid, 1, &longer, sizeof longer);
    struct mn_msg *reply = NULL;
    mn_call(pid, 0, NULL, 0, &reply);
    is(((const struct state *)reply->data)->timeouts, 1, "a message takes a timeout back");
    mn_msg_free(reply);
    ok(nothing_comes(), "really");
    mn_post(pid, 1, &span, sizeof span);
    for (int i = 2; i <= 3; i++) {
        m = next_msg();
        ok(m && m->tag == (uint64_t)i, "a timeout in handle_timeout, %d", i);
        mn_msg_free(m);
    }
    ok(comes(MN_MSG_DOWN, pid, 0), "it stops there");
    is(mn_timeout_at(1), -EPERM, "mn_timeout_at in a thread");
}

/* ---- many of them */

/* Ten under way at any time: what those leave that have expired must not pile up. */
static void one_after_another(void) {
    enum { N = 100000, AT_ONCE = 10 };
    long before = 0;
    int came = 0;
    for (int i = 0; i < N; i++) {
        mn_start_timer(self, mn_after(1000), 1, NULL);
        struct mn_msg *m = i < AT_ONCE ? NULL : next_msg();
        came += m && m->type == MN_MSG_TIMEOUT;
        mn_msg_free(m);
        if (i == N / 10)
            before = count_rss_kib();
    }
    for (int i = 0; i < AT_ONCE; i++)
        came += comes(MN_MSG_TIMEOUT, self, 1);
    is(came, N, "a process sets timers for itself, one after another");
    const char *tools = getenv("ODONATA_SANITIZERS");
    long more = count_rss_kib() - before;
    ok((tools && *tools) || more < 2000, "they leave nothing behind: %ld KiB", more);
}

/* Each is found without a look at the others. */
static void many_at_once(void) {
    enum { N = 100000 };
    mn_ref *timer = malloc(N * sizeof *timer);
    int left = 0, none = 0;
    for (int i = 0; i < N; i++)
        mn_start_timer(self, mn_after(3600000000000 + i), 1, &timer[i]);
    for (int i = 0; i < N; i++)
        left += mn_read_timer(timer[i]) > 0 && mn_cancel_timer(timer[i]) > 0;
    for (int i = 0; i < N; i++)
        none += mn_cancel_timer(timer[i]) == -ENOENT && mn_read_timer(timer[i]) == -ENOENT;
    ok(left == N && none == N, "%d timers at once, cancelled in the order in which they were set", N);
    free(timer);
}

/* ---- looking */

static void looking(void) {
    mn_pid pid, all[100];
    mn_spawn_handler(&pid, &idler, NULL, 0, NULL);
    for (int i = 0; i < 10; i++)
        mn_post(pid, 2, NULL, 0);
    struct mn_proc_state info;
    for (int i = 0; i < 5000 && mn_proc_info(pid, &info) == 0 && (info.received < 10 || info.mailbox > 0); i++)
        mn_sleep(1000000);
    ok(info.pid == pid && info.parent == self && info.handler == &idler && strcmp(info.name, "idler") == 0 &&
           info.thread == 0 && info.received == 10 && info.mailbox == 0,
       "mn_proc_info of a handler");
    is(mn_proc_info(self, &info), 0, "of a thread");
    ok(info.thread == mn_self() && !info.handler && !info.traps_exit, "it is the caller's");
    is(mn_proc_info(123456789, &info), -ESRCH, "of nobody");
    is(mn_proc_list(NULL, 0), 2, "how many processes there are");
    is(mn_proc_list(all, 100), 2, "mn_proc_list");
    ok((all[0] == pid && all[1] == self) || (all[1] == pid && all[0] == self), "both");
    mn_exit_signal(pid, MN_REASON_KILL);
    await_end(pid);
    is(mn_proc_list(all, 100), 1, "one is left");
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    timers();
    handlers();
    one_after_another();
    many_at_once();
    looking();
    pthread_t lwp;
    void *result = NULL;
    pthread_create(&lwp, NULL, foreign, NULL);
    ok(next_msg() != NULL, "a timer of a foreign LWP");
    pthread_join(lwp, &result);
    ok(result == NULL, "which cancels one, too");
    mn_post_at(self, mn_after(3600000000000), 1, &result, 8, NULL); /* left behind */
    char big[5000] = {0};
    mn_post_at(1, mn_after(3600000000000), 1, big, sizeof big, NULL);
    ok(nothing_comes(), "nothing is left");
    return 0;
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    is(mn_run(job, NULL, NULL), 0, "again");
    return done();
}
