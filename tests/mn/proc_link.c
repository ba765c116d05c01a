/*
 * Links, monitors and exit signals: the rules of Erlang's signals, one by one.
 *
 * Each scenario is one that Erlang's own tests of processes look at; doc/design/mn-processes.md names them.
 */
#include "proc_actor.h"

#include <dlfcn.h>

/* ---- bodies */

static int waits(void *arg) { /* for a message, whose tag is the reason of its end */
    (void)arg;
    struct mn_msg *m;
    int r = mn_receive(&m);
    if (r < 0)
        return r;
    int64_t reason = (int64_t)m->tag;
    mn_msg_free(m);
    mn_proc_exit(reason);
}

/* Hands every EXIT on to the one that started it, as a message whose tag is the reason. */
static int traps(void *arg) {
    mn_pid to = *(mn_pid *)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        bool exit = m->type == MN_MSG_EXIT;
        int64_t tag = (int64_t)m->tag;
        mn_msg_free(m);
        if (!exit)
            mn_proc_exit(tag);
        mn_post(to, (uint64_t)(tag + 10000), NULL, 0);
    }
}

static int returns(void *arg) {
    return (int)(intptr_t)arg;
}

static mn_pid self;

/* ---- exit signals */

static void signals(void) {
    static const struct {
        int64_t sent, seen; /* seen: the reason that it ends with; -1: it lives */
        const char *name;
    } plain[] = {
        {MN_REASON_KILL, MN_REASON_KILLED, "kill"},
        {MN_REASON_NORMAL, -1, "normal"},
        {MN_REASON_SHUTDOWN, MN_REASON_SHUTDOWN, "shutdown"},
        {MN_REASON_KILLED, MN_REASON_KILLED, "killed"},
        {2000, 2000, "a reason of the program"},
        {-EIO, -EIO, "an errno"},
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        mn_pid pid = spawn_watched(waits, NULL, 0);
        mn_exit_signal(pid, plain[i].sent);
        if (plain[i].seen == -1)
            mn_post(pid, 4000, NULL, 0);
        ok(comes(MN_MSG_DOWN, pid, plain[i].seen == -1 ? 4000 : plain[i].seen), "exit signal %s, not trapped",
           plain[i].name);
        pid = spawn_watched(traps, &self, MN_SPAWN_TRAP_EXIT);
        mn_exit_signal(pid, plain[i].sent);
        if (plain[i].sent == MN_REASON_KILL) {
            ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "exit signal kill, trapped: killed");
        } else {
            ok(comes(MN_MSG, pid, plain[i].sent + 10000), "exit signal %s, trapped: a message", plain[i].name);
            mn_post(pid, 0, NULL, 0);
            ok(comes(MN_MSG_DOWN, pid, 0), "and it lived on");
        }
    }
    is(mn_exit_signal(123456, 5), 0, "an exit signal to nobody");
    mn_pid pid = spawn_watched(waits, NULL, 0);
    mn_exit_signal(pid, 2001);
    mn_exit_signal(pid, 2002);
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, 2001), "the second exit signal is ignored");
    ok(comes(MN_MSG_DOWN, spawn_watched(returns, (void *)(intptr_t)-ENOENT, 0), -ENOENT),
       "a function that returns an errno");
    ok(comes(MN_MSG_DOWN, spawn_watched(returns, (void *)3, 0), MN_REASON_NORMAL),
       "and one that returns more than 0");
}

static int exits_itself(void *arg) {
    mn_exit_signal(mn_pid_self(), (int64_t)(intptr_t)arg);
    return -EPROTO;
}

static int traps_itself(void *arg) {
    (void)arg;
    int r = mn_trap_exit(true);
    mn_exit_signal(mn_pid_self(), MN_REASON_NORMAL);
    mn_exit_signal(mn_pid_self(), 77);
    bool right =
        r == 0 && comes(MN_MSG_EXIT, mn_pid_self(), MN_REASON_NORMAL) && comes(MN_MSG_EXIT, mn_pid_self(), 77);
    right = right && mn_trap_exit(true) == 1 && mn_trap_exit(false) == 1;
    mn_exit_signal(mn_pid_self(), MN_REASON_KILL);
    return right ? -1 : -2;
}

