/* State machines: a turnstile with timeouts and postponed messages; ends; bad input. */
#include <errno.h>
#include <mn/statem.h>

#include "trace.h"

enum { LOCKED, OPEN, BROKEN };
enum { COIN = 1, PUSH, ASK, TIMED_COIN, BREAK, STOP, FAIL, NOWHERE, SLOW };

struct data {
    int coins, pushes;
};

static int any(struct mn_msg *m) {
    if (m->type == MN_MSG_CALL) {
        int state = mn_state_now();
        mn_reply(m, 0, &state, sizeof state);
        return MN_GO_ON;
    }
    return m->tag == STOP      ? MN_STOP
           : m->tag == FAIL    ? -EIO
           : m->tag == BREAK   ? MN_TO(BROKEN)
           : m->tag == NOWHERE ? MN_TO(9)
                               : MN_GO_ON;
}

static int locked_enter(void *data) {
    (void)data;
    note('L');
    return MN_GO_ON;
}
static int locked_event(void *data, struct mn_msg *m) {
    struct data *d = data;
    if (m->type == MN_MSG && m->tag == PUSH) {
        note('p');
        return MN_POSTPONE;
    }
    if (m->type == MN_MSG && (m->tag == COIN || m->tag == TIMED_COIN || m->tag == SLOW)) {
        d->coins++;
        note('c');
        if (m->tag == SLOW)
            return mn_state_timeout(mn_after(MS)) < 0 ? -EIO : MN_GO_ON;
        return MN_TO(OPEN);
    }
    return any(m);
}
static int locked_timeout(void *data) {
    (void)data;
    note('t');
    return MN_GO_ON;
}
static int open_enter(void *data) {
    note('O');
    return ((struct data *)data)->coins > 100 ? MN_TO(BROKEN) : mn_state_timeout(mn_after(20000ll * MS));
}
static int open_event(void *data, struct mn_msg *m) {
    if (m->type == MN_MSG && m->tag == PUSH) {
        ((struct data *)data)->pushes++;
        note('P');
        return MN_TO(LOCKED);
    }
    if (m->type == MN_MSG && m->tag == COIN) {
        note('=');
        return MN_POSTPONE;
    }
    if (m->type == MN_MSG && m->tag == TIMED_COIN) {
        note('!');
        return mn_state_timeout(mn_after(MS)) < 0 ? -EIO : MN_GO_ON;
    }
    return any(m);
}
static int open_timeout(void *data) {
    (void)data;
    note('T');
    return MN_TO(LOCKED);
}
static void over(void *data, int64_t reason) {
    (void)data;
    note(reason == MN_REASON_NORMAL ? '.' : reason == -EIO ? 'e' : reason == -EINVAL ? 'i' : '?');
}

static const struct mn_state states[] = {{"locked", locked_enter, locked_event, locked_timeout},
                                         {"open", open_enter, open_event, open_timeout},
                                         {"broken", NULL, NULL, NULL}};
static const struct mn_statem turnstile = {MN_STATEM_HANDLER(sizeof(struct data)), states, 3, over};

static int state_of(mn_pid pid) {
    struct mn_msg *reply;
    int r = mn_call(pid, ASK, NULL, 0, &reply);
    if (r < 0)
        return r;
    r = *(const int *)reply->data;
    mn_msg_free(reply);
    return r;
}

static void comes_to(const char *want) {
    await_trace(is_seen, want);
    forget_trace();
}

static void post(mn_pid pid, uint64_t tag) {
    mn_post(pid, tag, NULL, 0);
}

static mn_pid start(int coins) {
    mn_pid pid = 0;
    struct data d = {.coins = coins};
    is(mn_spawn_statem(&pid, &turnstile, &d, sizeof d, NULL), 0, "spawn");
    comes_to("L");
    return pid;
}

static void basics(void) {
    mn_pid pid = start(0);
    is(state_of(pid), LOCKED, "the first state");
    post(pid, COIN);
    comes_to("cO");
    is(state_of(pid), OPEN, "the next");
    post(pid, PUSH);
    comes_to("PL");
    post(pid, PUSH);
    post(pid, PUSH);
    comes_to("pp");
    post(pid, COIN);
    comes_to("cOPLp"); /* the first push goes through, the second waits once more */
    post(pid, COIN);
    comes_to("cOPL");
    post(pid, COIN);
    post(pid, COIN);
    post(pid, COIN);
    comes_to("cO==");
    post(pid, PUSH);
    comes_to("PLcO="); /* a coin that was put in early counts when it is locked again */
    post(pid, TIMED_COIN);
    comes_to("!TLcO");
    post(pid, TIMED_COIN);
    comes_to("!TL");
    is(state_of(pid), LOCKED, "the timeout changed it");
    post(pid, SLOW);
    comes_to("ct"); /* a timeout that changes nothing */
    post(pid, SLOW);
    post(pid, COIN);
    for (int i = 0; i < 20000 && !strchr(seen(), 'O'); i++)
        mn_sleep(MS);
    mn_sleep(5 * MS);
    const char *opens = strchr(seen(), 'O');
    ok(opens && !opens[1], "a change of state takes a timeout back: %s", seen());
    forget_trace();
    post(pid, STOP);
    comes_to(".");
}

static void ends(void) {
    mn_pid pid = start(0);
    post(pid, FAIL);
    comes_to("e");
    pid = start(0);
    post(pid, NOWHERE);
    comes_to("i");
    pid = start(200);
    post(pid, PUSH);
    comes_to("p");
    post(pid, COIN);
    comes_to("cO"); /* on to broken, where all is dropped, the postponed push, too */
    is(mn_attach(), 0, "attach");
    mn_ref ref;
    struct mn_msg *m;
    mn_monitor(pid, &ref);
    mn_exit_signal(pid, MN_REASON_KILL);
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}), 0, "killed");
    mn_msg_free(m);
    /* Killed with messages that it has postponed, and a timeout set. */
    pid = start(0);
    post(pid, PUSH);
    post(pid, SLOW);
    comes_to("pct");
    mn_monitor(pid, &ref);
    mn_exit_signal(pid, MN_REASON_KILL);
    is(mn_receive_match(&m, &(struct mn_match){.fields = MN_MATCH_REF, .ref = ref}), 0, "killed");
    mn_msg_free(m);
}

static int all(void *arg) {
    (void)arg;
    basics();
    ends();
    is(mn_spawn_statem(NULL, NULL, NULL, 0, NULL), -EINVAL, "no machine");
    is(mn_spawn_statem(NULL, &turnstile, NULL, 4, NULL), -EINVAL, "no bytes");
    is(mn_spawn_statem(NULL, &turnstile, "many bytes, as there are here", 29, NULL), -EINVAL, "too many");
    is(mn_spawn_statem(NULL, &(struct mn_statem){MN_STATEM_HANDLER(8), states, 0, NULL}, NULL, 0, NULL),
       -EINVAL, "no states");
    is(mn_state_now(), -EPERM, "no machine here");
    is(mn_state_timeout(MN_FOREVER), -EPERM, "nor timeouts");
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
