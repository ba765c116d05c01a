/* Processes: starting, messages, receiving, calls, ends. */
#include <mn.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "tap.h"

/* Waits for a message with this tag, of any kind; its tag is looked at by the caller. */
static struct mn_msg *next(void) {
    struct mn_msg *m = NULL;
    int r = mn_receive_until(&m, mn_after(5000000000));
    if (r < 0) {
        printf("# mn_receive: %d\n", r);
        return NULL;
    }
    return m;
}

static uint64_t next_tag(void) {
    struct mn_msg *m = next();
    uint64_t tag = m ? m->tag : 0;
    mn_msg_free(m);
    return tag;
}

static void await_end(mn_pid pid) {
    while (mn_alive(pid))
        mn_sleep(100000);
}

/* ---- starting and ending */

static int sends_back(void *arg) {
    mn_pid to = *(mn_pid *)arg;
    struct mn_msg *m = next();
    mn_post(to, m->tag + 1, m->data, m->size);
    mn_msg_free(m);
    return 0;
}

static int sleeps(void *arg) {
    (void)arg;
    struct mn_msg *m;
    return mn_receive(&m);
}

static void life(void) {
    mn_pid self = mn_pid_self(), pid = 0;
    ok(self != 0, "the first thread became a process");
    is(mn_attach(), 0, "a second mn_attach");
    is(mn_spawn(&pid, sends_back, &self), 0, "mn_spawn");
    ok(pid != 0 && pid != self && mn_alive(pid), "gives a pid");
    is(mn_post(pid, 7, "seven", 6), 0, "mn_post");
    struct mn_msg *m = next();
    ok(m && m->tag == 8 && m->size == 6 && strcmp(m->data, "seven") == 0 && m->from == pid && m->type == MN_MSG,
       "its answer: tag, bytes, sender");
    mn_msg_free(m);
    await_end(pid);
    ok(!mn_alive(pid), "it has ended");
    is(mn_post(pid, 1, NULL, 0), 0, "a message to one that has ended is no error");
    is(mn_post(0, 1, NULL, 0), 0, "nor to pid 0");
    is(mn_post(UINT64_MAX, 1, NULL, 0), 0, "nor to one that never was");
    is(mn_spawn(NULL, NULL, NULL), -EINVAL, "mn_spawn without a function");
    struct mn_spawn_attr opt = {.flags = 8};
    is(mn_spawn_opt(NULL, &opt, sleeps, NULL), -EINVAL, "unknown flags");
    opt = (struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR};
    is(mn_spawn_opt(NULL, &opt, sleeps, NULL), -EINVAL, "a monitor without a place for its reference");
    mn_thread t = mn_proc_thread(self);
    ok(t == mn_self(), "mn_proc_thread");
}

/* ---- messages */

static atomic_int released;
static void release(void *data) {
    atomic_fetch_add(&released, 1);
    free(data);
}

static void messages(void) {
    mn_pid self = mn_pid_self();
    static char big[3][200000];
    static const size_t sizes[] = {0, 1, 8, 9, 72, 73, 200, 900, 969, 5000, 200000};
    int wrong = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(big[0], (int)i + 1, sizes[i]);
        wrong += mn_post(self, i, big[0], sizes[i]) != 0;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mn_msg *m = next();
        memset(big[1], (int)i + 1, sizes[i]);
        wrong += !m || m->tag != i || m->size != sizes[i] ||
                 (sizes[i] && memcmp(m->data, big[1], sizes[i]) != 0) || ((uintptr_t)m->data & 7) != 0 ||
                 (sizes[i] == 0) != (m->data == NULL);
        mn_msg_free(m);
    }
    is(wrong, 0, "messages of all sizes");
    is(mn_post(self, 1, NULL, (size_t)1 << 33), -EMSGSIZE, "one that is too large");
    char *p = malloc(100);
    is(mn_post_ref(self, 1, p, 100, release), 0, "mn_post_ref");
    struct mn_msg *m = next();
    ok(m->data == p && m->size == 100 && released == 0, "the block itself arrives");
    mn_msg_free(m);
    is(released, 1, "and is released");
    is(mn_post_ref(12345678, 1, malloc(1), 1, release), 0, "to nobody");
    is(released, 2, "released at once");
    struct mn_bin *bin;
    is(mn_bin_make(&bin, "shared", 7), 0, "mn_bin_make");
    for (int i = 0; i < 3; i++)
        mn_post_bin(self, 1, bin);
    struct mn_msg *all[3];
    for (int i = 0; i < 3; i++)
        all[i] = next();
    ok(all[0]->data == all[2]->data && strcmp(all[1]->data, "shared") == 0 &&
           all[0]->data == mn_bin_data(bin) && mn_bin_size(bin) == 7,
       "three messages share a binary");
    mn_bin_drop(bin);
    ok(strcmp(all[2]->data, "shared") == 0, "it lives on");
    mn_msg_free(all[1]);
    mn_msg_free(all[0]);
    mn_msg_free(all[2]);
    mn_msg_free(NULL);
    is(mn_receive_until(&m, 1), -ETIMEDOUT, "a deadline that had passed");
    mn_post(self, 5, NULL, 0);
    is(mn_receive_until(&m, 1), 0, "which takes what is there");
    mn_msg_free(m);
    is(mn_receive_until(&m, mn_after(1000000)), -ETIMEDOUT, "a deadline passes");
    is(mn_mailbox_length(), 0, "the mailbox is empty");
    mn_post_from_signal(self, 9, 77);
    m = next();
    ok(m && m->tag == 9 && m->size == 8 && *(const uint64_t *)m->data == 77 && m->from == 0,
       "mn_post_from_signal");
    mn_msg_free(m);
    int sent = 0;
    while (mn_post_from_signal(self, 9, 1) == 0)
        sent++;
    is(sent, 256, "so many at a time");
    for (int i = 0; i < sent; i++)
        next_tag();
    is(mn_post_from_signal(self, 9, 1), 0, "and again");
    next_tag();
}

