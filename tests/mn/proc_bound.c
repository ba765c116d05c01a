/* Mailboxes with a bound: what becomes of a message, a call or a request when there is no room. */
#include "proc_actor.h"

#include <pthread.h>

static int kills(void *arg) {
    mn_sleep(3000000);
    return mn_exit_signal(*(mn_pid *)arg, MN_REASON_KILL);
}

static struct mn_event gate;
static atomic_int expected; /* messages; one more may come soon */
static int gated(void *arg) {
    mn_event_wait(&gate);
    struct mn_msg *m;
    for (int n = 0; mn_receive_until(&m, mn_after(n < expected ? 50000000000 : 5000000)) == 0; n++) {
        *(uint64_t *)arg = *(uint64_t *)arg * 10 + m->tag;
        mn_msg_free(m);
    }
    return 0;
}

static int opens(void *arg) {
    (void)arg;
    mn_sleep(3000000);
    mn_event_set(&gate);
    return 0;
}

static void bounded(void) {
    static const struct {
        enum mn_mailbox policy;
        int full;
        uint64_t got;
        const char *name;
    } cases[] = {
        {MN_MAILBOX_ERROR, -EAGAIN, 123, "an error"},
        {MN_MAILBOX_DROP_NEW, 0, 123, "drops the newest"},
        {MN_MAILBOX_DROP_OLD, 0, 345, "drops the oldest"},
        {MN_MAILBOX_BLOCK, -ETIMEDOUT, 123, "blocks, with a deadline"},
    };
    static uint64_t got;
    expected = 3;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mn_event_init(&gate);
        mn_ref ref;
        mn_pid pid;
        struct mn_spawn_attr opt = {
            .mailbox = 3, .policy = cases[i].policy, .flags = MN_SPAWN_MONITOR, .monitor = &ref};
        got = 0;
        mn_spawn_opt(&pid, &opt, gated, &got);
        int wrong = 0;
        for (uint64_t k = 1; k <= 5; k++)
            wrong += mn_post_until(pid, k, NULL, 0, mn_after(2000000)) != (k > 3 ? cases[i].full : 0);
        is(wrong, 0, "a full mailbox: %s", cases[i].name);
        mn_event_set(&gate);
        struct mn_msg *m = next_msg();
        ok(m->type == MN_MSG_DOWN && got == cases[i].got, "and what arrives: %lu", (unsigned long)got);
        mn_msg_free(m);
    }
    mn_event_init(&gate);
    got = 0;
    expected = 9;
    mn_pid pid, opener;
    struct mn_spawn_attr opt = {.mailbox = 3};
    mn_spawn_opt(&pid, &opt, gated, &got);
    mn_spawn(&opener, opens, NULL);
    int wrong = 0;
    for (uint64_t k = 1; k <= 9; k++)
        wrong += mn_post(pid, k, NULL, 0) != 0;
    await_end(pid);
    ok(wrong == 0 && got == 123456789, "a sender waits for room");
    mn_event_init(&gate);
    mn_spawn_opt(&pid, &opt, gated, &got);
    for (uint64_t k = 1; k <= 3; k++)
        mn_post(pid, k, NULL, 0);
    mn_spawn(&opener, kills, &pid);
    is(mn_post(pid, 4, NULL, 0), 0, "the receiver ends while a sender waits for room");
    await_end(pid);
}

/* Waits for the gate, then answers; posts are counted. */
static atomic_int posted;

static int answers(void *arg) {
    (void)arg;
    mn_event_wait(&gate);
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        if (m->type == MN_MSG_CALL)
            mn_reply(m, 2 * m->tag, NULL, 0);
        else
            posted++;
        mn_msg_free(m);
    }
}

static int answers_message(void *state, struct mn_msg *m) {
    (void)state;
    mn_event_wait(&gate);
    if (m->type == MN_MSG_CALL)
        mn_reply(m, 2 * m->tag, NULL, 0);
    else
        posted++;
    return MN_GO_ON;
}

static void *calls_it(void *arg) {
    struct mn_msg *m;
    if (mn_call(*(mn_pid *)arg, 21, NULL, 0, &m) < 0)
        return NULL;
    void *result = (void *)(intptr_t)m->tag;
    mn_msg_free(m);
    return result;
}

static void *foreign_calls_it(void *arg) {
    return (void *)(intptr_t)mn_call(*(mn_pid *)arg, 21, NULL, 0, NULL);
}

