/* Processes: what happens where two things meet that are each tested for themselves. */
#include "proc_actor.h"

static mn_pid self;

static int64_t left_behind(void) {
    int64_t n = mn_mailbox_length();
    for (struct mn_msg *m; mn_receive_until(&m, 0) == 0; mn_msg_free(m))
        printf("# type %d from %lx tag %ld\n", m->type, (unsigned long)m->from, (long)m->tag);
    return n;
}

/* ---- more than one answer to a call */

static int answers_twice(void *arg) {
    (void)arg;
    for (struct mn_msg *m; mn_receive(&m) == 0; mn_msg_free(m)) {
        mn_reply(m, 1, NULL, 0);
        mn_reply(m, 2, NULL, 0);
    }
    return 0;
}

static mn_pid asker;
static mn_ref asked;
static struct mn_event called, answered;

static int another(void *arg) {
    mn_pid callee = *(mn_pid *)arg;
    mn_event_wait(&called);
    mn_exit_signal(callee, 3001);
    mn_reply_to(asker, asked, 3, NULL, 0);
    while (mn_alive(callee))
        mn_yield();
    return 0;
}

/* With one worker, both are there before the caller, of low priority, looks. */
static int leaves_answer_to_another(void *arg) {
    struct mn_msg *m;
    (void)arg;
    if (mn_receive(&m) < 0)
        return 0;
    asker = m->from;
    asked = m->ref;
    mn_event_set(&called);
    return mn_receive(&m);
}

static int calls_low(void *arg) {
    mn_pid callee = *(mn_pid *)arg;
    int r = mn_call(callee, 0, NULL, 0, NULL);
    mn_event_wait(&answered);
    return r == 0 || r == -ECONNRESET ? (int)-left_behind() : -EBADMSG;
}

static void two_answers(void) {
    struct mn_msg *m;
    mn_pid pid, caller;
    int right = 0;
    mn_spawn(&pid, answers_twice, NULL);
    for (int i = 0; i < 100; i++) {
        if (mn_call(pid, 0, NULL, 0, &m) == 0 && m->tag == 1)
            right++;
        mn_msg_free(m);
    }
    is(right, 100, "the first of two answers counts");
    is(left_behind(), 0, "the second is not in the mailbox");
    mn_exit_signal(pid, MN_REASON_KILL);
    int wrong = 0;
    for (int i = 0; i < 50; i++) {
        mn_ref ref;
        const struct mn_spawn_attr low = {.flags = MN_SPAWN_MONITOR, .monitor = &ref, .priority = MN_LOW};
        mn_event_init(&called);
        mn_event_init(&answered);
        mn_spawn(&pid, leaves_answer_to_another, NULL);
        mn_spawn_opt(&caller, &low, calls_low, &pid);
        mn_pid third;
        mn_spawn(&third, another, &pid);
        await_end(third);
        mn_event_set(&answered);
        wrong += !comes(MN_MSG_DOWN, caller, 0);
    }
    is(wrong, 0, "an answer by another, and the end of the callee");
}

/* ---- why a handler ends, when that is known in the middle of its callback */

enum { EXITS_ITSELF = 1, HEARS_LATE, HEARS_LATE_TIMED, CALLS, CALLS_BACK };

static struct mn_event in_callback, goes_on;

static int callback(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag <= HEARS_LATE_TIMED)
        mn_shield(true); /* it goes on to the callback's end */
    if (m->tag == EXITS_ITSELF) {
        mn_exit_signal(mn_pid_self(), 3002);
        mn_alloc(10);
    } else if (m->tag == HEARS_LATE || m->tag == HEARS_LATE_TIMED) {
        mn_event_set(&in_callback);
        mn_event_wait(&goes_on);
        mn_mailbox_length(); /* takes in the signal */
        if (m->tag == HEARS_LATE)
            mn_put(1, &self);
        else
            mn_timeout_at(mn_after(1000000000));
    } else if (m->tag == CALLS) {
        mn_pid to;
        memcpy(&to, m->data, sizeof to);
        int r = mn_call(to, 1, NULL, 0, NULL);
        mn_post(self, (uint64_t)(r + 10000), NULL, 0);
    }
    return MN_GO_ON;
}

static void ends_again(void *state, int64_t reason) {
    (void)state, (void)reason;
    mn_alloc(10);
    mn_proc_exit(3003);
}

static const struct mn_handler plain = {.handle_message = callback};
static const struct mn_handler stubborn = {.handle_message = callback, .terminate = ends_again};

static mn_pid start_watched(const struct mn_handler *h) {
    static mn_ref ref;
    mn_pid pid = 0;
    mn_spawn_handler(&pid, h, NULL, 0, &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref});
    return pid;
}

