/* send: sending messages. */
#include <errno.h>
#include <string.h>

#include "export.h"
#include "proc/limit.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "wait/call.h"

enum { PENALTY = 3 };

/* Pushes a message that the caller has made. */
static inline void push(struct mni_cpu *c, struct mni_proc *p, mn_pid to, struct mni_msg *m) {
    m->generation = (uint32_t)(to >> 32);
    uint64_t old = mni_outer_push(p, m, m);
    if (__builtin_expect((old & (MNI_OUTER_IDLE | MNI_OUTER_CLOSED)) == 0, 1)) {
        /* Others are there already: who floods a process has shorter slices, and the messages are warm when
         * they are read. */
        if (old && c)
            c->budget -= PENALTY;
        return;
    }
    if (old & MNI_OUTER_IDLE) {
        mni_outer_wake(c, p, old);
        return;
    }
    if (m->bits & MNI_MSG_COUNTED)
        mni_limit_undo(p);
    mni_msg_free(mni_part(c), m);
}

/* A mailbox with a bound: as mni_limit_enter.  The message is not made yet, since the call may block. */
static __attribute__((noinline)) int room(struct mni_cpu **cpu, struct mni_proc *p, mn_pid to,
                                          int64_t deadline) {
    return mni_limit_enter(cpu, p, to, deadline);
}

/* Before a message is made: 1 go on, *out says to which record; *bits: what it is marked with.  0, or an
 * error: it is over.  Always inline: what it says goes by registers then (a pass 35.8 -> 32.8 ns). */
static inline __attribute__((always_inline)) int
post_begin(struct mni_cpu **cpu, mn_pid to, struct mni_proc **out, uint16_t *bits, int64_t deadline) {
    struct mni_cpu *c = mni_enter();
    *cpu = c;
    *bits = 0;
    if (__builtin_expect(!c, 0)) {
        mni_foreign_enter();
    }
    struct mni_proc *p = mni_proc_find(to);
    *out = p;
    if (__builtin_expect(!p, 0))
        return 0;
    if (__builtin_expect((a32_load(&p->flags) & MNI_PROC_LIMITED) != 0, 0)) {
        if (mni_latest_is(p)) {
            *bits = MNI_MSG_RING;
            return 1;
        }
        *bits = MNI_MSG_COUNTED;
        return room(cpu, p, to, deadline);
    }
    return 1;
}

static inline void post_end(struct mni_cpu *c) {
    if (__builtin_expect(c != NULL, 1))
        mni_leave_slice(c);
}

/* A mailbox where the oldest is dropped. */
static __attribute__((noinline)) int finish_ring(struct mni_cpu *c, struct mni_proc *p, mn_pid to,
                                                 struct mni_msg *m) {
    struct mni_msg *token = m ? mni_block_take(mni_part(c), 0) : NULL;
    if (token) {
        mni_latest_put(c, p, to, m, token);
    } else if (m) {
        m->bits &= (uint16_t)~MNI_MSG_REF; /* it is still the caller's */
        mni_msg_free(mni_part(c), m);
    }
    post_end(c);
    return token ? 0 : -ENOMEM;
}

static inline int finish(struct mni_cpu *c, struct mni_proc *p, mn_pid to, struct mni_msg *m, uint16_t bits) {
    int r = 0;
    if (__builtin_expect(bits & MNI_MSG_RING, 0))
        return finish_ring(c, p, to, m);
    if (__builtin_expect(m != NULL, 1)) {
        m->bits |= bits;
        push(c, p, to, m);
    } else {
        r = -ENOMEM;
        if (bits)
            mni_limit_undo(p);
    }
    post_end(c);
    return r;
}

static inline __attribute__((always_inline)) int post(mn_pid to, enum mni_kind kind, mn_ref ref, uint64_t tag,
                                                      const void *data, size_t size, int64_t deadline) {
    if (__builtin_expect(size > UINT32_MAX, 0))
        return -EMSGSIZE;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c;
    struct mni_proc *p;
    uint16_t bits;
    int r = post_begin(&c, to, &p, &bits, deadline);
    if (__builtin_expect(r <= 0, 0)) {
        post_end(c);
        return r;
    }
    return finish(c, p, to, mni_msg_make(mni_part(c), kind, mni_pid_self(c), tag, ref, data, size), bits);
}

MN_EXPORT int mn_post(mn_pid to, uint64_t tag, const void *data, size_t size) {
    return post(to, MNI_K_MSG, 0, tag, data, size, MN_FOREVER);
}

MN_EXPORT int mn_post_until(mn_pid to, uint64_t tag, const void *data, size_t size, int64_t deadline) {
    return post(to, MNI_K_MSG, 0, tag, data, size, deadline);
}

