/* msg: blocks, messages and shared binaries (msg.h). */
#include "proc/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "export.h"
#include "fault.h"
#include "lock.h"
#include "proc/proc.h"
#include "runtime/map.h"

enum { CHUNK = 256 * 1024 };

struct chunk {
    struct chunk *next;
    uint64_t unused[7];
};

static struct {
    struct lock lock;
    struct mni_block *full[MNI_MSG_CLASSES]; /* magazines */
    struct mni_block *loose[MNI_MSG_CLASSES]; /* of foreign LWPs, one by one */
    uint32_t loose_count[MNI_MSG_CLASSES];
    struct chunk *chunks;
    char *fresh, *end; /* of the newest chunk */
} depot = {.lock = LOCK_INIT(RANK_OBJECT)};

/* A chunk more; the lock is held. */
static bool grow(void) {
    struct chunk *chunk = mni_map(CHUNK);
    if (!chunk)
        return false;
    chunk->next = depot.chunks;
    depot.chunks = chunk;
    depot.fresh = (char *)(chunk + 1);
    depot.end = (char *)chunk + CHUNK;
    return true;
}

/* Up to n blocks that were never used, as a chain; the lock is held. */
static struct mni_block *carve(unsigned class, unsigned n, uint32_t *count) {
    size_t bytes = (size_t)64 << class;
    struct mni_block *chain = NULL;
    *count = 0;
    if ((size_t)(depot.end - depot.fresh) < bytes && !grow())
        return NULL;
    for (; *count < n && (size_t)(depot.end - depot.fresh) >= bytes; ++*count) {
        struct mni_block *b = (void *)depot.fresh;
        depot.fresh += bytes;
        b->next = chain;
        chain = b;
    }
    return chain;
}

void *mni_block_refill(struct mni_proc_cpu *pc, unsigned class) {
    struct mni_cache *cache = mni_block_cache(pc, class);
    if (cache->spare) {
        cache->free = cache->spare;
        cache->count = MNI_MAGAZINE;
        cache->spare = NULL;
    } else {
        lock_take(&depot.lock);
        struct mni_block *b = depot.full[class];
        if (b) {
            depot.full[class] = b->magazine;
            cache->count = MNI_MAGAZINE;
        } else if ((b = depot.loose[class])) {
            depot.loose[class] = NULL;
            cache->count = depot.loose_count[class];
            depot.loose_count[class] = 0;
        } else {
            b = carve(class, MNI_MAGAZINE, &cache->count);
        }
        lock_drop(&depot.lock);
        cache->free = b;
        if (!b)
            return NULL;
    }
    struct mni_block *b = cache->free;
    cache->free = b->next;
    cache->count--;
    return b;
}

void mni_block_full(struct mni_proc_cpu *pc, unsigned class, struct mni_block *b) {
    struct mni_cache *cache = mni_block_cache(pc, class);
    if (cache->spare) {
        lock_take(&depot.lock);
        cache->spare->magazine = depot.full[class];
        depot.full[class] = cache->spare;
        lock_drop(&depot.lock);
    }
    cache->spare = cache->free;
    b->next = NULL;
    cache->free = b;
    cache->count = 1;
}

void *mni_block_take_shared(unsigned class) {
    lock_take(&depot.lock);
    struct mni_block *b = depot.loose[class];
    uint32_t n;
    if (b) {
        depot.loose[class] = b->next;
        depot.loose_count[class]--;
    } else if ((b = depot.full[class])) {
        depot.full[class] = b->magazine;
        depot.loose[class] = b->next;
        depot.loose_count[class] = MNI_MAGAZINE - 1;
    } else {
        b = carve(class, 1, &n);
    }
    lock_drop(&depot.lock);
    return b;
}

void mni_block_give_shared(unsigned class, void *block) {
    struct mni_block *b = block;
    lock_take(&depot.lock);
    b->next = depot.loose[class];
    depot.loose[class] = b;
    if (++depot.loose_count[class] == MNI_MAGAZINE) {
        b->magazine = depot.full[class];
        depot.full[class] = b;
        depot.loose[class] = NULL;
        depot.loose_count[class] = 0;
    }
    lock_drop(&depot.lock);
}

