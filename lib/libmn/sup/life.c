/*
 * life: starting a supervisor's children, and stopping them.
 *
 * A child is told to end by an exit signal, and waited for by a monitor, which tells also of a child that has
 * taken away its link. Without memory for a monitor the link has to do.  Messages of type EXIT that are left by
 * children which were stopped here name pids that no child has any more, and are dropped when the supervisor
 * comes to them.
 */
#include <errno.h>

#include "sup/sup.h"

#define SHUTDOWN_NS 5000000000ll

int mni_child_start(struct mni_sup *s, struct mni_child *ch) {
    const struct mn_child *spec = &ch->spec;
    struct mn_spawn_attr opt = spec->opt;
    mn_pid pid = 0;
    int r;
    opt.flags |= MN_SPAWN_LINK;
    opt.monitor = NULL;
    if (spec->fn)
        r = mn_spawn_opt(&pid, &opt, spec->fn, spec->arg);
    else if (spec->handler)
        r = mn_spawn_handler(&pid, spec->handler, spec->init, spec->init_size, &opt);
    else if (spec->sup)
        r = mn_sup_start(&pid, spec->sup);
    else
        r = spec->start(&pid, spec->arg);
    if (r < 0)
        return r;
    if (pid)
        mni_child_runs(s, ch, pid);
    return 0;
}

void mni_child_settle(struct mni_sup *s, struct mni_child *ch) {
    if (!ch->pid && !ch->failed && (ch->spec.restart == MN_TEMPORARY || s->strategy == MN_DYNAMIC))
        mni_child_delete(s, ch);
}

/* It gets there, if need be when there is memory again. */
static void tell(mn_pid pid, int64_t reason) {
    /* The end of the runtime cuts it short, and then the children know. */
    while (mn_exit_signal(pid, reason) == -ENOMEM && mn_sleep(MNI_SUP_NAP_NS) == 0)
        continue;
}

/* When the runtime ends, the children have been told, too: they have the same time to end as otherwise. */
static int wait_for_end(const struct mni_child *ch, int64_t deadline) {
    struct mn_match match = {.fields = MN_MATCH_TYPE | MN_MATCH_REF, .type = MN_MSG_DOWN, .ref = ch->ref};
    if (!ch->ref)
        match =
            (struct mn_match){.fields = MN_MATCH_TYPE | MN_MATCH_FROM, .type = MN_MSG_EXIT, .from = ch->pid};
    struct mn_msg *m;
    int r = mn_receive_match_until(&m, &match, deadline);
    if (r == -ECANCELED) {
        mn_shield(true); /* not before: it would also put off a kill */
        r = mn_receive_match_until(&m, &match, deadline);
        mn_shield(false); /* who stops one child looks for what is next to do, and learns of it there */
    }
    if (r == 0)
        mn_msg_free(m);
    return r;
}

/* When it is killed, if it has not ended by then. */
static int64_t ask_to_end(struct mni_child *ch) {
    int64_t span = ch->spec.shutdown;
    if (span == 0)
        span = ch->spec.sup ? MN_FOREVER : SHUTDOWN_NS;
    ch->ref = 0;
    if (mn_monitor(ch->pid, &ch->ref) < 0)
        ch->ref = 0;
    tell(ch->pid, span == MN_SHUTDOWN_KILL ? MN_REASON_KILL : MN_REASON_SHUTDOWN);
    return span == MN_SHUTDOWN_KILL ? MN_FOREVER : mn_after(span);
}

static void see_end(struct mni_sup *s, struct mni_child *ch, int64_t deadline) {
    if (wait_for_end(ch, deadline) < 0) {
        tell(ch->pid, MN_REASON_KILL);
        wait_for_end(ch, MN_FOREVER);
    }
    mni_child_runs_not(s, ch);
}

void mni_child_stop(struct mni_sup *s, struct mni_child *ch) {
    ch->failed = false;
    if (!ch->pid)
        return;
    see_end(s, ch, ask_to_end(ch));
}

/* Kills whose time is over, and returns when the next one is due. */
static int64_t kill_late(struct mni_sup *s) {
    int64_t next = MN_FOREVER, now = mn_now();
    list_each(l, &s->children) {
        struct mni_child *ch = list_entry(l, struct mni_child, link);
        if (ch->pid && ch->killed <= now) {
            tell(ch->pid, MN_REASON_KILL);
            ch->killed = MN_FOREVER;
        } else if (ch->pid && ch->killed < next) {
            next = ch->killed;
        }
    }
    return next;
}

/*
 * There may be a million, which end in any order: so the mailbox is taken as it comes, instead of being
 * searched for each child. Others' calls in it are dropped; their callers learn of the supervisor's end.
 */
static void stop_all_at_once(struct mni_sup *s) {
    list_each(l, &s->children) {
        struct mni_child *ch = list_entry(l, struct mni_child, link);
        if (ch->pid)
            ch->killed = ask_to_end(ch);
    }
    for (int64_t next = s->running.count ? kill_late(s) : 0; s->running.count;) {
        struct mn_msg *m;
        int r = mn_receive_until(&m, next);
        if (r == -ETIMEDOUT) {
            next = kill_late(s);
        } else if (r < 0) {
            mn_shield(true); /* as wait_for_end */
        } else {
            struct mni_child *ch =
                m->type == MN_MSG_DOWN || m->type == MN_MSG_EXIT ? mni_child_by_pid(s, m->from) : NULL;
            if (ch && (m->type == MN_MSG_DOWN || !ch->ref))
                mni_child_runs_not(s, ch);
            mn_msg_free(m);
        }
    }
    list_each_safe(l, &s->children)
        mni_child_delete(s, list_entry(l, struct mni_child, link));
}

void mni_children_stop(struct mni_sup *s, const struct mni_child *from) {
    if (s->strategy == MN_DYNAMIC) {
        stop_all_at_once(s);
        return;
    }
    for (struct list *l = s->children.prev, *prev; l != &s->children && l != (from ? &from->link : NULL);
         l = prev) {
        struct mni_child *ch = list_entry(l, struct mni_child, link);
        prev = l->prev;
        mni_child_stop(s, ch);
        if (ch->spec.restart == MN_TEMPORARY)
            mni_child_delete(s, ch);
    }
}