MN_EXPORT int mn_post_alias(mn_pid to, mn_ref alias, uint64_t tag, const void *data, size_t size) {
    return post(to, MNI_K_ALIASED, alias, tag, data, size, MN_FOREVER);
}

MN_EXPORT int mn_post_alias_until(mn_pid to, mn_ref alias, uint64_t tag, const void *data, size_t size,
                                  int64_t deadline) {
    return post(to, MNI_K_ALIASED, alias, tag, data, size, deadline);
}

/* A caller who is killed while it waits does not come back to release what it wanted to send. */
static void release_of_killed(struct mni_cpu *c, void *data, void (*release)(void *)) {
    struct mni_proc *self = c ? mni_proc_self(c) : NULL;
    if (!self || a32_load(&c->current->park.claim) & MNI_SHIELD)
        return;
    mni_signals_take(c, self);
    if ((self->flags & (MNI_PROC_DOOMED | MNI_PROC_ENDING)) != MNI_PROC_DOOMED)
        return;
    if (release)
        release(data);
    mni_proc_check(c, self); /* unwinds */
}

MN_EXPORT int mn_post_ref_until(mn_pid to, uint64_t tag, void *data, size_t size, void (*release)(void *),
                                int64_t deadline) {
    if (size > UINT32_MAX)
        return -EMSGSIZE;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c;
    struct mni_proc *p;
    uint16_t bits;
    int r = post_begin(&c, to, &p, &bits, deadline);
    if (r <= 0) {
        if (r == -ECANCELED)
            release_of_killed(c, data, release);
        post_end(c);
        if (r == 0 && release)
            release(data);
        return r;
    }
    struct mni_msg *m = mni_msg_make(mni_part(c), MNI_K_MSG, mni_pid_self(c), tag, 0, NULL, 0);
    if (m) {
        m->bits = MNI_MSG_REF;
        m->pub.data = data;
        m->pub.size = (uint32_t)size;
        m->extra[0] = (void *)(uintptr_t)release;
    }
    return finish(c, p, to, m, bits);
}

MN_EXPORT int mn_post_ref(mn_pid to, uint64_t tag, void *data, size_t size, void (*release)(void *)) {
    return mn_post_ref_until(to, tag, data, size, release, MN_FOREVER);
}

MN_EXPORT int mn_post_bin_until(mn_pid to, uint64_t tag, struct mn_bin *bin, int64_t deadline) {
    if (bin->size > UINT32_MAX)
        return -EMSGSIZE;
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c;
    struct mni_proc *p;
    uint16_t bits;
    int r = post_begin(&c, to, &p, &bits, deadline);
    if (r <= 0) {
        post_end(c);
        return r;
    }
    struct mni_msg *m = mni_msg_make(mni_part(c), MNI_K_MSG, mni_pid_self(c), tag, 0, NULL, 0);
    if (m)
        mni_msg_detail(m, bin);
    return finish(c, p, to, m, bits);
}

MN_EXPORT int mn_post_bin(mn_pid to, uint64_t tag, struct mn_bin *bin) {
    return mn_post_bin_until(to, tag, bin, MN_FOREVER);
}

/*
 * From signal handlers: nothing that another may be in the middle of is used.  The messages lie in a fixed
 * array; a word says whether one is in use, and the receiver's mni_msg_free clears it.  The push, the claim
 * of a waiting thread and the inbox of its cpu are compare-and-swaps.
 */
enum { FIXED = 256 };
static struct fixed {
    uint64_t msg[sizeof(struct mni_msg) / sizeof(uint64_t)]; /* a struct mni_msg; what follows is its extra */
    uint64_t value; /* extra[0] */
    uint64_t used;  /* extra[1]; atomic */
} fixed[FIXED];

/* What its parent's processes have is not theirs any more. */
void mni_fixed_forked(void) {
    memset(fixed, 0, sizeof fixed);
}

MN_EXPORT int mn_post_from_signal(mn_pid to, uint64_t tag, uint64_t value) {
    MNI_KEEP_OR(-EPERM);
    struct mni_cpu *c = mni_call_begin();
    int r = -EAGAIN;
    struct mni_proc *p = mni_proc_find(to);
    if (!p)
        r = 0;
    for (unsigned i = 0; r < 0 && i < FIXED; i++) {
        struct fixed *f = &fixed[i];
        /* Acquire: pairs with the release of mni_msg_free_slow. */
        if (a64_load(&f->used) || !a64_cas_acquire(&f->used, 0, 1))
            continue;
        f->value = value;
        struct mni_msg *m = (struct mni_msg *)(void *)f->msg;
        m->kind = MNI_K_MSG;
        m->class = MNI_CLASS_FIXED;
        m->bits = 0;
        m->pub = (struct mn_msg){.tag = tag, .data = &f->value, .size = sizeof value};
        push(c, p, to, m);
        r = 0;
    }
    mni_call_end_here(c);
    return r;
}