/* The runtime has ended: nobody has a block any more. */
void mni_blocks_end(void) {
    while (depot.chunks) {
        struct chunk *next = depot.chunks->next;
        munmap(depot.chunks, CHUNK);
        depot.chunks = next;
    }
    mni_blocks_forked();
}

/* A fork's child leaves its parent's alone. */
void mni_blocks_forked(void) {
    depot.chunks = NULL;
    depot.fresh = depot.end = NULL;
    for (unsigned i = 0; i < MNI_MSG_CLASSES; i++) {
        depot.full[i] = depot.loose[i] = NULL;
        depot.loose_count[i] = 0;
    }
    lock_reset(&depot.lock);
}

void *mni_memory_take(struct mni_proc_cpu *pc, size_t bytes, unsigned class) {
    if (class != MNI_CLASS_HEAP)
        return mni_block_take(pc, class);
    return fault("malloc") ? NULL : malloc(bytes);
}

void mni_memory_give(struct mni_proc_cpu *pc, unsigned class, void *memory) {
    if (class != MNI_CLASS_HEAP)
        mni_block_give(pc, class, memory);
    else
        free(memory);
}

struct mni_msg *mni_msg_make_big(struct mni_proc_cpu *pc, size_t size) {
    size_t bytes = sizeof(struct mni_msg) + size;
    unsigned class = mni_class_of(bytes);
    struct mni_msg *m = mni_memory_take(pc, bytes, class);
    if (m)
        m->class = (uint8_t)class;
    return m;
}

void mni_msg_drop(struct mni_proc_cpu *pc, struct mni_msg *m) {
    if (m->bits & MNI_MSG_NAMED) {
        struct mni_named *n = m->extra[0];
        mn_bin_drop(n->bin);
        mn_bin_drop(n->name);
        mni_block_give(pc, 0, n);
    } else if (m->bits & MNI_MSG_BIN) {
        mn_bin_drop(m->extra[0]);
    }
    if (m->bits & MNI_MSG_REF && m->extra[0])
        ((void (*)(void *))(void (*)(void))(uintptr_t)m->extra[0])((void *)(uintptr_t)m->pub.data);
    m->bits = 0;
}

void mni_msg_free_slow(struct mni_proc_cpu *pc, struct mni_msg *m) {
    mni_msg_drop(pc, m);
    if (m->class == MNI_CLASS_FIXED)
        /* Release: pairs with the acquire of mn_post_from_signal. */
        a64_store_release((uint64_t *)(void *)&m->extra[1], 0);
    else
        mni_memory_give(pc, m->class, m);
}

MN_EXPORT int mn_bin_make(struct mn_bin **bin, const void *data, size_t size) {
    if (!bin)
        return -EINVAL;
    struct mn_bin *b = fault("malloc") || size > SIZE_MAX / 2 ? NULL : malloc(sizeof *b + size);
    if (!b)
        return -ENOMEM;
    b->holders = 1;
    b->size = size;
    if (data)
        memcpy(b->bytes, data, size);
    else
        memset(b->bytes, 0, size);
    *bin = b;
    return 0;
}

MN_EXPORT void mn_bin_hold(struct mn_bin *bin) {
    a32_add(&bin->holders, 1); /* relaxed: the caller holds it already */
}

MN_EXPORT void mn_bin_drop(struct mn_bin *bin) {
    /* Full: whoever frees it comes after all that the others did with it. */
    if (bin && a32_add_full(&bin->holders, (uint32_t)-1) == 1)
        free(bin);
}

MN_EXPORT void *mn_bin_data(struct mn_bin *bin) {
    return bin->bytes;
}

MN_EXPORT size_t mn_bin_size(const struct mn_bin *bin) {
    return bin->size;
}