static void to_itself(void) {
    ok(comes(MN_MSG_DOWN, spawn_watched(exits_itself, (void *)0, 0), MN_REASON_NORMAL),
       "normal to itself ends it");
    ok(comes(MN_MSG_DOWN, spawn_watched(exits_itself, (void *)2003, 0), 2003), "so does any other reason");
    ok(comes(MN_MSG_DOWN, spawn_watched(traps_itself, NULL, 0), MN_REASON_KILLED), "trapped, then killed");
}

/* ---- killed while it blocks elsewhere, or runs */

static struct mn_mutex mutex = MN_MUTEX_INIT;
static atomic_int begun, deferred, after;

static void note(void *arg) {
    (void)arg;
    mn_sleep(1000); /* what was deferred may block */
    atomic_fetch_add(&deferred, 1);
}

static void cleaned(int *x) {
    atomic_fetch_add(&deferred, *x);
}

static int blocks(void *arg) {
    __attribute__((cleanup(cleaned))) int x __attribute__((unused)) = 10;
    mn_defer(note, NULL);
    atomic_store(&begun, 1);
    switch ((intptr_t)arg) {
    case 0:
        mn_mutex_lock(&mutex);
        break;
    case 1:
        mn_sleep(MN_FOREVER);
        break;
    case 2:
        mn_park(NULL);
        break;
    case 3:
        for (;;)
            mn_yield();
    case 4: {
        struct mn_sem s;
        mn_sem_init(&s, 0);
        mn_sem_wait(&s);
        break;
    }
    case 5: {
        struct mn_match m = {.fields = MN_MATCH_TAG, .tag = 99};
        struct mn_msg *msg;
        mn_receive_match(&msg, &m);
        break;
    }
    }
    atomic_store(&after, 1);
    return 0;
}

static void killed(void) {
    static const char *const what[] = {
        "a mutex", "sleep", "park", "a loop of mn_yield", "a semaphore", "a selective receive"};
    mn_mutex_lock(&mutex);
    for (intptr_t i = 0; i < 6; i++)
        for (int trap = 0; trap < 2; trap++) {
            begun = deferred = after = 0;
            mn_pid pid = spawn_watched(blocks, (void *)i, trap ? MN_SPAWN_TRAP_EXIT : 0);
            while (!begun)
                mn_yield();
            mn_sleep(200000);
            mn_exit_signal(pid, trap ? MN_REASON_KILL : 2004);
            ok(comes(MN_MSG_DOWN, pid, trap ? MN_REASON_KILLED : 2004), "ended in %s, by %s", what[i],
               trap ? "kill" : "an exit signal");
            ok(after == 0 && deferred == 11, "it unwound: %d", deferred);
        }
    mn_mutex_unlock(&mutex);
}

/* What does not end a process must not disturb it in a call. */
static int undisturbed(void *arg) {
    (void)arg;
    int wrong = 0;
    atomic_store(&begun, 1);
    for (int i = 0; i < 200; i++)
        wrong += mn_sleep(20000) != 0;
    return wrong ? -EINTR : 0;
}

static void ignored(void) {
    begun = 0;
    mn_pid pid = spawn_watched(undisturbed, NULL, 0);
    while (!begun)
        mn_yield();
    for (int i = 0; i < 50; i++) {
        mn_exit_signal(pid, MN_REASON_NORMAL);
        mn_pid other;
        mn_spawn(&other, returns, NULL);
        mn_post(pid, 1, NULL, 0);
        mn_sleep(20000);
    }
    ok(comes(MN_MSG_DOWN, pid, 0), "signals that do not end a process do not end its waits");
}

/* ---- a shield */

static int shielded(void *arg) {
    (void)arg;
    mn_shield(true);
    atomic_store(&begun, 1);
    for (int i = 0; i < 100; i++)
        if (mn_sleep(30000) < 0)
            return -EINTR;
    struct mn_msg *m;
    if (mn_receive_until(&m, mn_after(100000)) != -ETIMEDOUT)
        return -EBUSY;
    atomic_store(&after, 1);
    mn_shield(false);
    mn_sleep(1000);
    return -EPROTO;
}

