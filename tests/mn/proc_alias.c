/* Aliases: references by which others send until they are taken back.  Monitors by name, and what their
 * messages show. */
#include "proc_actor.h"

static bool gets(uint64_t tag, mn_ref ref) {
    struct mn_msg *m = next_msg();
    bool right = m && m->type == MN_MSG && m->tag == tag && m->ref == ref;
    mn_msg_free(m);
    return right;
}

/* ---- aliases */

static struct {
    mn_pid to;
    mn_ref alias;
    int n;
} order;

static int sends(void *arg) {
    (void)arg;
    for (int i = 0; i < order.n; i++)
        if (mn_post_alias(order.to, order.alias, (uint64_t)i, "bytes", 5) != 0)
            return -EIO;
    return 0;
}

/* Others send that many messages by it. */
static void send_by(mn_ref alias, int n) {
    order.to = mn_pid_self();
    order.alias = alias;
    order.n = n;
    mn_pid pid;
    mn_spawn(&pid, sends, NULL);
    await_end(pid);
}

static void aliases(void) {
    mn_ref a, b, once;
    mn_pid self = mn_pid_self();
    is(mn_alias(&a, 0), 0, "mn_alias");
    is(mn_alias(&b, 0), 0, "another one");
    ok(a != b && a && b, "they differ");
    is(mn_alias(&once, 2), -EINVAL, "unknown flags");
    is(mn_alias(NULL, 0), -EINVAL, "nowhere to put an alias");
    is(mn_monitor(self, NULL), -EINVAL, "nor a monitor's reference");
    is(mn_request(self, 1, NULL, 0, NULL), -EINVAL, "nor a request's");
    is(mn_monitor_name("nobody", NULL), -EINVAL, "nor that of a name's monitor");
    is(mn_proc_info(self, NULL), -EINVAL, "nor what is known of a process");
    send_by(a, 3);
    send_by(b, 1);
    struct mn_msg *m;
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = b}), 0,
       "a message is found by its alias");
    ok(m->tag == 0 && m->size == 5 && memcmp(m->data, "bytes", 5) == 0, "it is the one");
    mn_msg_free(m);
    ok(gets(0, a) && gets(1, a), "others come in their order");
    is(mn_unalias(a), 0, "mn_unalias");
    is(mn_unalias(a), -ENOENT, "once");
    ok(gets(2, a), "what is in the mailbox stays");
    send_by(a, 3);
    ok(nothing_comes(), "what is sent later does not come");
    send_by(b, 1);
    is(mn_unalias(b), 0, "an alias is taken back");
    ok(nothing_comes(), "what was sent and not taken before does not come either");
    is(mn_alias(&b, 0), 0, "another");
    send_by(b, 1);
    is(mn_mailbox_length(), 1, "a message is taken in");
    is(mn_unalias(b), 0, "then its alias is taken back");
    ok(gets(0, b), "it stays");
    is(mn_alias(&once, MN_ALIAS_ONCE), 0, "an alias for one message");
    send_by(once, 5);
    ok(gets(0, once), "lets one through");
    ok(nothing_comes(), "and no other");
    is(mn_unalias(once), -ENOENT, "and is none any more");
    is(mn_post_alias(self, 0, 1, NULL, 0), 0, "by none");
    is(mn_post_alias(0, once, 1, NULL, 0), 0, "to nobody");
    is(mn_post_alias_until(self, once, 1, NULL, (size_t)1 << 33, 0), -EMSGSIZE, "one that is too large");
    ok(nothing_comes(), "nothing comes");
    mn_ref many[100];
    int failed = 0;
    for (int i = 0; i < 100; i++)
        failed += mn_alias(&many[i], i % 2 ? MN_ALIAS_ONCE : 0) != 0;
    for (int i = 0; i < 100; i++)
        mn_post_alias(self, many[i], (uint64_t)i, NULL, 0);
    for (int i = 0; i < 100; i++)
        failed += !gets((uint64_t)i, many[i]);
    for (int i = 0; i < 100; i++)
        failed += mn_unalias(many[i]) != (i % 2 ? -ENOENT : 0);
    is(failed, 0, "a hundred");
    struct mn_proc_state st;
    mn_proc_info(self, &st);
    is(st.relations, 0, "nothing is left of them");
}

static int full_of_dropped(void *arg) {
    mn_ref a;
    struct mn_msg *m;
    (void)arg;
    if (mn_alias(&a, 0) < 0)
        return -ENOMEM;
    order.alias = a;
    mn_unalias(a);
    while (mn_receive(&m) == 0) {
        uint64_t tag = m->tag;
        mn_msg_free(m);
        if (tag == 99)
            return 0;
    }
    return -EIO;
}

static int message(void *state, struct mn_msg *m) {
    mn_ref *alias = state;
    if (m->tag == 0) {
        if (mn_alias(alias, 0) < 0 || mn_reply(m, 0, alias, sizeof *alias) < 0)
            return -EIO;
        return MN_GO_ON;
    }
    if (m->tag == 1)
        return m->ref == *alias ? mn_unalias(*alias) : -EIO;
    return m->tag == 2 && !m->ref ? MN_STOP : -EPROTO;
}

