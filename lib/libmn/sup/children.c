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

/* Pids have an index below and a generation above: neighbours differ in the lowest bits. */
static struct mni_child **chain_of(const struct mni_sup *s, mn_pid pid) {
    return &s->chains[(pid ^ pid >> 32) & s->mask];
}

struct mni_child *mni_child_by_pid(struct mni_sup *s, mn_pid pid) {
    struct mni_child *ch = *chain_of(s, pid);
    while (ch && ch->pid != pid)
        ch = ch->chain;
    return ch;
}

/* Without memory the chains stay as they are, and get longer. */
static void grow(struct mni_sup *s) {
    size_t mask = 2 * s->mask + 1;
    struct mni_child **old = s->chains,
                     **chains = fault("malloc") ? NULL : calloc(mask + 1, sizeof(struct mni_child *));
    if (!chains)
        return;
    size_t before = s->mask;
    s->chains = chains;
    s->mask = mask;
    for (size_t i = 0; i <= before; i++)
        for (struct mni_child *ch = old[i], *next; ch; ch = next) {
            struct mni_child **chain = chain_of(s, ch->pid);
            next = ch->chain;
            ch->chain = *chain;
            *chain = ch;
        }
    free(old);
}

void mni_child_runs(struct mni_sup *s, struct mni_child *ch, mn_pid pid) {
    if (s->running > s->mask)
        grow(s);
    struct mni_child **chain = chain_of(s, pid);
    ch->pid = pid;
    ch->chain = *chain;
    *chain = ch;
    s->running++;
}

void mni_child_runs_not(struct mni_sup *s, struct mni_child *ch) {
    struct mni_child **at = chain_of(s, ch->pid);
    while (*at != ch)
        at = &(*at)->chain;
    *at = ch->chain;
    ch->pid = 0;
    s->running--;
}