static void reasons(void) {
    mn_pid pid = start_watched(&plain);
    mn_post(pid, EXITS_ITSELF, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, 3002), "a callback sends itself an exit signal, then allocates");
    for (uint64_t tag = HEARS_LATE; tag <= HEARS_LATE_TIMED; tag++) {
        mn_event_init(&in_callback);
        mn_event_init(&goes_on);
        pid = start_watched(&plain);
        mn_post(pid, tag, NULL, 0);
        mn_event_wait(&in_callback);
        mn_exit_signal(pid, 3004);
        mn_event_set(&goes_on);
        ok(comes(MN_MSG_DOWN, pid, 3004), "one comes during a callback, which %s then",
           tag == HEARS_LATE ? "puts something into the dictionary" : "sets a timeout");
    }
    pid = start_watched(&stubborn);
    mn_exit_signal(pid, 3005);
    ok(comes(MN_MSG_DOWN, pid, 3005), "terminate allocates, and exits for another reason");
}

/* ---- a handler calls */

static mn_pid seen;

static int sees_caller(void *arg) {
    struct mn_msg *m;
    mn_ref ref;
    (void)arg;
    if (mn_receive(&m) < 0)
        return 0;
    seen = m->from;
    mn_monitor(m->from, &ref);
    mn_reply(m, 0, NULL, 0);
    mn_post(self, mn_receive(&m) == 0 && m->type == MN_MSG_DOWN ? (uint64_t)mn_msg_reason(m) : 1, NULL, 0);
    return 0;
}

static int never_answers(void *arg) {
    struct mn_msg *m;
    (void)arg;
    if (mn_receive(&m) < 0)
        return 0;
    mn_event_set(&called);
    return mn_receive(&m);
}

static void calls(void) {
    mn_pid callee, pid = start_watched(&plain);
    mn_spawn(&callee, sees_caller, NULL);
    mn_post(pid, CALLS, &callee, sizeof callee);
    ok(comes(MN_MSG, pid, 10000), "a callback calls");
    ok(seen == pid, "the callee sees who calls");
    mn_exit_signal(pid, 3006);
    ok(comes(MN_MSG_DOWN, pid, 3006) && comes(MN_MSG, callee, 3006), "and can monitor it");

    for (int trap = 0; trap < 2; trap++) {
        mn_event_init(&called);
        pid = start_watched(&plain);
        mn_spawn(&callee, never_answers, NULL);
        mn_post(pid, CALLS, &callee, sizeof callee);
        mn_event_wait(&called);
        mn_exit_signal(pid, trap ? 3007 : MN_REASON_KILL);
        ok(comes(MN_MSG_DOWN, pid, trap ? 3007 : MN_REASON_KILLED),
           "one that is to end does not wait for its callee, nor go on after the call");
        mn_exit_signal(callee, MN_REASON_KILL);
    }

    mn_event_init(&called);
    pid = start_watched(&plain);
    mn_spawn(&callee, never_answers, NULL);
    mn_post(pid, CALLS, &callee, sizeof callee);
    mn_event_wait(&called);
    mn_exit_signal(pid, MN_REASON_NORMAL);
    mn_post(pid, 0, NULL, 0);
    mn_exit_signal(callee, 3008);
    ok(comes(MN_MSG, pid, 10000 - ECONNRESET), "what does not end it disturbs no call");
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "it lived on");
}

/* ---- what a callback does to its thread is not the next one's, which has the same */

enum { SHIELDS = 1, CANCELS, IS_SHIELDED, IS_CANCELLED, SLEEPS };

static int does(void *state, struct mn_msg *m) {
    int r = 0;
    (void)state;
    switch (m->tag) {
    case SHIELDS: mn_shield(true); break;
    case CANCELS: mn_cancel(mn_self()); break;
    case IS_SHIELDED: r = mn_shield(false); break;
    case IS_CANCELLED: r = mn_cancelled(); break;
    case SLEEPS: r = mn_sleep(1000); break;
    }
    return mn_reply(m, (uint64_t)(r + 10000), NULL, 0);
}

static int64_t has(mn_pid pid, uint64_t tag) {
    struct mn_msg *m;
    if (mn_call(pid, tag, NULL, 0, &m) < 0)
        return -1;
    int64_t r = (int64_t)m->tag - 10000;
    mn_msg_free(m);
    return r;
}

static void threads(void) {
    static const struct mn_handler h = {.handle_message = does};
    mn_pid one, two;
    mn_spawn_handler(&one, &h, NULL, 0, NULL);
    mn_spawn_handler(&two, &h, NULL, 0, NULL);
    has(one, SHIELDS);
    is(has(two, IS_SHIELDED), 0, "a callback shields its thread, and another is not shielded");
    has(one, CANCELS);
    is(has(two, IS_CANCELLED), 0, "one cancels its thread, and another is not cancelled");
    is(has(two, SLEEPS), 0, "nor is its call");
    mn_exit_signal(one, MN_REASON_KILL);
    mn_exit_signal(two, MN_REASON_KILL);
}