static void shield(void) {
    begun = after = 0;
    mn_pid pid = spawn_watched(shielded, NULL, 0);
    while (!begun)
        mn_yield();
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED) && after == 1,
       "a process that is shielded ends when it is not any more");
}

/* ---- links */

static atomic_int has_linked;

static int links_to(void *arg) {
    mn_proc_link(*(mn_pid *)arg);
    atomic_store(&has_linked, 1);
    return waits(NULL);
}

static int unlinks_from(void *arg) {
    mn_pid pid = *(mn_pid *)arg;
    mn_proc_link(pid);
    mn_proc_link(pid);
    mn_proc_unlink(pid);
    atomic_store(&has_linked, 1);
    return waits(NULL);
}

/* Both are monitored; the second has done what it does with the first. */
static void two(mn_pid *a, mn_pid *b, int (*second)(void *)) {
    has_linked = 0;
    *a = spawn_watched(waits, NULL, 0);
    *b = spawn_watched(second, a, 0);
    while (!has_linked)
        mn_sleep(100000);
}

static void links(void) {
    mn_pid a, b;
    two(&a, &b, links_to);
    mn_post(a, 2005, NULL, 0);
    ok(comes(MN_MSG_DOWN, 0, 2005) && comes(MN_MSG_DOWN, 0, 2005), "a linked process ends for the same reason");
    two(&a, &b, links_to);
    mn_post(b, 2006, NULL, 0);
    ok(comes(MN_MSG_DOWN, 0, 2006) && comes(MN_MSG_DOWN, 0, 2006), "in both directions");
    two(&a, &b, links_to);
    mn_post(a, MN_REASON_NORMAL, NULL, 0);
    ok(comes(MN_MSG_DOWN, a, MN_REASON_NORMAL) && nothing_comes(), "but not for the reason normal");
    mn_post(b, 2007, NULL, 0);
    ok(comes(MN_MSG_DOWN, b, 2007), "it lives on");
    two(&a, &b, unlinks_from);
    mn_post(a, 2008, NULL, 0);
    ok(comes(MN_MSG_DOWN, a, 2008) && nothing_comes(), "nor after mn_proc_unlink");
    mn_post(b, 0, NULL, 0);
    ok(comes(MN_MSG_DOWN, b, 0), "which it survives");
    mn_pid dead = a;
    b = spawn_watched(links_to, &dead, 0);
    ok(comes(MN_MSG_DOWN, b, MN_REASON_NOPROC), "a link to one that has ended");
    is(mn_trap_exit(true), 0, "trapping");
    is(mn_proc_link(dead), 0, "a link to one that has ended, trapped");
    ok(comes(MN_MSG_EXIT, dead, MN_REASON_NOPROC), "is a message");
    is(mn_proc_link(self), 0, "a link to itself is nothing");
    is(mn_proc_unlink(dead), 0, "unlinking what is not linked, too");
    struct mn_spawn_attr linked = {.flags = MN_SPAWN_LINK};
    mn_spawn_opt(&a, &linked, waits, NULL);
    mn_post(a, MN_REASON_KILL, NULL, 0);
    ok(comes(MN_MSG_EXIT, a, MN_REASON_KILL), "a link passes kill on as it is, and it can be trapped");
    mn_spawn_opt(&a, &linked, waits, NULL);
    mn_exit_signal(a, MN_REASON_KILL);
    ok(comes(MN_MSG_EXIT, a, MN_REASON_KILLED), "a killed process passes on killed");
    mn_spawn_opt(&a, &linked, waits, NULL);
    mn_post(a, MN_REASON_NORMAL, NULL, 0);
    ok(comes(MN_MSG_EXIT, a, MN_REASON_NORMAL), "trapped, normal is a message");
    mn_spawn_opt(&a, &linked, waits, NULL);
    mn_proc_unlink(a);
    mn_proc_link(a);
    mn_post(a, 2010, NULL, 0);
    ok(comes(MN_MSG_EXIT, a, 2010) && nothing_comes(), "unlinked and linked again: one exit");
    mn_trap_exit(false);
}

