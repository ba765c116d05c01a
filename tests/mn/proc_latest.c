/* Mailboxes that drop the oldest message: the latest arrive, however long their process does not look, and in order. */
#include "proc_actor.h"

#include <pthread.h>

static struct mn_event gate;
static mn_pid self;
static atomic_int first, last, came, released;

static void release(void *data) {
    (void)data;
    released++;
}

static int late(void *arg) {
    (void)arg;
    mn_event_wait(&gate);
    for (struct mn_msg *m; mn_receive_until(&m, 0) == 0; mn_msg_free(m)) {
        if (came++ == 0)
            first = (int)m->tag;
        last = (int)m->tag;
    }
    return 0;
}

static int late_message(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == 0) {
        mn_event_wait(&gate);
    } else if (m->tag == 1000) {
        return MN_STOP;
    } else {
        if (came++ == 0)
            first = (int)m->tag;
        last = (int)m->tag;
    }
    return MN_GO_ON;
}
static const struct mn_handler handler = {.handle_message = late_message};
static const struct mn_spawn_attr ten = {.mailbox = 10, .policy = MN_MAILBOX_DROP_OLD};

static void *posts(void *arg) {
    for (uint64_t i = 1; i <= 100; i++)
        mn_post(*(mn_pid *)arg, i, "some bytes that do not fit into a small block, as they are", 59);
    return NULL;
}

/* Nobody looks while a hundred are sent. */
static void stalled(bool is_handler, bool foreign) {
    mn_pid pid;
    mn_event_init(&gate);
    came = 0;
    if (is_handler) {
        mn_spawn_handler(&pid, &handler, NULL, 0, &ten);
        mn_post(pid, 0, NULL, 0);
        for (struct mn_proc_state st; mn_proc_info(pid, &st) == 0 && st.received == 0;)
            mn_sleep(50000);
    } else {
        mn_spawn_opt(&pid, &ten, late, NULL);
    }
    pthread_t lwp;
    if (foreign && pthread_create(&lwp, NULL, posts, &pid) == 0)
        pthread_join(lwp, NULL);
    else
        posts(&pid);
    if (is_handler)
        mn_request(pid, 1000, NULL, 0, &(mn_ref){0}); /* it is not counted */
    mn_event_set(&gate);
    if (is_handler)
        comes(MN_MSG_DOWN, pid, 0);
    await_end(pid);
    ok(came == 10 && first == 91 && last == 100, "the last ten of a hundred%s%s: %d from %d to %d",
       is_handler ? ", a handler" : "", foreign ? ", from a foreign LWP" : "", came, first, last);
}

/* Signals and what is not counted keep their places among messages. */
enum { SENDERS = 3, EACH = 20000 };
static atomic_int disordered, requests;

static int sends(void *arg) {
    mn_pid to = *(mn_pid *)arg;
    mn_ref ref;
    for (uint64_t i = 1; i <= EACH; i++)
        if (i % 50 == 0 && mn_request(to, i, NULL, 0, &ref) == 0)
            mn_demonitor(ref, true);
        else
            mn_post(to, i, NULL, 0);
    mn_proc_link(to);
    return -EIO; /* after all that */
}

static int looks(void *arg) {
    mn_pid from[SENDERS] = {0};
    uint64_t highest[SENDERS] = {0};
    int ends = 0;
    (void)arg;
    mn_trap_exit(true);
    for (struct mn_msg *m; ends < SENDERS && mn_receive(&m) == 0; mn_msg_free(m)) {
        int k = 0;
        while (from[k] && from[k] != m->from)
            k++;
        from[k] = m->from;
        if (m->type == MN_MSG_EXIT) {
            ends++;
            highest[k] = UINT64_MAX;
            continue;
        }
        requests += m->type == MN_MSG_CALL;
        disordered += m->tag <= highest[k];
        highest[k] = m->tag;
        came++;
        if (m->tag % 700 == 0)
            mn_sleep((int64_t)(m->tag % 5) * 20000);
    }
    return 0;
}

static void ordered(void) {
    mn_pid pid, sender[SENDERS];
    came = 0;
    mn_spawn_opt(&pid, &ten, looks, NULL);
    for (int i = 0; i < SENDERS; i++)
        mn_spawn(&sender[i], sends, &pid);
    await_end(pid);
    is(disordered, 0, "each sender's messages, calls and end come in order");
    is(requests, SENDERS * (EACH / 50), "no call is dropped");
    ok(came >= requests, "%d messages of %d came", came, SENDERS * EACH);
}

static int never_looks(void *arg) {
    (void)arg;
    mn_sleep(MN_FOREVER);
    return 0;
}

static void unread(void) {
    static char data;
    mn_pid pid;
    for (int i = 0; i < 2; i++) {
        released = 0;
        mn_spawn_opt(&pid, &ten, never_looks, NULL);
        until_waits(pid, "sleep");
        for (int k = 0; k < 30; k++)
            mn_post_ref(pid, 1, &data, 1, release);
        is(released, 20, "those that are dropped are released at once");
        mn_exit_signal(pid, i ? MN_REASON_KILL : 3000);
        await_end(pid);
        is(released, 30, "the others as the process ends");
        mn_post_ref(pid, 1, &data, 1, release);
        is(released, 31, "one that comes later, too");
    }
}

static int uses_aliases(void *arg) {
    mn_ref alias[2];
    struct mn_msg *m;
    int n = 0, once = 0;
    (void)arg;
    mn_alias(&alias[0], 0);
    mn_alias(&alias[1], MN_ALIAS_ONCE);
    mn_pid me = mn_pid_self();
    for (int i = 0; i < 30; i++)
        mn_post_alias(me, alias[i % 2], (uint64_t)i, NULL, 0);
    while (mn_receive_until(&m, 0) == 0) {
        n++;
        once += m->ref == alias[1];
        mn_msg_free(m);
    }
    return n == 6 && once == 1 ? 0 : -EIO;
}

static int job(void *arg) {
    (void)arg;
    mn_attach();
    self = mn_pid_self();
    for (int i = 0; i < 4; i++)
        stalled(i & 1, i & 2);
    ordered();
    unread();
    mn_ref ref;
    mn_spawn_opt(NULL, &(struct mn_spawn_attr){.mailbox = 10, .policy = MN_MAILBOX_DROP_OLD,
                                               .flags = MN_SPAWN_MONITOR, .monitor = &ref}, uses_aliases, NULL);
    ok(comes(MN_MSG_DOWN, 0, 0), "aliases");
    ok(nothing_comes(), "nothing is left");
    return 0;
}

int main(void) {
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