/* ---- selective receive */

static bool is_odd(const struct mn_msg *m, void *arg) {
    return m->tag % 2 && m->tag > *(uint64_t *)arg;
}

static void selective(void) {
    mn_pid self = mn_pid_self();
    struct mn_msg *m;
    for (uint64_t i = 0; i < 10; i++)
        mn_post(self, i, NULL, 0);
    struct mn_match tag = {.fields = MN_MATCH_TAG, .tag = 7};
    is(mn_receive_match(&m, &tag), 0, "by tag");
    is((long)m->tag, 7, "the right one");
    mn_msg_free(m);
    is(mn_receive_match_until(&m, &tag, 1), -ETIMEDOUT, "there is no other");
    uint64_t least = 3;
    struct mn_match test = {.fields = MN_MATCH_TEST, .test = is_odd, .arg = &least};
    mn_receive_match(&m, &test);
    is((long)m->tag, 5, "by predicate");
    mn_msg_free(m);
    struct mn_match from = {.fields = MN_MATCH_FROM | MN_MATCH_TYPE, .from = self, .type = MN_MSG};
    mn_receive_match(&m, &from);
    is((long)m->tag, 0, "by sender and type");
    mn_msg_free(m);
    struct mn_match wrong = {.fields = 32};
    is(mn_receive_match(&m, &wrong), -EINVAL, "unknown fields");
    is(mn_mailbox_length(), 7, "the others are still there");
    static const uint64_t left[] = {1, 2, 3, 4, 6, 8, 9};
    int bad = 0;
    for (int i = 0; i < 7; i++)
        bad += next_tag() != left[i];
    is(bad, 0, "in order");
}

/* ---- calls */

static struct mn_event late;

static int server(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        if (m->type == MN_MSG_CALL && m->tag == 1)
            mn_reply(m, m->tag + 1, m->data, m->size);
        if (m->type == MN_MSG_CALL && m->tag == 2) {
            mn_event_wait(&late);
            mn_reply(m, 0, NULL, 0);
        }
        bool end = m->tag == 3;
        mn_msg_free(m);
        if (end)
            mn_proc_exit(-EIO);
    }
}

static int never(void *arg) {
    (void)arg;
    struct mn_match m = {.fields = MN_MATCH_TAG, .tag = 99};
    struct mn_msg *msg;
    return mn_receive_match(&msg, &m);
}

struct delegate {
    mn_pid from;
    mn_ref ref;
};
static int delegated(void *arg) {
    (void)arg;
    struct mn_msg *m = next();
    const struct delegate *d = m->data;
    mn_reply_to(d->from, d->ref, 55, NULL, 0);
    mn_msg_free(m);
    return 0;
}
static int delegates(void *arg) {
    (void)arg;
    struct mn_msg *m = next();
    struct delegate d = {m->from, m->ref};
    mn_msg_free(m);
    mn_pid pid;
    mn_spawn(&pid, delegated, NULL);
    mn_post(pid, 0, &d, sizeof d);
    m = next();
    mn_msg_free(m);
    return 0;
}

