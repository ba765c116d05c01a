/* Names and groups of processes: uniqueness, what becomes of them when a process ends, watchers, bad input,
 * many at once. */
#include <errno.h>
#include <malloc.h>
#include <mn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

enum { MS = 1000000 };

/* Ends at the first message; counts those that say 7. */
static atomic_int sevens;

static int member(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        bool more = m->tag == 7;
        if (more)
            sevens++;
        mn_msg_free(m);
        if (!more)
            return 0;
    }
}

static void end_and_wait(mn_pid pid) {
    mn_post(pid, 0, NULL, 0);
    for (int i = 0; i < 5000 && mn_alive(pid); i++)
        mn_sleep(MS);
}

static char name_of_255[256], name_of_256[257];

static void names(void) {
    mn_pid a, b;
    mn_spawn(&a, member, NULL);
    mn_spawn(&b, member, NULL);
    is(mn_register("alpha", a), 0, "register");
    ok(mn_whereis("alpha") == a, "whereis");
    is(mn_register("alpha", b), -EEXIST, "a name is one process's");
    is(mn_register("alpha", a), -EEXIST, "once");
    is(mn_register("another", a), 0, "a process may have two");
    ok(mn_whereis("beta") == 0, "nobody's name");
    is(mn_post_name("beta", 7, NULL, 0), -ENOENT, "nobody to send to");
    is(mn_post_name("alpha", 7, NULL, 0), 0, "send by name");
    struct mn_name_info info[4];
    is(mn_registered(info, 4), 2, "both names are known");
    ok(info[0].pid == a && info[1].pid == a, "as a's");
    is(mn_registered(NULL, 0), 2, "only how many");
    is(mn_unregister("another"), 0, "unregister");
    is(mn_unregister("another"), -ENOENT, "twice");
    mn_ref ref;
    is(mn_attach(), 0, "attach");
    is(mn_monitor_name("alpha", &ref), 0, "monitor by name");
    end_and_wait(a);
    struct mn_msg *m;
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}), 0, "it ends");
    mn_msg_free(m);
    ok(mn_whereis("alpha") == 0, "its name is free");
    is(mn_unregister("alpha"), -ENOENT, "and gone");
    is(mn_register("alpha", b), 0, "for another");
    is(mn_monitor_name("nobody", &ref), 0, "monitor of nobody");
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}), 0, "tells at once");
    is(mn_msg_reason(m), MN_REASON_NOPROC, "that there is none");
    mn_msg_free(m);
    is(mn_register("late", a), -ESRCH, "a process that has ended");
    is(mn_register("late", 0), -ESRCH, "no process");
    is(mn_register(NULL, b), -EINVAL, "no name");
    is(mn_register("", b), -EINVAL, "an empty name");
    memset(name_of_255, 'x', 255);
    memset(name_of_256, 'x', 256);
    is(mn_register(name_of_256, b), -EINVAL, "a long name");
    is(mn_register(name_of_255, b), 0, "a shorter one");
    ok(mn_whereis(name_of_255) == b, "is found");
    end_and_wait(b);
    is(mn_registered(NULL, 0), 0, "all gone");
}

static int next_type(mn_ref ref, mn_pid *who) {
    struct mn_msg *m;
    if (mn_receive_match_until(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref},
                               mn_after(5000ll * MS)) < 0)
        return -1;
    int type = m->type;
    *who = m->from;
    mn_msg_free(m);
    return type;
}