static void others(void) {
    mn_pid pid;
    mn_ref ref;
    mn_spawn_opt(&pid, &(struct mn_spawn_attr){.mailbox = 4}, full_of_dropped, NULL);
    mn_monitor(pid, &ref);
    until_waits(pid, "message");
    int failed = 0;
    for (int i = 0; i < 50; i++)
        failed += mn_post_alias_until(pid, order.alias, 1, NULL, 0, mn_after(20000000000)) != 0;
    is(failed, 0, "a full mailbox: what is dropped makes room");
    mn_post(pid, 99, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "and other messages come");

    static const struct mn_handler h = {.state_size = sizeof(mn_ref), .handle_message = message};
    mn_ref alias = 0;
    mn_spawn_handler(&pid, &h, NULL, 0, NULL);
    mn_monitor(pid, &ref);
    struct mn_msg *m;
    is(mn_call(pid, 0, NULL, 0, &m), 0, "a handler makes an alias");
    memcpy(&alias, m->data, sizeof alias);
    mn_msg_free(m);
    mn_post_alias(pid, alias, 1, NULL, 0);
    struct mn_proc_state st;
    while (mn_proc_info(pid, &st) == 0 && st.received < 2)
        mn_yield();
    mn_post_alias(pid, alias, 7, NULL, 0);
    mn_post_alias(pid, alias, 7, NULL, 0);
    mn_post(pid, 2, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "and takes it back at the first message");
}

static void *no_process(void *arg) {
    mn_ref a;
    bool right = mn_alias(&a, 0) == -EPERM && mn_unalias(1) == -EPERM;
    return right ? arg : NULL;
}

/* ---- monitors by name */

static int ends_with(void *arg) {
    struct mn_msg *m;
    int r = mn_receive(&m);
    if (r < 0)
        return r;
    mn_msg_free(m);
    if (arg)
        mn_proc_exit_with(2000, "why", 4);
    return -EIO;
}

static void names(void) {
    struct mn_msg *m;
    for (int with = 0; with < 2; with++) {
        mn_pid pid;
        mn_ref by_name, by_pid, given_up;
        char name[300] = "the one that ends";
        mn_spawn(&pid, ends_with, with ? &with : NULL);
        mn_register(name, pid);
        is(mn_monitor_name(name, &by_name), 0, "mn_monitor_name");
        mn_monitor(pid, &by_pid);
        mn_monitor_name(name, &given_up);
        mn_demonitor(given_up, true);
        memset(name, 'x', 10);
        mn_post(pid, 1, NULL, 0);
        for (int i = 0; i < 2; i++) {
            m = next_msg();
            ok(m && m->type == MN_MSG_DOWN && m->from == pid && mn_msg_reason(m) == (with ? 2000 : -EIO),
               "DOWN");
            const char *shown = mn_msg_name(m);
            if (m->ref == by_name)
                ok(shown && strcmp(shown, "the one that ends") == 0, "shows the name");
            else
                ok(m->ref == by_pid && !shown, "one by pid shows none");
            ok(with ? m->size == 4 && strcmp(m->data, "why") == 0 : !m->data,
               "with the reason's bytes, if there are some");
            mn_msg_free(m);
        }
        mn_monitor_name("nobody's", &by_name);
        m = next_msg();
        ok(m->type == MN_MSG_DOWN && m->ref == by_name && mn_msg_reason(m) == MN_REASON_NOPROC &&
               strcmp(mn_msg_name(m), "nobody's") == 0,
           "a name that is nobody's is shown, too");
        mn_msg_free(m);
        memset(name, 'x', sizeof name - 1);
        mn_monitor_name(name, &by_name);
        m = next_msg();
        ok(m->ref == by_name && mn_msg_reason(m) == MN_REASON_NOPROC && !mn_msg_name(m),
           "one that is too long is not");
        mn_msg_free(m);
    }
    mn_post(mn_pid_self(), 1, "message", 8);
    m = next_msg();
    ok(!mn_msg_name(m), "an ordinary message has none");
    mn_msg_free(m);
}

static int watches(void *arg) {
    mn_ref ref;
    for (int i = 0; i < 40; i++)
        mn_monitor_name(arg, &ref);
    return 0;
}

static void watcher_ends(void) {
    mn_pid pid, watcher;
    mn_ref ref;
    static char name[] = "watched";
    mn_spawn(&pid, ends_with, NULL);
    mn_register(name, pid);
    mn_spawn(&watcher, watches, name);
    mn_monitor(watcher, &ref);
    ok(comes(MN_MSG_DOWN, watcher, MN_REASON_NORMAL), "one that monitors by name ends");
    mn_monitor(pid, &ref);
    mn_post(pid, 1, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, -EIO), "before the other does");
}

static int all(void *arg) {
    mn_thread t;
    void *right;
    mn_go(&t, no_process, &right);
    mn_join(t, &right);
    ok(right != NULL, "only processes have aliases");
    mn_attach();
    aliases();
    others();
    names();
    watcher_ends();
    (void)arg;
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
