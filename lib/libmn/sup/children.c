/*
 * children: the list of a supervisor's children, in the order of their start; and those that run, by pid.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "sup/sup.h"

/* Whether it says what it is, and its numbers make sense; -EEXIST: there is one with that id. */
int mni_child_check(const struct mni_sup *s, const struct mn_child *spec) {
    int kinds = (spec->fn != NULL) + (spec->handler != NULL) + (spec->sup != NULL) + (spec->start != NULL);
    if (kinds != 1 || spec->restart < MN_PERMANENT || spec->restart > MN_TEMPORARY ||
        spec->shutdown < MN_SHUTDOWN_KILL)
        return -EINVAL;
    if ((spec->init_size && !spec->init) || spec->opt.flags & ~(unsigned)MN_SPAWN_TRAP_EXIT)
        return -EINVAL;
    if (s->strategy == MN_DYNAMIC)
        return spec->id ? -EINVAL : 0;
    if (!spec->id || strlen(spec->id) > MNI_SUP_ID_MOST)
        return -EINVAL;
    return mni_child_by_id((struct mni_sup *)s, spec->id) ? -EEXIST : 0;
}

struct mni_child *mni_child_make(const struct mn_child *spec) {
    size_t id = spec->id ? strlen(spec->id) + 1 : 0, at = (id + 15) & ~(size_t)15, bytes;
    if (__builtin_add_overflow(sizeof(struct mni_child) + at, spec->init_size, &bytes))
        return NULL;
    struct mni_child *ch = fault("malloc") ? NULL : malloc(bytes);
    if (!ch)
        return NULL;
    *ch = (struct mni_child){.spec = *spec};
    if (id)
        ch->spec.id = memcpy(ch->bytes, spec->id, id);
    if (spec->init_size)
        ch->spec.init = memcpy(ch->bytes + at, spec->init, spec->init_size);
    return ch;
}

void mni_child_add(struct mni_sup *s, struct mni_child *ch) {
    list_append(&s->children, &ch->link);
    s->count++;
}

void mni_child_delete(struct mni_sup *s, struct mni_child *ch) {
    list_remove(&ch->link);
    s->count--;
    free(ch);
}

struct mni_child *mni_child_by_id(struct mni_sup *s, const char *id) {
    list_each(l, &s->children) {
        struct mni_child *ch = list_entry(l, struct mni_child, link);
        if (ch->spec.id && strcmp(ch->spec.id, id) == 0)
            return ch;
    }
    return NULL;
}

struct mni_child *mni_child_by_pid(struct mni_sup *s, mn_pid pid) {
    struct mni_node *n = mni_hash_first(&s->running, mni_hash_of(pid));
    return n ? list_entry(n, struct mni_child, by_pid) : NULL;
}

void mni_child_runs(struct mni_sup *s, struct mni_child *ch, mn_pid pid) {
    ch->pid = pid;
    ch->by_pid.hash = mni_hash_of(pid);
    mni_hash_add(&s->running, &ch->by_pid);
}

void mni_child_runs_not(struct mni_sup *s, struct mni_child *ch) {
    mni_hash_remove(&s->running, &ch->by_pid);
    ch->pid = 0;
}
