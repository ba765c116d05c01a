/* Processes made of callbacks. */
#include "proc_actor.h"

#include <malloc.h>
#include <pthread.h>

static mn_pid self;

/* ---- an echo, a counter */

struct counter {
    int64_t n;
    mn_pid tell;
    int64_t padding[4];
};

static atomic_int inits, terminates;
static atomic_long last_reason;

static int counter_init(void *state) {
    atomic_fetch_add(&inits, 1);
    return ((struct counter *)state)->n == -1   ? -EBADMSG
           : ((struct counter *)state)->n == -2 ? MN_STOP
                                                : MN_GO_ON;
}

static int counter_message(void *state, struct mn_msg *m) {
    struct counter *c = state;
    if (m->type == MN_MSG_EXIT || m->type == MN_MSG_DOWN)
        mn_post(c->tell, (uint64_t)(mn_msg_reason(m) + 10000), NULL, 0);
    else if (m->tag == 1)
        c->n++;
    else if (m->tag == 2)
        return MN_STOP;
    else if (m->tag == 3)
        return -EIO;
    else if (m->tag == 4)
        mn_proc_exit_with(4000, "four", 5);
    else if (m->tag == 5)
        mn_sleep(*(const int64_t *)m->data);
    else if (m->tag == 6)
        mn_proc_link(*(const mn_pid *)m->data);
    else if (m->tag == 7)
        mn_trap_exit(true);
    return MN_GO_ON;
}

static int counter_call(void *state, struct mn_msg *m) {
    struct counter *c = state;
    mn_reply(m, m->tag, &c->n, sizeof c->n);
    return m->tag == 99 ? MN_STOP : MN_GO_ON;
}

static void counter_terminate(void *state, int64_t reason) {
    (void)state;
    atomic_store(&last_reason, reason);
    atomic_fetch_add(&terminates, 1);
}

static const struct mn_handler counter = {
    .state_size = sizeof(struct counter),
    .init = counter_init,
    .handle_message = counter_message,
    .handle_call = counter_call,
    .terminate = counter_terminate,
    .name = "counter",
};

static mn_pid start_watched(const struct mn_handler *h, int64_t n, unsigned flags) {
    static mn_ref ref;
    mn_pid pid = 0;
    struct counter init = {.n = n, .tell = self};
    struct mn_spawn_attr attr = {.flags = MN_SPAWN_MONITOR | flags, .monitor = &ref};
    if (mn_spawn_handler(&pid, h, &init, sizeof init, &attr) < 0)
        abort();
    return pid;
}

static int64_t asks(mn_pid pid, uint64_t tag) {
    struct mn_msg *reply;
    int r = mn_call_until(pid, tag, NULL, 0, &reply, mn_after(50000000000));
    if (r < 0)
        return r;
    int64_t n = *(const int64_t *)reply->data;
    mn_msg_free(reply);
    return n;
}

