/*
 * restart: what a supervisor does when a child has ended.
 *
 *     restart       ended with                    then
 *     TEMPORARY     anything                      it is forgotten
 *     TRANSIENT     NORMAL, SHUTDOWN              it stays in the list, stopped; a dynamic supervisor forgets it
 *     otherwise                                   it is started again, with others as the strategy says
 *
 * A child that cannot be started again counts as one that ended once more: it is tried again when the
 * supervisor has looked at its mailbox, until that has been too often.
 */
#include "sup/sup.h"

/* One more restart; false: there were more than `intensity` within the period. */
static bool bear(struct mni_sup *s) {
    if (s->intensity == 0)
        return false;
    int64_t now = mn_now(), *oldest = &s->times[s->restarts % s->intensity];
    if (s->restarts >= s->intensity && now - *oldest <= s->period)
        return false;
    *oldest = now;
    s->restarts++;
    return true;
}

static bool start_again(struct mni_sup *s, struct mni_child *ch) {
    ch->failed = mni_child_start(s, ch) < 0;
    if (ch->failed)
        s->retry = true;
    else
        ch->restarts++;
    return !ch->failed;
}

static void start_one_again(struct mni_sup *s, struct mni_child *ch) {
    start_again(s, ch);
    mni_child_settle(s, ch);
}

static bool restart(struct mni_sup *s, struct mni_child *ch) {
    ch->failed = false;
    if (!bear(s))
        return false;
    if (s->strategy == MN_ONE_FOR_ONE || s->strategy == MN_DYNAMIC) {
        start_one_again(s, ch);
        return true;
    }
    mni_children_stop(s, s->strategy == MN_ONE_FOR_ALL ? NULL : ch);
    struct list *l = s->strategy == MN_ONE_FOR_ALL ? s->children.next : &ch->link;
    for (; l != &s->children; l = l->next)
        if (!start_again(s, list_entry(l, struct mni_child, link)))
            break;
    return true;
}

bool mni_sup_child_ended(struct mni_sup *s, struct mni_child *ch, int64_t reason) {
    bool well = reason == MN_REASON_NORMAL || reason == MN_REASON_SHUTDOWN;
    mni_child_runs_not(s, ch);
    if (ch->spec.restart == MN_TEMPORARY ||
        (ch->spec.restart == MN_TRANSIENT && well && s->strategy == MN_DYNAMIC)) {
        mni_child_delete(s, ch);
        return true;
    }
    if (ch->spec.restart == MN_TRANSIENT && well)
        return true;
    return restart(s, ch);
}

bool mni_sup_retry(struct mni_sup *s) {
    s->retry = false;
    list_each_safe(l, &s->children) {
        struct mni_child *ch = list_entry(l, struct mni_child, link);
        if (!ch->failed)
            continue;
        if (!restart(s, ch))
            return false;
        if (s->strategy != MN_ONE_FOR_ONE && s->strategy != MN_DYNAMIC)
            break;
    }
    return true;
}
