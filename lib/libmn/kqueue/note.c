/*
 * note: the notes of a kqueue, by (ident, filter), and by the tags under which the operating system reports
 * them.
 *
 * A tag is slot and generation: an event that the kernel reports for a note that has gone (the descriptor's
 * number was closed, but its file lives on as a duplicate) finds a slot of another generation, and is nobody's.
 */
#include <errno.h>
#include <stdlib.h>

#include "fault.h"
#include "kq.h"

enum { FIRST_BUCKETS = 16, FIRST_SLOTS = 16 };

static uint32_t bucket(const struct mni_kq *kq, uintptr_t ident, int filter) {
    uint64_t h = ((uint64_t)ident * 32 + (unsigned)-filter) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32) & kq->hash_mask;
}

struct mni_note *mni_note_find(struct mni_kq *kq, uintptr_t ident, int filter) {
    if (!kq->hash)
        return NULL;
    struct mni_note *n = kq->hash[bucket(kq, ident, filter)];
    while (n && (n->ev.ident != ident || n->ev.filter != filter))
        n = n->next;
    return n;
}

/* More buckets, when there are more notes than these.  Without memory the chains grow. */
static int grow(struct mni_kq *kq) {
    if (kq->hash && kq->notes <= kq->hash_mask)
        return 0;
    uint32_t n = kq->hash ? 2 * (kq->hash_mask + 1) : FIRST_BUCKETS;
    struct mni_note **old = kq->hash, **new = fault("malloc") ? NULL : calloc(n, sizeof *new);
    if (!new)
        return old ? 0 : -ENOMEM;
    uint32_t old_n = old ? kq->hash_mask + 1 : 0;
    kq->hash = new;
    kq->hash_mask = n - 1;
    for (uint32_t i = 0; i < old_n; i++)
        for (struct mni_note *note = old[i], *next; note; note = next) {
            next = note->next;
            struct mni_note **head = &new[bucket(kq, note->ev.ident, note->ev.filter)];
            note->next = *head;
            *head = note;
        }
    free(old);
    return 0;
}

struct mni_note *mni_note_make(struct mni_kq *kq, const struct kevent *change) {
    if (grow(kq) < 0)
        return NULL;
    struct mni_note *n = fault("malloc") ? NULL : calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->ev = *change;
    struct mni_note **head = &kq->hash[bucket(kq, n->ev.ident, n->ev.filter)];
    n->next = *head;
    *head = n;
    kq->notes++;
    return n;
}

void mni_note_drop(struct mni_kq *kq, struct mni_note *n, bool attached) {
    if (attached && n->filter->detach)
        n->filter->detach(kq, n);
    mni_note_calm(kq, n);
    mni_note_source(kq, n, false);
    if (n->slot) {
        struct mni_slot *s = &kq->slots[n->slot];
        s->note = NULL;
        s->generation++;
        s->next_free = kq->free_slot;
        kq->free_slot = n->slot;
    }
    struct mni_note **p = &kq->hash[bucket(kq, n->ev.ident, n->ev.filter)];
    while (*p != n)
        p = &(*p)->next;
    *p = n->next;
    kq->notes--;
    free(n);
}

uint64_t mni_note_tag(struct mni_kq *kq, struct mni_note *n) {
    if (!n->slot) {
        if (!kq->free_slot) {
            uint32_t count = kq->nslots ? 2 * kq->nslots : FIRST_SLOTS, first = kq->nslots ? kq->nslots : 1;
            struct mni_slot *s = fault("malloc") ? NULL : realloc(kq->slots, count * sizeof *s);
            if (!s)
                return 0;
            for (uint32_t i = first; i < count; i++)
                s[i] = (struct mni_slot){NULL, 0, i + 1 < count ? i + 1 : 0};
            kq->slots = s;
            kq->nslots = count;
            kq->free_slot = first;
        }
        n->slot = kq->free_slot;
        kq->free_slot = kq->slots[n->slot].next_free;
        kq->slots[n->slot].note = n;
    }
    return (uint64_t)kq->slots[n->slot].generation << 32 | n->slot;
}

struct mni_note *mni_note_of(struct mni_kq *kq, uint64_t tag) {
    uint32_t i = (uint32_t)tag;
    return i && i < kq->nslots && kq->slots[i].generation == tag >> 32 ? kq->slots[i].note : NULL;
}

void mni_notes_free(struct mni_kq *kq) {
    for (uint32_t i = 0; kq->hash && i <= kq->hash_mask; i++)
        while (kq->hash[i])
            mni_note_drop(kq, kq->hash[i], true);
    free(kq->hash);
    free(kq->slots);
    free(kq->heap);
    kq->hash = NULL;
    kq->slots = NULL;
    kq->heap = NULL;
    kq->hash_mask = kq->nslots = kq->free_slot = kq->heap_room = 0;
}