static void *calls_too(void *arg) {
    static struct mn_msg *reply;
    int r = mn_call(*(mn_pid *)arg, 1, "abc", 4, &reply);
    bool right = r == 0 && reply->tag == 2 && strcmp(reply->data, "abc") == 0;
    if (r == 0)
        mn_msg_free(reply);
    return (void *)(intptr_t)(right && mn_pid_self() == 0);
}

static void *foreign_calls(void *arg) {
    return (void *)(intptr_t)(mn_call(*(mn_pid *)arg, 1, "abc", 4, NULL) == 0 &&
                              mn_post(*(mn_pid *)arg, 9, "x", 2) == 0 &&
                              mn_call(*(mn_pid *)arg, 1, "abc", 4, (void *)arg) == -EINVAL);
}

static void calls(void) {
    mn_pid pid, quiet;
    struct mn_msg *reply = NULL;
    mn_spawn(&pid, server, NULL);
    mn_spawn(&quiet, never, NULL);
    is(mn_call(pid, 1, "question", 9, &reply), 0, "mn_call");
    ok(reply->tag == 2 && reply->from == pid && strcmp(reply->data, "question") == 0 &&
           reply->type == MN_MSG_REPLY,
       "the reply");
    mn_msg_free(reply);
    is(mn_call(mn_pid_self(), 1, NULL, 0, NULL), -EDEADLK, "a call of itself");
    is(mn_call_until(quiet, 1, NULL, 0, &reply, mn_after(1000000)), -ETIMEDOUT, "nobody answers");
    is(mn_call_until(pid, 2, NULL, 0, &reply, mn_after(1000000)), -ETIMEDOUT, "an answer that is late");
    mn_event_set(&late);
    is(mn_call(pid, 1, NULL, 0, NULL), 0, "another call");
    is(mn_mailbox_length(), 0, "and no late reply is left");
    mn_ref ref;
    is(mn_request(pid, 1, "later", 6, &ref), 0, "mn_request");
    struct mn_match match = {.fields = MN_MATCH_REF, .ref = ref};
    is(mn_receive_match(&reply, &match), 0, "its reply");
    ok(reply->type == MN_MSG_REPLY && strcmp(reply->data, "later") == 0, "is the right one");
    mn_msg_free(reply);
    is(mn_demonitor(ref, true), -ENOENT, "the request is over");
    mn_request(quiet, 1, NULL, 0, &ref);
    is(mn_demonitor(ref, true), 0, "a request is given up");
    mn_thread t;
    void *result = NULL;
    mn_go(&t, calls_too, &pid);
    mn_join(t, &result);
    ok(result != NULL, "a call of a thread that is no process");
    pthread_t lwp;
    pthread_create(&lwp, NULL, foreign_calls, &pid);
    for (int i = 0; i < 3000 && pthread_tryjoin_np(lwp, &result) != 0; i++)
        mn_sleep(1000000);
    ok(result == (void *)1, "calls of a foreign LWP");
    mn_pid other;
    mn_spawn(&other, delegates, NULL);
    is(mn_call(other, 1, NULL, 0, &reply), 0, "a reply of a third process");
    is((long)reply->tag, 55, "the right one");
    mn_msg_free(reply);
    mn_post(other, 0, NULL, 0);
    await_end(other);
    is(mn_call(pid, 3, NULL, 0, NULL), -ECONNRESET, "the server ends before it answers");
    is(mn_call(pid, 1, NULL, 0, NULL), -ESRCH, "a call of one that has ended");
    mn_request(pid, 1, NULL, 0, &ref);
    reply = next();
    ok(reply && reply->type == MN_MSG_DOWN && reply->ref == ref && mn_msg_reason(reply) == MN_REASON_NOPROC,
       "a request to one that has ended");
    mn_msg_free(reply);
    mn_exit_signal(quiet, MN_REASON_KILL);
    await_end(quiet);
    is(mn_mailbox_length(), 0, "nothing is left");
}

static int behind(void *arg) {
    mn_pid pid = *(mn_pid *)arg;
    int wrong = 0;
    for (uint64_t i = 0; i < 20000; i++)
        mn_post(mn_pid_self(), i, NULL, 0);
    for (int i = 0; i < 1000; i++) {
        struct mn_msg *m;
        wrong += mn_call(pid, 1, &i, sizeof i, &m) != 0 || *(const int *)m->data != i;
        mn_msg_free(m);
    }
    for (uint64_t i = 0; i < 20000; i++)
        wrong += next_tag() != i;
    ok(wrong == 0, "calls with a full mailbox");
    return 0;
}

