/*
 * chan_buffer: where the elements lie that were sent and not yet received.
 *
 * A bounded channel has a ring in one piece.  An unbounded one has a list of segments: elements are put to the
 * last and taken from the first, and nothing is ever copied to make room.  One segment that became empty is
 * kept, so that a channel that stays short does not allocate.  Both look the same to a put or take: a place,
 * and how many slots are left up to the end of this piece; who finds none left advances first.
 *
 * Elements of size 0 are only counted: their piece is endless and empty.
 *
 * A channel is often made for a single answer.  So it and its ring are one piece of malloc's, the ring on lines
 * of its own, and the lines are found in it by hand: aligned_alloc of glibc never takes from its thread's
 * cache, and made up two thirds of what a channel cost.
 */
#include "chan.h"

#include <errno.h>
#include <stdlib.h>

#include "fault.h"

enum {
    SEGMENT_BYTES = 4096 - 2 * (int)sizeof(struct mni_segment), /* with malloc's header, a page */
    SEGMENT_SLOTS = 8,                                          /* at least */
    LINE = 64,
    SELF_BYTES = (sizeof(struct mn_chan) + LINE - 1) / LINE * LINE,
};

static struct mni_segment *segment_new(const struct mn_chan *ch) {
    struct mni_segment *s = fault("malloc") ? NULL : malloc(sizeof *s + (size_t)ch->slots * ch->size);
    if (s)
        s->next = NULL;
    return s;
}

static void put_at(struct mn_chan *ch, char *place) {
    ch->put = place;
    ch->put_left = ch->slots;
}

static void take_at(struct mn_chan *ch, char *place) {
    ch->take = place;
    ch->take_left = ch->slots;
}

/* Bytes of the ring, whole lines; false: too many. */
static bool ring_bytes(const struct mn_chan *ch, size_t *bytes) {
    *bytes = 0;
    if (ch->size == 0 || ch->capacity == MNI_CHAN_ENDLESS)
        return true;
    if (ch->capacity > UINT32_MAX || __builtin_mul_overflow((size_t)ch->capacity, (size_t)ch->size, bytes) ||
        *bytes > PTRDIFF_MAX - 4096)
        return false;
    *bytes = (*bytes + LINE - 1) / LINE * LINE;
    return true;
}

static bool first_segment(struct mn_chan *ch) {
    ch->slots = SEGMENT_BYTES / ch->size > SEGMENT_SLOTS ? SEGMENT_BYTES / ch->size : SEGMENT_SLOTS;
    ch->first = ch->last = segment_new(ch);
    if (!ch->first)
        return false;
    put_at(ch, ch->first->data);
    take_at(ch, ch->first->data);
    return true;
}

struct mn_chan *mni_chan_new(const struct mn_chan *like) {
    size_t bytes;
    char *memory = ring_bytes(like, &bytes) && !fault("malloc") ? malloc(SELF_BYTES + bytes + LINE) : NULL;
    if (!memory)
        return NULL;
    struct mn_chan *ch = (struct mn_chan *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
    *ch = *like;
    ch->memory = memory;
    if (ch->size > 0 && ch->capacity == MNI_CHAN_ENDLESS) {
        if (first_segment(ch))
            return ch;
        free(memory);
        return NULL;
    }
    ch->slots = ch->size > 0 ? (uint32_t)ch->capacity : UINT32_MAX;
    ch->ring = bytes > 0 ? (char *)ch + SELF_BYTES : NULL;
    put_at(ch, ch->ring);
    take_at(ch, ch->ring);
    return ch;
}

void mni_chan_free(struct mn_chan *ch) {
    while (ch->first) {
        struct mni_segment *s = ch->first;
        ch->first = s->next;
        free(s);
    }
    free(ch->spare);
    free(ch->memory);
}

bool mni_chan_advance_put(struct mn_chan *ch) {
    if (!ch->last) {
        put_at(ch, ch->ring);
        return true;
    }
    struct mni_segment *s = ch->spare;
    if (!s)
        return false;
    ch->spare = NULL;
    s->next = NULL;
    ch->last->next = s;
    ch->last = s;
    put_at(ch, s->data);
    return true;
}

void mni_chan_advance_take(struct mn_chan *ch) {
    if (!ch->first) {
        take_at(ch, ch->ring);
        return;
    }
    struct mni_segment *empty = ch->first;
    ch->first = empty->next;
    take_at(ch, ch->first->data);
    /*
     * Every few hundred elements of a channel that was long and becomes shorter: free() under the lock is
     * bearable.
     */
    if (ch->spare)
        free(empty);
    else
        ch->spare = empty;
}

int mni_chan_more_room(struct mn_chan *ch) {
    struct mni_segment *s = segment_new(ch);
    if (!s)
        return -ENOMEM;
    mni_lock_take(&ch->lock);
    if (!ch->spare) {
        ch->spare = s;
        s = NULL;
    }
    mni_lock_drop(&ch->lock);
    free(s);
    return 0;
}