static void groups(void) {
    mn_pid p[3], got[4], who;
    mn_ref ref;
    for (int i = 0; i < 3; i++)
        mn_spawn(&p[i], member, NULL);
    is(mn_group_members("g", got, 4), 0, "no group");
    is(mn_group_watch("g", &ref), 0, "watch it");
    for (int i = 0; i < 3; i++)
        is(mn_group_join("g", p[i]), 0, "join");
    for (int i = 0; i < 3; i++)
        ok(next_type(ref, &who) == MN_MSG_JOINED && who == p[i], "the watcher is told, in order");
    is(mn_group_members("g", got, 4), 3, "three members");
    ok(got[0] == p[0] && got[1] == p[1] && got[2] == p[2], "the oldest first");
    is(mn_group_members("g", got, 1), 3, "more than there is room for");
    sevens = 0;
    is(mn_group_post("g", 7, NULL, 0), 3, "a message to all");
    for (int i = 0; i < 5000 && sevens < 3; i++)
        mn_sleep(MS);
    is(sevens, 3, "came to each");
    is(mn_group_join("g", p[0]), 0, "join twice");
    ok(next_type(ref, &who) == MN_MSG_JOINED && who == p[0], "told again");
    is(mn_group_members("g", NULL, 0), 4, "counted twice");
    is(mn_group_leave("g", p[0]), 0, "leave");
    ok(next_type(ref, &who) == MN_MSG_LEFT && who == p[0], "told");
    is(mn_group_leave("g", p[0]), 0, "leave again");
    ok(next_type(ref, &who) == MN_MSG_LEFT && who == p[0], "told again");
    is(mn_group_leave("g", p[0]), -ENOENT, "once too often");
    end_and_wait(p[1]);
    ok(next_type(ref, &who) == MN_MSG_LEFT && who == p[1], "who ends leaves");
    is(mn_group_unwatch(ref), 0, "watch no more");
    is(mn_group_unwatch(ref), -ENOENT, "twice");
    end_and_wait(p[2]);
    is(mn_group_members("g", NULL, 0), 0, "nobody is left");
    struct mn_msg *m;
    is(mn_receive_match_until(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}, 0), -ETIMEDOUT,
       "nobody was told");
    is(mn_group_join("g", p[1]), -ESRCH, "a process that has ended");
    is(mn_group_join("", p[0]), -EINVAL, "no name");
    is(mn_group_leave("none", p[0]), -ENOENT, "no group");
    is(mn_group_post("none", 7, NULL, 0), 0, "nobody gets it");
    end_and_wait(p[0]);
}

/* ---- full mailboxes hold up who sends */

static struct mn_event go_on;

static int sleepy(void *arg) {
    (void)arg;
    mn_event_wait(&go_on);
    return member(NULL);
}

static void full(void) {
    static const struct mn_spawn_attr one = {.mailbox = 1};
    mn_pid p[3];
    sevens = 0;
    mn_event_reset(&go_on);
    for (int i = 0; i < 3; i++) {
        mn_spawn_opt(&p[i], i == 1 ? &one : NULL, i == 1 ? sleepy : member, NULL);
        mn_group_join("full", p[i]);
    }
    mn_register("sleepy", p[1]);
    is(mn_post_name_until("sleepy", 7, NULL, 0, 0), 0, "there is room for one, deadline or not");
    is(mn_post_name_until("sleepy", 7, NULL, 0, mn_after(MS)), -ETIMEDOUT, "by name");
    is(mn_post_name_until("nobody", 7, NULL, 0, mn_after(MS)), -ENOENT, "nobody's name");
    is(mn_cast_until(p[1], 7, NULL, 0, mn_after(MS)), -ETIMEDOUT, "by pid");
    is(mn_group_post_until("full", 7, NULL, 0, mn_after(MS)), -ETIMEDOUT, "to a group");
    for (int i = 0; i < 5000 && sevens < 2; i++)
        mn_sleep(MS);
    is(sevens, 2, "the others have it, also those after the one that has not");
    mn_event_set(&go_on);
    for (int i = 0; i < 5000 && sevens < 3; i++)
        mn_sleep(MS);
    is(mn_group_post_until("full", 7, NULL, 0, mn_after(20000ll * MS)), 3, "in time");
    for (int i = 0; i < 5000 && sevens < 6; i++)
        mn_sleep(MS);
    is(sevens, 6, "to each");
    for (int i = 0; i < 3; i++)
        end_and_wait(p[i]);
}