/* ---- the order between two, with many senders */

enum { SENDERS = 8, EACH = 2000 };
static int floods(void *arg) {
    mn_pid to = *(mn_pid *)arg;
    for (uint64_t i = 0; i < EACH; i++)
        mn_post(to, i, NULL, 0);
    return 0;
}

static void order(void) {
    mn_pid self = mn_pid_self(), pid[SENDERS];
    uint64_t expect[SENDERS] = {0};
    for (int i = 0; i < SENDERS; i++)
        mn_spawn(&pid[i], floods, &self);
    int wrong = 0;
    for (int n = 0; n < SENDERS * EACH; n++) {
        struct mn_msg *m = next();
        int i = 0;
        while (i < SENDERS && pid[i] != m->from)
            i++;
        wrong += i == SENDERS || m->tag != expect[i]++;
        mn_msg_free(m);
    }
    is(wrong, 0, "each sender's messages come in order");
    for (int i = 0; i < SENDERS; i++)
        await_end(pid[i]);
}

/* ---- what a process owns */

static int fds[2];
static int owner(void *arg) {
    (void)arg;
    int wrong = 0;
    char *p[100];
    for (int i = 0; i < 100; i++) {
        p[i] = mn_alloc((size_t)i * 50);
        for (int k = 0; p[i] && k < i * 50; k++)
            wrong += p[i][k] != 0;
        if (p[i])
            memset(p[i], 1, (size_t)i * 50);
        wrong += !p[i];
    }
    for (int i = 0; i < 100; i += 3)
        mn_free(p[i]);
    wrong += mn_own_fd(fds[0]) != 0 || mn_own_fd(fds[1]) != 0 || mn_disown_fd(fds[1]) != 0 ||
             mn_disown_fd(fds[1]) != -EBADF;
    for (uint64_t i = 0; i < 100; i++)
        wrong += mn_put(i, &fds[i % 2]) != 0;
    for (uint64_t i = 0; i < 100; i++)
        wrong += mn_get(i) != &fds[i % 2];
    wrong += mn_put(5, NULL) != 0 || mn_get(5) != NULL || mn_put(6, &wrong) != 0 || mn_get(6) != &wrong ||
             mn_get(1000) != NULL;
    wrong += mn_alloc(200000) != NULL; /* beyond the limit */
    mn_proc_exit(wrong ? -wrong : MN_REASON_USER);
}

static void owned(void) {
    if (pipe(fds) != 0)
        abort();
    mn_ref ref;
    struct mn_spawn_attr opt = {.flags = MN_SPAWN_MONITOR, .monitor = &ref, .arena = 300000};
    mn_spawn_opt(NULL, &opt, owner, NULL);
    struct mn_msg *m = next();
    is((long)mn_msg_reason(m), MN_REASON_USER, "memory, descriptors, dictionary");
    mn_msg_free(m);
    ok(write(fds[1], "x", 1) < 0 && errno == EPIPE, "its descriptor was closed");
    is(close(fds[0]), -1, "and one only");
    is(close(fds[1]), 0, "the other was not");
    ok(mn_alloc(10) != NULL, "the first thread's, until it ends");
}

/* ---- mailboxes with a bound */

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
        struct mn_msg *m = next();
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
    } cases[] = {{MN_MAILBOX_ERROR, -EAGAIN}, {MN_MAILBOX_DROP_NEW, -EAGAIN}, {MN_MAILBOX_DROP_OLD, -ETIMEDOUT},
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
    is(mn_pid_self(), 0, "no process");
    struct mn_msg *m;
    is(mn_receive(&m), -EPERM, "which cannot receive");
    is(mn_attach(), 0, "mn_attach");
    life();
    messages();
    selective();
    calls();
    mn_pid pid, other;
    mn_spawn(&pid, server, NULL);
    mn_spawn(&other, behind, &pid);
    await_end(other);
    mn_exit_signal(pid, MN_REASON_KILL);
    order();
    owned();
    bounded();
    bounded_calls(false);
    bounded_calls(true);
    bounds_of_successors();
    return 0;
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    is(mn_spawn(NULL, sleeps, NULL), -EPERM, "mn_spawn without a runtime");
    is(mn_post(1, 1, NULL, 0), -EPERM, "mn_post without a runtime");
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
