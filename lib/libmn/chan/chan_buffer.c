/*
 * chan_buffer: where the elements lie that were sent and not yet received.
 *
 * A bounded channel has a ring in one piece.  An unbounded one has a list of segments: elements are put to the
 * last and taken from the first, and nothing is ever copied to make room.  One segment that became empty is
 * kept, so that a channel that stays short does not allocate.  Both look the same to a put or take: a place,
 * and how many slots are left up to the end of this piece; who finds none left advances first.
 *
 * Elements of size 0 are only counted: their piece is endless and empty.
 */
#include "chan.h"

#include <errno.h>
#include <stdlib.h>

#include "fault.h"

enum {
    SEGMENT_BYTES = 4096 - 2 * (int)sizeof(struct mni_segment), /* with malloc's header, a page */
    SEGMENT_SLOTS = 8,                                          /* at least */
    LINE = 64,
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

int mni_chan_buffer_init(struct mn_chan *ch) {
    if (ch->size == 0) {
        ch->slots = UINT32_MAX;
    } else if (ch->capacity == MNI_CHAN_ENDLESS) {
        ch->slots = SEGMENT_BYTES / ch->size > SEGMENT_SLOTS ? SEGMENT_BYTES / ch->size : SEGMENT_SLOTS;
        ch->first = ch->last = segment_new(ch);
        if (!ch->first)
            return -ENOMEM;
        put_at(ch, ch->first->data);
        take_at(ch, ch->first->data);
        return 0;
    } else {
        size_t bytes;
        if (ch->capacity > UINT32_MAX ||
            __builtin_mul_overflow((size_t)ch->capacity, (size_t)ch->size, &bytes) || bytes > PTRDIFF_MAX)
            return -ENOMEM;
        ch->slots = (uint32_t)ch->capacity;
        if (bytes > 0) {
            bytes = (bytes + LINE - 1) / LINE * LINE;
            ch->ring = fault("malloc") ? NULL : aligned_alloc(LINE, bytes);
            if (!ch->ring)
                return -ENOMEM;
        }
    }
    put_at(ch, ch->ring);
    take_at(ch, ch->ring);
    return 0;
}

void mni_chan_buffer_release(struct mn_chan *ch) {
    while (ch->first) {
        struct mni_segment *s = ch->first;
        ch->first = s->next;
        free(s);
    }
    free(ch->spare);
    free(ch->ring);
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