/* Each takes one of few names, joins, and ends in between others' doing the same. */
static int churner(void *arg) {
    char name[16];
    unsigned seed = (unsigned)(uintptr_t)arg;
    mn_ref ref;
    mn_group_watch("churn", &ref);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "n%u", (seed = seed * 1103515245 + 12345) >> 16 & 7);
        int r = mn_register(name, mn_pid_self());
        if (r < 0 && r != -EEXIST)
            return r;
        mn_group_join("churn", mn_pid_self());
        mn_pid other = mn_whereis(name);
        if (other)
            mn_post(other, 7, NULL, 0);
        if (seed & 1 << 20)
            mn_unregister(name);
        if (seed & 1 << 21)
            mn_group_leave("churn", mn_pid_self());
        mn_yield();
    }
    return 0;
}

static void churn(void) {
    enum { ROUNDS = 20, AT_ONCE = 20 };
    int bad = 0;
    for (int i = 0; i < ROUNDS; i++) {
        mn_pid p[AT_ONCE];
        mn_ref ref[AT_ONCE];
        for (int k = 0; k < AT_ONCE; k++) {
            mn_spawn_opt(&p[k], &(struct mn_spawn_attr){.flags = MN_SPAWN_MONITOR, .monitor = &ref[k]}, churner,
                         (void *)(uintptr_t)(i * AT_ONCE + k + 1));
        }
        for (int k = 0; k < AT_ONCE; k++) {
            struct mn_msg *m;
            bad += mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref[k]}) < 0 ||
                   mn_msg_reason(m) != MN_REASON_NORMAL;
            mn_msg_free(m);
        }
    }
    is(bad, 0, "all ended well");
    for (int i = 0; i < 5000 && (mn_registered(NULL, 0) || mn_group_members("churn", NULL, 0)); i++)
        mn_sleep(MS);
    is(mn_registered(NULL, 0), 0, "no name is left");
    is(mn_group_members("churn", NULL, 0), 0, "no member is left");
}

static mn_pid shared;

/* Who was killed does not come back from the call, and leaves nothing of the name. */
static int monitors_killed(void *arg) {
    mn_ref ref;
    mn_shield(true);
    mn_exit_signal(mn_pid_self(), MN_REASON_KILL);
    mn_shield(false);
    mn_monitor_name(arg, &ref);
    return 0;
}

static void killed(void) {
    static char name[256];
    memset(name, 'n', 255);
    size_t before = 0;
    for (int i = 0; i < 220; i++) {
        mn_pid pid;
        mn_spawn(&pid, monitors_killed, name);
        while (mn_alive(pid))
            mn_yield();
        if (i == 20) /* what is kept for later is there */
            before = mallinfo2().uordblks;
    }
    ok(mallinfo2().uordblks < before + 100 * sizeof name, "nothing is left by those that were killed");
}

static void *foreign(void *arg) {
    (void)arg;
    is(mn_register("outside", shared), 0, "a foreign LWP registers");
    ok(mn_whereis("outside") == shared, "and looks up");
    is(mn_group_join("outside", shared), 0, "joins");
    is(mn_group_post("outside", 7, NULL, 0), 1, "posts");
    is(mn_group_watch("outside", &(mn_ref){0}), -EPERM, "but does not watch");
    is(mn_unregister("outside"), 0, "unregisters");
    is(mn_group_leave("outside", shared), 0, "leaves");
    return NULL;
}

static int all(void *arg) {
    (void)arg;
    names();
    groups();
    full();
    churn();
    killed();
    mn_spawn(&shared, member, NULL);
    pthread_t t;
    pthread_create(&t, NULL, foreign, NULL);
    pthread_join(t, NULL);
    mn_register("left behind", shared);
    mn_group_join("left behind", shared);
    return 0;
}

int main(void) {
    is(mn_register("x", 1), -EPERM, "without a runtime");
    ok(mn_whereis("x") == 0, "nor is anybody there");
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    is(mn_run(all, NULL, NULL), 0, "again");
    return done();
}
