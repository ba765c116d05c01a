/*
 * rel: the links and monitors of a process.
 *
 * A list, which is all that most processes need: a handful of relations.  From 16 on there is an index,
 * chains by hash that grow with the number; a supervisor of a million finds each in constant time.  Where
 * there is no memory for a larger index, the chains grow longer.
 */
#include <stdlib.h>

#include "fault.h"
#include "proc/signal.h"

enum { FEW = 16 };

static uint64_t key_of(const struct mni_rel *r) {
    return r->kind == MNI_R_LINK ? r->peer : r->ref;
}

static struct mni_rel **chain(const struct mni_more *more, uint64_t key) {
    return &more->index[(key * 0x9e3779b97f4a7c15u >> 32) & more->index_mask];
}

static void rebuild(struct mni_proc *p, uint32_t size) {
    struct mni_more *more = p->more;
    struct mni_rel **index = fault("malloc") ? NULL : calloc(size, sizeof *index);
    if (!index)
        return;
    free(more->index);
    more->index = index;
    more->index_mask = size - 1;
    for (struct mni_rel *r = p->rels; r; r = r->succ) {
        struct mni_rel **at = chain(more, key_of(r));
        r->chain = *at;
        *at = r;
    }
}

void mni_rel_add(struct mni_proc *p, struct mni_rel *r) {
    r->prev = NULL;
    r->succ = p->rels;
    if (p->rels)
        p->rels->prev = r;
    p->rels = r;
    a32_store(&p->nrels, p->nrels + 1); /* relaxed, here and below: others look at it (info.c) */
    struct mni_more *more = p->more;
    bool indexed = more && more->index;
    if (__builtin_expect(p->nrels <= FEW && !indexed, 1))
        return;
    if (!indexed || p->nrels > 2 * more->index_mask) {
        if (more || (more = mni_more(mni_worker_self() ? mni_cpu_self() : NULL, p))) {
            struct mni_rel **old = more->index;
            uint32_t size = 4 * FEW;
            while (size < 2 * p->nrels)
                size *= 2;
            rebuild(p, size);
            if (more->index != old)
                return; /* it is in */
        }
    }
    if (more && more->index) {
        struct mni_rel **at = chain(more, key_of(r));
        r->chain = *at;
        *at = r;
    }
}

void mni_rel_remove(struct mni_proc *p, struct mni_rel *r) {
    if (r->prev)
        r->prev->succ = r->succ;
    else
        p->rels = r->succ;
    if (r->succ)
        r->succ->prev = r->prev;
    a32_store(&p->nrels, p->nrels - 1);
    struct mni_more *more = p->more;
    if (__builtin_expect(!more || !more->index, 1))
        return;
    struct mni_rel **at = chain(more, key_of(r));
    while (*at != r)
        at = &(*at)->chain;
    *at = r->chain;
    if (p->nrels == 0) {
        free(more->index);
        more->index = NULL;
        more->index_mask = 0;
    }
}

struct mni_rel *mni_rel_find(struct mni_proc *p, enum mni_kind kind, uint64_t key) {
    const struct mni_more *more = p->more;
    if (__builtin_expect(more && more->index, 0)) {
        for (struct mni_rel *r = *chain(more, key); r; r = r->chain)
            if (r->kind == kind && key_of(r) == key)
                return r;
        return NULL;
    }
    for (struct mni_rel *r = p->rels; r; r = r->succ)
        if (r->kind == kind && key_of(r) == key)
            return r;
    return NULL;
}