static void life(void) {
    is(mn_spawn_handler(NULL, NULL, NULL, 0, NULL), -EINVAL, "no handler");
    static const struct mn_handler none = {.state_size = 8};
    is(mn_spawn_handler(NULL, &none, NULL, 0, NULL), -EINVAL, "a handler without callbacks");
    is(mn_spawn_handler(NULL, &counter, &counter, sizeof(struct counter) + 1, NULL), -EINVAL,
       "more than the state holds");
    mn_pid pid = start_watched(&counter, 5, 0);
    for (int i = 0; i < 100; i++)
        mn_post(pid, 1, NULL, 0);
    is(asks(pid, 0), 105, "messages, then a call");
    is(inits, 1, "init was called once");
    mn_post(pid, 2, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, 0), "MN_STOP");
    ok(terminates == 1 && last_reason == 0, "terminate was called");
    pid = start_watched(&counter, 0, 0);
    mn_post(pid, 3, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, -EIO) && last_reason == -EIO, "an errno");
    pid = start_watched(&counter, 0, 0);
    is(asks(pid, 99), 0, "a reply and an end");
    ok(comes(MN_MSG_DOWN, pid, 0), "in one callback");
    terminates = 0;
    pid = start_watched(&counter, -1, 0);
    ok(comes(MN_MSG_DOWN, pid, -EBADMSG), "init fails");
    pid = start_watched(&counter, -2, 0);
    ok(comes(MN_MSG_DOWN, pid, 0), "init says stop");
    is(terminates, 0, "there is nothing to terminate");
    terminates = 0;
    pid = start_watched(&counter, 0, 0);
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED) && terminates == 0, "killed: terminate is not called");
    pid = start_watched(&counter, 0, 0);
    is(asks(pid, 0), 0, "it runs");
    mn_exit_signal(pid, 2000);
    ok(comes(MN_MSG_DOWN, pid, 2000) && terminates == 1, "an exit signal: it is");
    pid = start_watched(&counter, 0, 0);
    mn_post(pid, 4, NULL, 0);
    struct mn_msg *m = next_msg();
    ok(m && m->from == pid && mn_msg_reason(m) == 4000 && m->size == 5 && strcmp(m->data, "four") == 0,
       "mn_proc_exit_with in a callback");
    ok(terminates == 2 && last_reason == 4000, "terminate is called, too");
    mn_msg_free(m);
    pid = start_watched(&counter, 1, 0);
    is(asks(pid, 0), 1, "handlers go on after that");
    mn_exit_signal(pid, MN_REASON_KILL);
    comes(MN_MSG_DOWN, pid, MN_REASON_KILLED);
}

static void links(void) {
    mn_pid a = start_watched(&counter, 0, 0), b = start_watched(&counter, 0, 0);
    mn_post(a, 6, &b, sizeof b);
    is(asks(a, 0), 0, "linked");
    mn_exit_signal(b, 2001);
    ok(comes(MN_MSG_DOWN, 0, 2001) && comes(MN_MSG_DOWN, 0, 2001), "linked handlers end together");
    a = start_watched(&counter, 0, MN_SPAWN_TRAP_EXIT), b = start_watched(&counter, 0, 0);
    mn_post(a, 6, &b, sizeof b);
    is(asks(a, 0), 0, "linked");
    mn_exit_signal(b, 2001);
    int seen = 0;
    for (int i = 0; i < 2; i++) {
        struct mn_msg *m = next_msg();
        seen |= m->type == MN_MSG_DOWN && m->from == b ? 1 : m->type == MN_MSG && m->tag == 12001 ? 2 : 4;
        mn_msg_free(m);
    }
    is(seen, 3, "one that traps exits gets a message");
    mn_post(a, 6, &b, sizeof b);
    ok(comes(MN_MSG, a, MN_REASON_NOPROC + 10000), "a link to one that has ended");
    mn_exit_signal(a, MN_REASON_KILL);
    comes(MN_MSG_DOWN, a, MN_REASON_KILLED);
}

/* ---- callbacks that block; calls in callbacks; messages that are kept */

static void blocking(void) {
    mn_pid slow[20], quick = start_watched(&counter, 7, 0);
    int64_t span = 20000000;
    for (int i = 0; i < 20; i++) {
        slow[i] = start_watched(&counter, i, 0);
        mn_post(slow[i], 5, &span, sizeof span);
    }
    mn_sleep(1000000);
    int64_t from = mn_now();
    is(asks(quick, 0), 7, "others go on while callbacks block");
    ok(mn_now() - from < 10000000000, "in time");
    int wrong = 0;
    for (int i = 0; i < 20; i++)
        wrong += asks(slow[i], 99) != i;
    is(wrong, 0, "and they answer later");
    for (int i = 0; i < 20; i++)
        wrong += !comes(MN_MSG_DOWN, 0, 0);
    mn_post(quick, 2, NULL, 0);
    wrong += !comes(MN_MSG_DOWN, quick, 0);
    is(wrong, 0, "all end");
}

