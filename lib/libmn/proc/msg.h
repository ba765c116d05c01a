/*
 * msg: messages and signals in memory, and where that memory comes from.
 *
 * Everything that travels is a struct mni_msg.  A link or a monitor is kept, on either side, in a record of
 * the same size (struct mni_rel): the signal that makes it becomes the receiver's half, and the half becomes
 * the signal that tells of its end.  So a receiver never allocates, and a process can end when there is no
 * memory.
 *
 * Blocks come in size classes.  Each cpu has a magazine of a class in use and one in spare; full ones go to
 * and come from a depot under a lock, 64 blocks at a time: a receiver on another CPU than the sender gives
 * back in batches what it was sent.
 */
#ifndef MNI_MSG_H
#define MNI_MSG_H

#include <mn/msg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "atomic.h"
#include "fault.h"

struct mni_proc_cpu;
struct mni_proc;

enum {
    MNI_MSG_CLASSES = 5, /* 64 << class bytes */
    MNI_CLASS_HEAP = 200, /* malloc's */
    MNI_CLASS_FIXED = 201, /* of mn_post_from_signal */
    MNI_MAGAZINE = 64,
};

enum mni_kind {
    MNI_K_MSG = 0,    /* for the mailbox */
    MNI_K_REPLY,      /* for the mailbox, if somebody still waits for it */
    MNI_K_ALIASED,    /* for the mailbox, if the alias is still one: ref */
    MNI_K_EXIT,       /* from, tag: the reason */
    MNI_K_LINK_EXIT,  /* the linked process from has ended */
    MNI_K_LINK,       /* from */
    MNI_K_UNLINK,     /* from, ref: which unlinking */
    MNI_K_UNLINK_ACK, /* from, ref */
    MNI_K_MONITOR,    /* from, ref */
    MNI_K_DEMONITOR,  /* from, ref */
    MNI_K_DOWN,       /* from has ended, ref, tag: the reason */
    MNI_K_TIMEOUT,    /* a handler's timeout, ref: which */
    MNI_K_SHUTDOWN,   /* the runtime ends */
    MNI_K_INSPECT,    /* from wants to know something (tag) of the process; ref: the call */
    MNI_K_PRIORITY,   /* a handler's, from now on: tag */
    MNI_K_RING,       /* messages up to tag are in the ring (limit.c) */
    MNI_K_EMPTY,      /* was released, and is in a list yet (recv.c) */
    /* Kept halves. */
    MNI_R_LINK,       /* peer */
    MNI_R_WATCH,      /* the owner monitors peer: ref */
    MNI_R_WATCHED,    /* peer monitors the owner: ref */
    MNI_R_ALIAS,      /* a reference by which others may send to the owner: ref */
};

enum {
    MNI_MSG_REF = 1,  /* data goes to the release function in extra */
    MNI_MSG_BIN = 2,  /* data is that of the binary in extra */
    MNI_REL_UNLINKING = 4, /* ref: which unlinking is to be acknowledged */
    MNI_REL_ALIAS = 8,     /* a reply with the ref is welcome */
    MNI_MSG_COUNTED = 16,  /* in a mailbox with a bound */
    MNI_MSG_NAMED = 32,    /* extra is a struct mni_named, which has the binary, if there is one */
    MNI_REL_NAMED = 64,    /* a monitor by name: tag is the binary that holds it */
    MNI_REL_ONCE = 128,    /* an alias that goes with its first message */
    MNI_MSG_RING = 512,    /* to be sent by mni_latest_put */
    MNI_MSG_HELD = 256,    /* in the list of those that its process has taken and not released */
};

struct mni_msg {
    struct mni_msg *next;
    uint32_t generation; /* of the process that it is for */
    uint8_t kind;        /* enum mni_kind */
    uint8_t class;
    uint16_t bits;
    struct mn_msg pub;
    void *extra[];       /* and what is copied along */
};

/* A DOWN of a monitor by name: the half of the monitor, reused. */
struct mni_named {
    struct mn_bin *bin, *name;
};

struct mni_rel {
    void *next;
    uint32_t generation;
    uint8_t kind, class;
    uint16_t bits;
    mn_pid peer;
    uint64_t tag;
    mn_ref ref;
    struct mni_rel *prev, *succ; /* in the owner's list */
    struct mni_rel *chain;       /* in its index */
};

_Static_assert(offsetof(struct mni_msg, extra) == 56 && sizeof(struct mni_rel) == 64, "layout");
_Static_assert(offsetof(struct mni_rel, peer) == offsetof(struct mni_msg, pub.from), "layout");
_Static_assert(offsetof(struct mni_rel, ref) == offsetof(struct mni_msg, pub.ref), "layout");
_Static_assert(offsetof(struct mni_rel, bits) == offsetof(struct mni_msg, bits), "layout");

static inline struct mni_rel *mni_as_rel(struct mni_msg *m) {
    return (struct mni_rel *)(void *)m;
}
static inline struct mni_msg *mni_as_msg(struct mni_rel *r) {
    return (struct mni_msg *)(void *)r;
}
static inline struct mni_msg *mni_msg_of(const struct mn_msg *pub) {
    return (struct mni_msg *)(void *)((char *)(uintptr_t)pub - offsetof(struct mni_msg, pub));
}

struct mn_bin {
    uint32_t holders; /* atomic */
    uint32_t unused;
    size_t size;
    uint64_t bytes[];
};