static int with_detail(void *arg) {
    mn_proc_exit_with(3000, arg, strlen(arg) + 1);
}

static void details(void) {
    mn_trap_exit(true);
    static const char text[] = "because of a reason that takes more than a few words to tell, as they do";
    mn_pid pid = spawn_watched(with_detail, (void *)(uintptr_t)text, MN_SPAWN_LINK);
    int right = 0;
    for (int i = 0; i < 2; i++) {
        struct mn_msg *m = next_msg();
        right += m && m->from == pid && mn_msg_reason(m) == 3000 && m->size == sizeof text &&
                 strcmp(m->data, text) == 0;
        mn_msg_free(m);
    }
    is(right, 2, "bytes go along with a reason, to links and monitors");
    mn_exit_signal_with(mn_pid_self(), 3001, text, sizeof text);
    struct mn_msg *m = next_msg();
    ok(m && m->type == MN_MSG_EXIT && mn_msg_reason(m) == 3001 && m->size == sizeof text &&
           strcmp(m->data, text) == 0,
       "and with an exit signal that is trapped");
    mn_msg_free(m);
    pid = spawn_watched(waits, NULL, MN_SPAWN_LINK);
    mn_exit_signal_with(pid, 3002, text, sizeof text);
    right = 0;
    for (int i = 0; i < 2; i++) {
        m = next_msg();
        right += m && m->from == pid && mn_msg_reason(m) == 3002 && m->size == sizeof text &&
                 strcmp(m->data, text) == 0;
        mn_msg_free(m);
    }
    is(right, 2, "who ends by one passes them on");
    pid = spawn_watched(waits, NULL, 0);
    mn_exit_signal_with(pid, MN_REASON_KILL, text, sizeof text);
    m = next_msg();
    ok(m && mn_msg_reason(m) == MN_REASON_KILLED && m->size == 0, "but for a kill");
    mn_msg_free(m);
    is(mn_exit_signal_with(pid, 3003, text, sizeof text), 0, "to one that has ended");
    is(mn_exit_signal_with(pid, 3003, text, (size_t)1 << 32), -EMSGSIZE, "too many");
    mn_trap_exit(false);
}

/* ---- monitors */

static void monitors(void) {
    mn_ref ref, other;
    mn_pid pid;
    mn_spawn(&pid, waits, NULL);
    is(mn_monitor(pid, &ref), 0, "mn_monitor");
    mn_monitor(pid, &other);
    ok(ref != other, "each has its own reference");
    is(mn_demonitor(other, false), 0, "mn_demonitor");
    is(mn_demonitor(other, false), -ENOENT, "once");
    mn_post(pid, 2011, NULL, 0);
    struct mn_msg *m = next_msg();
    ok(m && m->type == MN_MSG_DOWN && m->ref == ref && m->from == pid && mn_msg_reason(m) == 2011, "DOWN");
    mn_msg_free(m);
    ok(nothing_comes(), "once");
    is(mn_monitor(pid, &ref), 0, "a monitor of one that has ended");
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NOPROC), "gives DOWN at once");
    is(mn_demonitor(ref, true), -ENOENT, "it is over then");
    mn_spawn(&pid, waits, NULL);
    mn_monitor(pid, &ref);
    mn_post(pid, 1, NULL, 0);
    await_end(pid);
    is(mn_mailbox_length(), 1, "DOWN waits in the mailbox");
    is(mn_demonitor(ref, true), 0, "flushing removes it");
    ok(nothing_comes(), "really");
    mn_spawn(&pid, waits, NULL);
    mn_monitor(pid, &ref);
    mn_post(pid, 1, NULL, 0);
    await_end(pid);
    is(mn_demonitor(ref, false), 0, "one that is under way is dropped without flushing");
    ok(nothing_comes(), "really");
    int wrong = 0;
    for (int i = 0; i < 500; i++) {
        mn_spawn(&pid, waits, NULL);
        mn_monitor(pid, &ref);
        mn_post(pid, 1, NULL, 0);
        if (i % 3)
            mn_yield();
        mn_demonitor(ref, true);
    }
    mn_sleep(1000000);
    ok(wrong == 0 && nothing_comes(), "demonitor races with the end: never a DOWN afterwards");
    mn_ref many[100];
    mn_spawn(&pid, waits, NULL);
    for (int i = 0; i < 100; i++)
        mn_monitor(pid, &many[i]);
    for (int i = 0; i < 100; i += 2)
        mn_demonitor(many[i], true);
    mn_post(pid, 5, NULL, 0);
    for (int i = 0; i < 50; i++) {
        m = next_msg();
        bool found = false;
        for (int k = 1; k < 100; k += 2)
            if (m && many[k] == m->ref) {
                found = true;
                many[k] = 0;
            }
        wrong += !found;
        mn_msg_free(m);
    }
    ok(wrong == 0 && nothing_comes(), "many monitors of one process");
    /* Many, then few, then some more: what is found by an index and what by walking. */
    mn_spawn(&pid, waits, NULL);
    for (int i = 0; i < 100; i++)
        mn_monitor(pid, &many[i]);
    for (int i = 0; i < 97; i++)
        wrong += mn_demonitor(many[i], true) != 0;
    for (int i = 0; i < 5; i++)
        mn_monitor(pid, &many[i]);
    wrong += mn_demonitor(many[0], true) != 0;
    mn_post(pid, 6, NULL, 0);
    for (int i = 0; i < 7; i++)
        wrong += !comes(MN_MSG_DOWN, pid, 6);
    ok(wrong == 0 && nothing_comes(), "the number of monitors goes up and down");
}