struct middle {
    mn_pid below;
    struct mn_msg *kept;
    mn_ref ref;
    mn_pid from;
    mn_ref from_ref;
};

static int middle_message(void *state, struct mn_msg *m) {
    struct middle *s = state;
    if (m->type == MN_MSG_REPLY || m->type == MN_MSG_DOWN) {
        int64_t n =
            m->type == MN_MSG_REPLY && m->ref == s->ref ? *(const int64_t *)m->data + 100 : -mn_msg_reason(m);
        mn_reply_to(s->from, s->from_ref, 0, &n, sizeof n);
        return MN_GO_ON;
    }
    if (m->tag == 1) {
        if (mn_msg_keep(m) < 0 || mn_msg_keep(m) != -EPERM)
            return -EINVAL;
        s->kept = m;
    }
    if (m->tag == 2)
        mn_msg_free(m);
    struct mn_msg *none;
    return mn_receive(&none) == -EPERM ? MN_GO_ON : -EPROTO;
}

static int middle_call(void *state, struct mn_msg *m) {
    struct middle *s = state;
    int64_t n = -1;
    if (m->tag == 1) {
        struct mn_msg *reply;
        n = mn_call(s->below, 0, NULL, 0, &reply);
        if (n == 0) {
            n = *(const int64_t *)reply->data + 1000;
            mn_msg_free(reply);
        }
    } else if (m->tag == 2) {
        n = *(const int64_t *)s->kept->data;
        mn_msg_free(s->kept);
    } else if (m->tag == 3) {
        s->from = m->from;
        s->from_ref = m->ref;
        n = mn_request(s->below, 0, NULL, 0, &s->ref);
        if (n == 0)
            return MN_GO_ON;
    }
    mn_reply(m, 0, &n, sizeof n);
    return MN_GO_ON;
}

static const struct mn_handler middle = {
    .state_size = sizeof(struct middle), .handle_message = middle_message, .handle_call = middle_call};

static void nested(void) {
    mn_pid below = start_watched(&counter, 5, 0), pid;
    struct middle init = {.below = below};
    mn_spawn_handler(&pid, &middle, &init, sizeof init, NULL);
    is(asks(pid, 1), 1005, "a call in a callback");
    is(asks(pid, 3), 105, "a request in one callback, its reply in another");
    int64_t n = 4711;
    mn_post(pid, 1, &n, sizeof n);
    mn_post(pid, 2, &n, sizeof n);
    is(asks(pid, 2), 4711, "a message that was kept");
    mn_exit_signal(below, 2002);
    comes(MN_MSG_DOWN, below, 2002);
    is(asks(pid, 1), -ESRCH, "a call to one that has ended");
    is(asks(pid, 3), -MN_REASON_NOPROC, "a request to one that has ended");
    mn_exit_signal(pid, MN_REASON_KILL);
    await_end(pid);
}

/* A reply that is not released goes with the process. */
static const char big[100000];
static mn_pid below_it;

static int leaves_reply(void *state, struct mn_msg *m) {
    (void)state;
    struct mn_msg *reply;
    if (m->type != MN_MSG_CALL)
        return mn_call(below_it, 0, NULL, 0, &reply) == 0 && reply->size == sizeof big ? MN_STOP : -EIO;
    return mn_reply(m, 0, big, sizeof big);
}

static void unreleased(void) {
    static const struct mn_handler h = {.state_size = sizeof(struct counter), .handle_message = leaves_reply};
    mn_pid pid;
    mn_spawn_handler(&below_it, &h, NULL, 0, NULL);
    int wrong = 0;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 100; i++) {
        pid = start_watched(&h, 0, 0);
        mn_post(pid, 0, NULL, 0);
        wrong += !comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL);
    }
    is(wrong, 0, "replies that are left");
    ok(mallinfo2().uordblks < before + 30 * sizeof big, "are released");
    mn_exit_signal(below_it, MN_REASON_KILL);
}