static int released;

static void release(void *data) {
    (void)data;
    released++;
}

/* ---- much of what a process has */

static void keeps_many(void) {
    enum { N = 21000 };
    struct mn_msg **kept = calloc(N, sizeof *kept);
    struct mn_proc_report report;
    struct mn_bin *bin;
    char text[200] = {0};
    int wrong = 0;
    uint64_t before, most;
    mn_bin_make(&bin, "shared", 7);
    mn_proc_inspect(self, &report, sizeof report);
    before = report.messages;
    for (int i = 0; i < N; i++)
        if (i % 3 == 0)
            mn_post(self, (uint64_t)i, text, (size_t)i % sizeof text);
        else if (i % 3 == 1)
            mn_post_ref(self, (uint64_t)i, text, 1, release);
        else
            mn_post_bin(self, (uint64_t)i, bin);
    for (int i = 0; i < N; i++)
        wrong += mn_receive(&kept[i]) < 0;
    mn_proc_inspect(self, &report, sizeof report);
    most = report.messages;
    for (int i = 0; i < N / 2; i++) /* in order */
        mn_msg_free(kept[i]);
    is(released, N / 6, "%d messages are kept, and half of them released", N);
    mn_proc_inspect(self, &report, sizeof report);
    ok(report.messages > before && report.messages < most, "which can be seen: %lu, %lu, %lu bytes",
       (unsigned long)before, (unsigned long)most, (unsigned long)report.messages);
    for (int i = N / 2; i < N; i++) {
        int k = i % 2 ? i : N / 2 + N - 2 - i; /* from both ends */
        wrong += kept[k]->tag != (uint64_t)k;
        mn_msg_free(kept[k]);
    }
    is(wrong, 0, "then the others");
    mn_proc_inspect(self, &report, sizeof report);
    ok(report.messages == before && released == N / 3, "all of them");
    mn_bin_drop(bin);
    free(kept);

    for (uintptr_t i = 1; i <= N; i++)
        wrong += mn_put(i << 20, (void *)i) != 0;
    for (uintptr_t i = 1; i <= N; i++)
        wrong += mn_get(i << 20) != (void *)i;
    for (uintptr_t i = 1; i <= N; i++)
        wrong += mn_put(i << 20, NULL) != 0 || mn_get(i << 20);
    is(wrong, 0, "%d values in the dictionary", N);
}

/* ---- a full mailbox blocks whoever sends, and each up to a deadline */

static void full(void) {
    const struct mn_spawn_attr opt = {.mailbox = 2};
    mn_pid pid;
    mn_ref ref;
    struct mn_bin *bin;
    mn_bin_make(&bin, "many", 5);
    mn_event_init(&in_callback);
    mn_event_init(&goes_on);
    mn_spawn_handler(&pid, &plain, NULL, 0, &opt);
    mn_post(pid, HEARS_LATE, NULL, 0);
    mn_event_wait(&in_callback);
    for (int i = 0; i < 2; i++)
        is(mn_post_until(pid, 0, NULL, 0, mn_after(1000000)), 0, "there is room");
    is(mn_post_until(pid, 0, NULL, 0, mn_after(1000000)), -ETIMEDOUT, "mn_post_until");
    is(mn_post_ref_until(pid, 0, &released, 1, release, mn_after(1000000)), -ETIMEDOUT, "mn_post_ref_until");
    is(released, 0, "the block is still ours");
    is(mn_post_bin_until(pid, 0, bin, mn_after(1000000)), -ETIMEDOUT, "mn_post_bin_until");
    is(mn_request_until(pid, 0, NULL, 0, &ref, mn_after(1000000)), -ETIMEDOUT, "mn_request_until");
    is(mn_call_until(pid, 0, NULL, 0, NULL, mn_after(1000000)), -ETIMEDOUT, "mn_call_until");
    is(mn_post_alias_until(pid, 1, 0, NULL, 0, mn_after(1000000)), -ETIMEDOUT, "mn_post_alias_until");
    is(mn_reply_to(pid, 1, 0, NULL, 0), 0, "an answer always gets through");
    mn_event_set(&goes_on);
    is(mn_post_ref_until(pid, 0, &released, 1, release, mn_after(50000000000)), 0, "there is room again");
    is(mn_post_bin_until(pid, 0, bin, mn_after(50000000000)), 0, "for each");
    is(mn_request_until(pid, 0, NULL, 0, &ref, mn_after(50000000000)), 0, "of them");
    mn_demonitor(ref, true);
    mn_exit_signal(pid, MN_REASON_KILL);
    await_end(pid);
    is(released, 1, "the block was released");
    mn_bin_drop(bin);
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    two_answers();
    reasons();
    calls();
    threads();
    released = 0;
    keeps_many();
    released = 0;
    full();
    ok(nothing_comes(), "nothing is left");
    return 0;
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