/* ---- many relations, a chain */

static int links_next(void *arg) {
    mn_pid to = *(mn_pid *)arg;
    mn_proc_link(to);
    mn_post(self, 1, NULL, 0);
    return waits(NULL);
}

static void chain(void) {
    enum { N = 1000 };
    static mn_pid pid[N];
    mn_spawn(&pid[0], waits, NULL);
    for (int i = 1; i < N; i++) {
        mn_spawn(&pid[i], links_next, &pid[i - 1]);
        mn_msg_free(next_msg());
    }
    mn_ref ref;
    mn_monitor(pid[N - 1], &ref);
    mn_post(pid[0], 2012, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid[N - 1], 2012), "a chain of %d links", N);
    int alive = 0;
    for (int i = 0; i < N; i++)
        alive += mn_alive(pid[i]);
    is(alive, 0, "all have ended");
    mn_trap_exit(true);
    struct mn_spawn_attr linked = {.flags = MN_SPAWN_LINK};
    for (int i = 0; i < N; i++)
        mn_spawn_opt(&pid[i], &linked, waits, NULL);
    for (int i = 0; i < N; i += 2)
        mn_proc_unlink(pid[i]);
    for (int i = 0; i < N; i++)
        mn_post(pid[i], (uint64_t)(20000 + i), NULL, 0);
    int wrong = 0;
    for (int i = 1; i < N; i += 2) {
        struct mn_msg *m = next_msg();
        wrong += !m || m->type != MN_MSG_EXIT || m->from != pid[mn_msg_reason(m) - 20000] ||
                 (mn_msg_reason(m) & 1) == 0;
        mn_msg_free(m);
    }
    ok(wrong == 0 && nothing_comes(), "one linked to %d", N);
    mn_trap_exit(false);
}

static int job(void *arg) {
    (void)arg;
    mn_ref ref;
    is(mn_proc_link(1), -EPERM, "a link of one that is no process");
    is(mn_monitor(1, &ref), -EPERM, "a monitor");
    is(mn_trap_exit(true), -EPERM, "trapping");
    mn_attach();
    self = mn_pid_self();
    signals();
    to_itself();
    killed();
    ignored();
    shield();
    links();
    details();
    monitors();
    chain();
    ok(nothing_comes(), "nothing is left");
    return 0;
}

int main(void) {
    /* Whose unwinder runs cleanup attributes; a C program need not have it. */
    dlopen("libgcc_s.so.1", RTLD_NOW);
    is(mn_run(job, NULL, NULL), 0, "mn_run");
    return done();
}