/* ---- a long mailbox does not put off an end */

static atomic_int handled;
static struct mn_event goes_on;

static int waits_first(void *state, struct mn_msg *m) {
    (void)state;
    (void)m;
    if (handled++ == 0)
        mn_event_wait(&goes_on);
    return MN_GO_ON;
}

static void flooded(void) {
    static const struct mn_handler h = {.state_size = sizeof(struct counter), .handle_message = waits_first};
    static const int64_t reasons[2][2] = {{MN_REASON_KILL, MN_REASON_KILLED}, {2005, 2005}};
    for (int i = 0; i < 2; i++) {
        mn_event_init(&goes_on);
        handled = 0;
        mn_pid pid = start_watched(&h, 0, 0);
        for (int k = 0; k < 1000; k++)
            mn_post(pid, 0, NULL, 0);
        while (handled == 0)
            mn_sleep(50000);
        mn_exit_signal(pid, reasons[i][0]);
        mn_event_set(&goes_on);
        ok(comes(MN_MSG_DOWN, pid, reasons[i][1]), "a handler with many messages ends");
        ok(handled <= 16, "without handling them all: %d", handled);
    }
}

/* ---- many: a tree, a ring, a flood */

static int leaf_message(void *state, struct mn_msg *m);
struct node {
    mn_pid parent;
    int64_t sum;
    int32_t depth, left;
};

static int node_init(void *state);
static const struct mn_handler node = {
    .state_size = sizeof(struct node), .init = node_init, .handle_message = leaf_message};

static int node_init(void *state) {
    struct node *s = state;
    if (s->depth == 0) {
        mn_post(s->parent, 1, NULL, 0);
        return MN_STOP;
    }
    s->left = 10;
    struct node child = {.parent = mn_pid_self(), .depth = s->depth - 1};
    for (int i = 0; i < 10; i++)
        if (mn_spawn_handler(NULL, &node, &child, sizeof child, NULL) < 0)
            return -ENOMEM;
    return MN_GO_ON;
}

static int leaf_message(void *state, struct mn_msg *m) {
    struct node *s = state;
    s->sum += (int64_t)m->tag;
    if (--s->left)
        return MN_GO_ON;
    mn_post(s->parent, (uint64_t)s->sum, NULL, 0);
    return MN_STOP;
}

static int hop(void *state, struct mn_msg *m) {
    struct node *s = state;
    if (m->type == MN_MSG && m->size == sizeof(mn_pid))
        s->parent = *(const mn_pid *)m->data;
    else if (m->tag == 0)
        mn_post(self, 1, NULL, 0);
    else
        mn_post(s->parent, m->tag - 1, NULL, 0);
    return MN_GO_ON;
}
static const struct mn_handler hopper = {.state_size = sizeof(struct node), .handle_message = hop};

static atomic_long received;
static int receives(void *state, struct mn_msg *m) {
    (void)state;
    if (atomic_fetch_add(&received, 1) == -1)
        mn_post(self, m->tag, NULL, 0);
    return MN_GO_ON;
}
static const struct mn_handler sink = {.handle_message = receives};

static int floods(void *arg) {
    for (int i = 0; i < 5000; i++)
        mn_post(*(mn_pid *)arg, (uint64_t)i, NULL, 0);
    return 0;
}

/* A handler with more messages than it has in a row, the first of which blocks: another executor is on duty
 * then, and sleeps. */
static atomic_int counted;

static int sleeps_first(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == 0)
        mn_sleep(5000000);
    counted++;
    return MN_GO_ON;
}

static void off_duty(void) {
    static const struct mn_handler handler = {.handle_message = sleeps_first};
    mn_pid pid;
    counted = 0;
    is(mn_spawn_handler(&pid, &handler, NULL, 0, NULL), 0, "spawn");
    for (uint64_t i = 0; i < 100; i++)
        mn_post(pid, i, NULL, 0);
    for (int i = 0; i < 5000 && counted < 100; i++)
        mn_sleep(1000000);
    is(counted, 100, "its messages are all handled");
    mn_exit_signal(pid, MN_REASON_KILL);
}

