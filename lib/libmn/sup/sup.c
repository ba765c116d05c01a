/*
 * sup: supervisors (mn/sup.h): the process itself, and its start.
 *
 * mn_sup_start makes the state with copies of the children, then the process, and waits for `started`.  Both
 * hold the state: a caller that is killed, or cancelled, while it waits leaves the supervisor something to
 * stand on.
 */
#include <errno.h>
#include <stdlib.h>

#include "atomic.h"
#include "export.h"
#include "fault.h"
#include "sup/sup.h"

#define PERIOD_NS 5000000000ll

static void drop(struct mni_sup *s) {
    /* Full: pairs with the other's. */
    if (a32_add_full(&s->refs, (uint32_t)-1) != 1)
        return;
    list_each_safe(l, &s->children)
        mni_child_delete(s, list_entry(l, struct mni_child, link));
    mni_hash_release(&s->running);
    free(s->times);
    free(s);
}

static void caller_drops(struct mni_sup **s) {
    if (*s)
        drop(*s);
}

static int make(struct mni_sup **made, const struct mn_sup *spec) {
    bool none = spec->intensity == MN_NO_RESTARTS;
    if (spec->strategy < MN_ONE_FOR_ONE || spec->strategy > MN_DYNAMIC || spec->period < 0 ||
        (!none && spec->intensity > MNI_SUP_INTENSITY_MOST) || (spec->nchildren && !spec->children))
        return -EINVAL;
    struct mni_sup *s = fault("malloc") ? NULL : calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->refs = 1;
    s->strategy = spec->strategy;
    s->intensity = none ? 0 : spec->intensity ? spec->intensity : 1;
    s->period = spec->period ? spec->period : PERIOD_NS;
    mn_event_init(&s->started);
    list_init(&s->children);
    s->times = fault("malloc") ? NULL : calloc(s->intensity + 1, sizeof(int64_t));
    int r = s->times ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < spec->nchildren; i++) {
        r = mni_child_check(s, &spec->children[i]);
        struct mni_child *ch = r < 0 ? NULL : mni_child_make(&spec->children[i]);
        if (ch)
            mni_child_add(s, ch);
        else if (r == 0)
            r = -ENOMEM;
    }
    if (r == -EEXIST)
        r = -EINVAL;
    if (r < 0)
        drop(s);
    else
        *made = s;
    return r;
}

/* If need be, when there is memory again. */
static void unlink_from(mn_pid pid) {
    while (mn_proc_unlink(pid) == -ENOMEM && mn_sleep(MNI_SUP_NAP_NS) == 0)
        continue;
}

/*
 * The process begins, or its start is given up: whether that is the second of the two.  A process that is killed
 * before it begins would never drop the state.
 */
static bool second(struct mni_sup *s) {
    return a32_swap_full(&s->begun, 1); /* full: pairs with the other's */
}

/* Nobody learns its pid: it is to end, and the caller to go on, also one that is cancelled. */
static void give_up(struct mni_sup *s, mn_pid pid) {
    bool was = mn_shield(true);
    unlink_from(pid);
    if (second(s))
        while (mn_exit_signal(pid, MN_REASON_KILL) == -ENOMEM && mn_sleep(MNI_SUP_NAP_NS) == 0)
            continue;
    mn_shield(was);
}

/* However the process ends. */
static void ended(void *arg) {
    struct mni_sup *s = arg;
    if (!mn_event_is_set(&s->started)) {
        s->result = -ECONNRESET;
        mn_event_set(&s->started);
    }
    drop(s);
}

static void started(struct mni_sup *s, int result) {
    s->result = result;
    mn_event_set(&s->started);
}

/* Handles one message; false: it is to end, for *reason. */
static bool handle(struct mni_sup *s, const struct mn_msg *m, int64_t *reason) {
    *reason = MN_REASON_SHUTDOWN;
    if (m->type == MN_MSG_EXIT) {
        struct mni_child *ch = mni_child_by_pid(s, m->from);
        if (ch)
            return mni_sup_child_ended(s, ch, mn_msg_reason(m));
        /* From no process: the runtime ends, or a foreign LWP says so. */
        if (m->from == s->parent || m->from == 0) {
            *reason = mn_msg_reason(m);
            return false;
        }
    } else if (m->type == MN_MSG_CALL) {
        return mni_sup_request(s, m);
    }
    return true;
}

static void supervise(struct mni_sup *s, int64_t *reason) {
    for (bool go_on = true; go_on;) {
        struct mn_msg *m;
        int r = mn_receive_until(&m, s->retry ? 0 : MN_FOREVER);
        if (r == 0) {
            go_on = handle(s, m, reason);
            mn_msg_free(m);
        } else if (r == -ETIMEDOUT) {
            *reason = MN_REASON_SHUTDOWN;
            go_on = mni_sup_retry(s);
        } else {
            *reason = MN_REASON_SHUTDOWN; /* cancelled: the runtime ends */
            go_on = false;
        }
    }
}

static int sup_main(void *arg) {
    struct mni_sup *s = arg;
    int64_t reason = MN_REASON_SHUTDOWN;
    if (second(s)) {
        drop(s);
        return 0;
    }
    int r = mn_defer(ended, s);
    if (r < 0) {
        unlink_from(s->parent);
        started(s, r);
        ended(s);
        return r;
    }
    list_each_safe(l, &s->children) {
        struct mni_child *ch = list_entry(l, struct mni_child, link);
        r = mni_child_start(s, ch);
        if (r < 0)
            break;
        mni_child_settle(s, ch);
    }
    if (r < 0) {
        mni_children_stop(s, NULL);
        unlink_from(s->parent); /* who started it learns of it by the result */
        started(s, r);
        mn_proc_exit(MN_REASON_SHUTDOWN);
    }
    started(s, 0);
    supervise(s, &reason);
    mni_children_stop(s, NULL);
    mn_proc_exit(reason);
}

MN_EXPORT int mn_sup_start_until(mn_pid *pid, const struct mn_sup *spec, int64_t deadline) {
    struct mni_sup *s __attribute__((cleanup(caller_drops))) = NULL;
    if (!spec)
        return -EINVAL;
    int r = make(&s, spec);
    if (r < 0)
        return r;
    mn_pid made;
    s->parent = mn_pid_self();
    struct mn_spawn_attr opt = {.name = spec->name ? spec->name : "supervisor",
                               .flags = MN_SPAWN_TRAP_EXIT | (s->parent ? MN_SPAWN_LINK : 0)};
    s->refs = 2;
    r = mn_spawn_opt(&made, &opt, sup_main, s);
    if (r < 0) {
        s->refs = 1;
        return r;
    }
    r = mn_event_wait_until(&s->started, deadline);
    if (r < 0) {
        give_up(s, made);
        return r;
    }
    if (s->result == 0 && pid)
        *pid = made;
    return s->result;
}

MN_EXPORT int mn_sup_start(mn_pid *pid, const struct mn_sup *spec) {
    return mn_sup_start_until(pid, spec, MN_FOREVER);
}
