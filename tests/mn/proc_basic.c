/* Processes: starting, messages, receiving, calls, ends. */
#include "proc_actor.h"

#include <pthread.h>
#include <signal.h>

static uint64_t next_tag(void) {
    struct mn_msg *m = next_msg();
    uint64_t tag = m ? m->tag : 0;
    mn_msg_free(m);
    return tag;
}

/* ---- starting and ending */

static int sends_back(void *arg) {
    mn_pid to = *(mn_pid *)arg;
    struct mn_msg *m = next_msg();
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
    struct mn_msg *m = next_msg();
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
        struct mn_msg *m = next_msg();
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
    struct mn_msg *m = next_msg();
    ok(m->data == p && m->size == 100 && released == 0, "the block itself arrives");
    mn_msg_free(m);
    is(released, 1, "and is released");
    is(mn_post_ref(12345678, 1, malloc(1), 1, release), 0, "to nobody");
    is(released, 2, "released at once");
    struct mn_bin *bin;
    is(mn_bin_make(NULL, "shared", 7), -EINVAL, "mn_bin_make for nobody");
    is(mn_bin_make(&bin, "shared", 7), 0, "mn_bin_make");
    for (int i = 0; i < 3; i++)
        mn_post_bin(self, 1, bin);
    struct mn_msg *all[3];
    for (int i = 0; i < 3; i++)
        all[i] = next_msg();
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
    m = next_msg();
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
    struct mn_msg *m = next_msg();
    const struct delegate *d = m->data;
    mn_reply_to(d->from, d->ref, 55, NULL, 0);
    mn_msg_free(m);
    return 0;
}
static int delegates(void *arg) {
    (void)arg;
    struct mn_msg *m = next_msg();
    struct delegate d = {m->from, m->ref};
    mn_msg_free(m);
    mn_pid pid;
    mn_spawn(&pid, delegated, NULL);
    mn_post(pid, 0, &d, sizeof d);
    m = next_msg();
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
    reply = next_msg();
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
        struct mn_msg *m = next_msg();
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
    struct mn_msg *m = next_msg();
    is((long)mn_msg_reason(m), MN_REASON_USER, "memory, descriptors, dictionary");
    mn_msg_free(m);
    ok(write(fds[1], "x", 1) < 0 && errno == EPIPE, "its descriptor was closed");
    is(close(fds[0]), -1, "and one only");
    is(close(fds[1]), 0, "the other was not");
    ok(mn_alloc(10) != NULL, "the first thread's, until it ends");
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
    return 0;
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    is(mn_spawn(NULL, sleeps, NULL), -EPERM, "mn_spawn without a runtime");
    is(mn_post(1, 1, NULL, 0), -EPERM, "mn_post without a runtime");
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