/* ---- blocks */

struct mni_block {
    struct mni_block *next;     /* in its magazine */
    struct mni_block *magazine; /* of the first: the next full one in the depot */
};

struct mni_cache {
    struct mni_block *free, *spare;
    uint32_t count; /* in free; a spare one is full */
    uint32_t unused;
};

void *mni_block_refill(struct mni_proc_cpu *pc, unsigned class);
void mni_block_full(struct mni_proc_cpu *pc, unsigned class, struct mni_block *b);
void *mni_block_take_shared(unsigned class);
void mni_block_give_shared(unsigned class, void *block);
void mni_blocks_end(void);
void mni_blocks_forked(void);

static inline struct mni_cache *mni_block_cache(struct mni_proc_cpu *pc, unsigned class) {
    return (struct mni_cache *)(void *)pc + class; /* the first member */
}

/* NULL: no memory.  pc == NULL: a foreign LWP. */
static inline void *mni_block_take(struct mni_proc_cpu *pc, unsigned class) {
    if (fault("malloc"))
        return NULL;
    if (__builtin_expect(!pc, 0))
        return mni_block_take_shared(class);
    struct mni_cache *cache = mni_block_cache(pc, class);
    struct mni_block *b = cache->free;
    if (__builtin_expect(!b, 0))
        return mni_block_refill(pc, class);
    cache->free = b->next;
    cache->count--;
    return b;
}

static inline void mni_block_give(struct mni_proc_cpu *pc, unsigned class, void *block) {
    if (__builtin_expect(!pc, 0)) {
        mni_block_give_shared(class, block);
        return;
    }
    struct mni_cache *cache = mni_block_cache(pc, class);
    struct mni_block *b = block;
    if (__builtin_expect(cache->count == MNI_MAGAZINE, 0)) {
        mni_block_full(pc, class, b);
        return;
    }
    b->next = cache->free;
    cache->free = b;
    cache->count++;
}

/* The class for so many bytes; MNI_CLASS_HEAP: none. */
static inline unsigned mni_class_of(size_t bytes) {
    if (__builtin_expect(bytes <= 64, 1))
        return 0;
    if (bytes > (size_t)64 << (MNI_MSG_CLASSES - 1))
        return MNI_CLASS_HEAP;
    return 64 - 6 - (unsigned)__builtin_clzl(bytes - 1);
}

/* Any of them, zeroed or not by the caller; NULL: no memory. */
void *mni_memory_take(struct mni_proc_cpu *pc, size_t bytes, unsigned class);
void mni_memory_give(struct mni_proc_cpu *pc, unsigned class, void *memory);

/* ---- messages */

/* A signal without bytes; what it says is the caller's to fill in. */
static inline struct mni_msg *mni_signal_make(struct mni_proc_cpu *pc, enum mni_kind kind, mn_pid from,
                                              mn_ref ref) {
    struct mni_msg *m = mni_block_take(pc, 0);
    if (__builtin_expect(!m, 0))
        return NULL;
    m->kind = (uint8_t)kind;
    m->class = 0;
    m->bits = 0;
    m->pub = (struct mn_msg){.from = from, .ref = ref};
    return m;
}

struct mni_msg *mni_msg_make_big(struct mni_proc_cpu *pc, size_t size);

/* A message with room for size bytes. */
static inline struct mni_msg *mni_msg_make(struct mni_proc_cpu *pc, enum mni_kind kind, mn_pid from,
                                           uint64_t tag, mn_ref ref, const void *data, size_t size) {
    struct mni_msg *m;
    if (__builtin_expect(size <= 8, 1)) {
        m = mni_block_take(pc, 0);
        if (__builtin_expect(!m, 0))
            return NULL;
        m->class = 0;
    } else if (!(m = mni_msg_make_big(pc, size)))
        return NULL;
    m->kind = (uint8_t)kind;
    m->bits = 0;
    m->pub.from = from;
    m->pub.tag = tag;
    m->pub.ref = ref;
    m->pub.size = (uint32_t)size;
    m->pub.type = MN_MSG;
    m->pub.reserved = 0;
    m->pub.data = NULL;
    if (size) {
        m->pub.data = m->extra;
        memcpy(m->extra, data, size);
    }
    return m;
}

void mni_msg_free_slow(struct mni_proc_cpu *pc, struct mni_msg *m);
/* What it holds is released; it stays. */
void mni_msg_drop(struct mni_proc_cpu *pc, struct mni_msg *m);

static inline void mni_msg_free(struct mni_proc_cpu *pc, struct mni_msg *m) {
    if (__builtin_expect(
            (m->bits & (MNI_MSG_REF | MNI_MSG_BIN | MNI_MSG_NAMED)) != 0 || m->class >= MNI_MSG_CLASSES, 0))
        mni_msg_free_slow(pc, m);
    else
        mni_block_give(pc, m->class, m);
}

/* A reason's bytes on a signal. */
static inline void mni_msg_detail(struct mni_msg *m, struct mn_bin *detail) {
    m->pub.data = NULL;
    m->pub.size = 0;
    if (detail) {
        mn_bin_hold(detail);
        m->bits |= MNI_MSG_BIN;
        m->pub.data = detail->bytes;
        m->pub.size = (uint32_t)detail->size;
        m->extra[0] = detail;
    }
}

#endif