static void *foreign(void *arg) {
    mn_pid pid;
    for (int i = 0; i < 5000; i++)
        mn_post(*(mn_pid *)arg, (uint64_t)i, NULL, 0);
    long wrong = 0;
    for (int i = 0; i < 50; i++) {
        wrong += mn_spawn_handler(&pid, &sink, NULL, 0, NULL) != 0;
        wrong += mn_exit_signal(pid, 2000) != 0;
    }
    return (void *)wrong;
}

static void many(void) {
    struct node root = {.parent = self, .depth = 4};
    mn_spawn_handler(NULL, &node, &root, sizeof root, NULL);
    struct mn_msg *m = next_msg();
    is(m ? (long)m->tag : -1, 10000, "a tree of 11,111 processes");
    mn_msg_free(m);
    mn_pid ring[100];
    for (int i = 0; i < 100; i++)
        mn_spawn_handler(&ring[i], &hopper, NULL, 0, NULL);
    for (int i = 0; i < 100; i++)
        mn_post(ring[i], 0, &ring[(i + 1) % 100], sizeof ring[0]);
    mn_post(ring[0], 20000, NULL, 0);
    ok(comes(MN_MSG, 0, 1), "a ring");
    for (int i = 0; i < 100; i++)
        mn_exit_signal(ring[i], MN_REASON_KILL);
    mn_pid to;
    received = -5000 * 8;
    mn_spawn_handler(&to, &sink, NULL, 0, NULL);
    pthread_t lwp;
    pthread_create(&lwp, NULL, foreign, &to);
    for (int i = 0; i < 7; i++)
        mn_spawn(NULL, floods, &to);
    ok(next_msg() != NULL, "a flood from processes and a foreign LWP");
    void *result = (void *)1;
    for (int i = 0; i < 3000 && pthread_tryjoin_np(lwp, &result) != 0; i++)
        mn_sleep(1000000);
    ok(result == NULL, "which started handlers, too");
    mn_exit_signal(to, 2000);
    await_end(to);
}

/* ---- the runtime ends with handlers left */

static int leaves_some(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    terminates = 0;
    for (int i = 0; i < 100; i++)
        start_watched(&counter, i, 0);
    mn_pid pid;
    mn_spawn_handler(&pid, &counter, NULL, 0, NULL);
    is(asks(pid, 0), 0, "they run");
    return 0;
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    life();
    links();
    blocking();
    nested();
    unreleased();
    flooded();
    off_duty();
    many();
    ok(nothing_comes(), "nothing is left");
    return 0;
}

/* ---- from a foreign LWP alone */

static void foreign_only(void) {
    is(mn_start(NULL), 0, "mn_start");
    mn_pid pid[50];
    int wrong = 0;
    struct counter init = {.n = 1};
    for (int i = 0; i < 50; i++)
        wrong += mn_spawn_handler(&pid[i], &counter, &init, sizeof init, NULL) != 0;
    for (int i = 0; i < 50; i++)
        wrong += mn_call(pid[i], 1, NULL, 0, NULL) != 0;
    for (int i = 0; i < 25; i++)
        wrong += mn_post(pid[i], 2, NULL, 0) != 0;
    for (int i = 0; i < 25; i++)
        for (int k = 0; k < 5000 && mn_alive(pid[i]); k++)
            usleep(1000);
    wrong += mn_proc_list(NULL, 0) != 25;
    is(wrong, 0, "handlers of a foreign LWP");
    is(mn_stop(MN_FOREVER), 0, "mn_stop ends those that are left");
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    is(mn_run(leaves_some, NULL, NULL), 0, "a runtime that ends with processes left");
    ok(terminates == 101 && last_reason == MN_REASON_SHUTDOWN, "which are told: %d", terminates);
    foreign_only();
    return done();
}