/* A bound holds for calls, too. */
static void bounded_calls(bool handler) {
    static const struct mn_handler h = {.handle_message = answers_message};
    static const struct {
        enum mn_mailbox policy;
        int full;
    } cases[] = {{MN_MAILBOX_ERROR, -EAGAIN},
                 {MN_MAILBOX_DROP_NEW, -EAGAIN},
                 {MN_MAILBOX_DROP_OLD, -ETIMEDOUT},
                 {MN_MAILBOX_BLOCK, -ETIMEDOUT}};
    struct mn_msg *m;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mn_spawn_attr opt = {.mailbox = 3, .policy = cases[i].policy};
        mn_pid pid;
        mn_ref ref;
        mn_event_init(&gate);
        posted = 0;
        if (handler) {
            struct mn_proc_state st;
            mn_spawn_handler(&pid, &h, NULL, 0, &opt);
            mn_post(pid, 1, NULL, 0);
            while (mn_proc_info(pid, &st) == 0 && st.received == 0)
                mn_sleep(50000); /* the callback waits with it */
        } else {
            mn_spawn_opt(&pid, &opt, answers, NULL);
        }
        for (int k = 0; k < 3; k++)
            mn_post(pid, 1, NULL, 0);
        is(mn_call_until(pid, 1, NULL, 0, &m, mn_after(2000000)), cases[i].full, "a call, and a full mailbox");
        if (cases[i].full == -EAGAIN)
            is(mn_request(pid, 1, NULL, 0, &ref), -EAGAIN, "a request");
        if (cases[i].policy != MN_MAILBOX_BLOCK) {
            mn_event_set(&gate);
        } else {
            mn_thread t[4];
            pthread_t lwp;
            void *result;
            for (int k = 0; k < 4; k++)
                mn_go(&t[k], calls_it, &pid);
            pthread_create(&lwp, NULL, foreign_calls_it, &pid);
            mn_sleep(2000000);
            mn_event_set(&gate);
            int wrong = 0;
            for (int k = 0; k < 4; k++)
                wrong += mn_join(t[k], &result) != 0 || (intptr_t)result != 42;
            while (pthread_tryjoin_np(lwp, &result) != 0)
                mn_sleep(100000);
            ok(wrong == 0 && result == NULL, "callers wait for room");
        }
        for (int k = 0; k < 20000 && posted < 3 + handler; k++)
            mn_sleep(50000);
        is(posted, 3 + handler, "what was posted comes");
        is(mn_call(pid, 21, NULL, 0, &m), 0, "when there is room");
        is(m->tag, 42, "it answers");
        mn_msg_free(m);
        is(mn_request(pid, 4, NULL, 0, &ref), 0, "a request");
        is(mn_receive(&m), 0, "has a reply");
        ok(m->type == MN_MSG_REPLY && m->ref == ref && m->tag == 8, "its own");
        mn_msg_free(m);
        mn_event_init(&gate);
        mn_exit_signal(pid, MN_REASON_KILL);
        await_end(pid);
    }
    /* The callee ends while a caller waits for room. */
    mn_event_init(&gate);
    struct mn_spawn_attr opt = {.mailbox = 3};
    mn_pid pid, killer;
    mn_spawn_opt(&pid, &opt, answers, NULL);
    for (int k = 0; k < 3; k++)
        mn_post(pid, 1, NULL, 0);
    mn_spawn(&killer, kills, &pid);
    is(mn_call(pid, 1, NULL, 0, &m), -ESRCH, "the callee ends while a caller waits for room");
}

/* Senders that are late: the record is another process's, with another bound. */
static _Atomic mn_pid current;

static void *posts_late(void *arg) {
    long wrong = 0;
    (void)arg;
    for (mn_pid pid; (pid = current) != 0;) {
        int r = mn_post_until(pid, 1, NULL, 0, mn_after(1000000));
        wrong += r != 0 && r != -EAGAIN && r != -ETIMEDOUT;
    }
    return (void *)wrong;
}

static void bounds_of_successors(void) {
    mn_event_init(&gate);
    pthread_t lwp;
    mn_thread t;
    void *result = &t, *other = &t;
    struct mn_spawn_attr opt = {.mailbox = 1};
    mn_pid pid;
    mn_spawn_opt(&pid, &opt, answers, NULL);
    current = pid;
    pthread_create(&lwp, NULL, posts_late, NULL);
    mn_go(&t, posts_late, NULL);
    int wrong = 0;
    for (unsigned i = 0; i < 300; i++) {
        mn_exit_signal(pid, MN_REASON_KILL);
        await_end(pid);
        opt = (struct mn_spawn_attr){.mailbox = 1 + i % 7, .policy = (enum mn_mailbox)(i % 4)};
        wrong += mn_spawn_opt(&pid, &opt, answers, NULL) != 0;
        current = pid;
    }
    current = 0;
    mn_exit_signal(pid, MN_REASON_KILL);
    mn_join(t, &result);
    while (pthread_tryjoin_np(lwp, &other) != 0)
        mn_sleep(100000);
    ok(wrong == 0 && !result && !other, "late senders, and processes with bounds that follow each other");
    await_end(pid);
    opt = (struct mn_spawn_attr){.mailbox = 3, .policy = MN_MAILBOX_ERROR};
    mn_pid many[50];
    for (int i = 0; i < 50; i++) {
        mn_spawn_opt(&many[i], &opt, answers, NULL);
        for (int k = 0; k < 4; k++)
            wrong += mn_post(many[i], 1, NULL, 0) != (k < 3 ? 0 : -EAGAIN);
    }
    is(wrong, 0, "each has its bound");
    for (int i = 0; i < 50; i++)
        mn_exit_signal(many[i], MN_REASON_KILL);
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    bounded();
    bounded_calls(false);
    bounded_calls(true);
    bounds_of_successors();
    return 0;
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
