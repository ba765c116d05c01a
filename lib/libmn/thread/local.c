/*
 * local: thread-local values (mn/local.h).
 *
 * A key is its index and the generation of its place in the table of keys; a value carries the generation that
 * it was set under.  So deleting a key touches no thread: values of another generation are not seen, and not
 * given to destructors.  Generations are odd while the key exists.  31 bits of deletions of one place wrap
 * after a day of doing nothing else.
 *
 * A thread's values lie in blocks that double in size, so none ever moves (mn_local_ref) and growing loses
 * nothing when memory is short: block b holds FIRST << b values.  They are read and written by their thread
 * only.
 *
 * Memory order: create changes the generation (full), then stores the destructor (release); a thread that ends
 * reads generation, destructor (acquire), generation again: if both agree with the value's, the destructor was
 * this key's, since a later owner's comes after two changes.  get and set load it relaxed: the program itself
 * brought the key to the thread.
 *
 * A foreign LWP's values hang on a __thread pointer; it asks to be told when it ends (foreign.c).  Bound
 * threads have a descriptor.
 */
#include "local.h"

#include <errno.h>
#include <stdlib.h>

#include "bound.h"
#include "export.h"
#include "fault.h"
#include "sched/sched.h"
#include "wait/foreign.h"

enum { FIRST = 8, BLOCKS = 8 };
_Static_assert(FIRST * ((1 << BLOCKS) - 1) >= MN_KEYS_MAX, "blocks for all keys");

struct value {
    void *value;
    uint32_t generation;
};

struct mni_locals {
    struct value *block[BLOCKS]; /* [0] is first */
    uint32_t high;               /* no value has this index, or one above */
    struct value first[FIRST];
};

static struct {
    uint32_t generation; /* odd: the key exists */
    void (*destructor)(void *);
} keys[MN_KEYS_MAX]; /* atomic */

static __thread struct mni_locals *foreign_values __attribute__((tls_model("initial-exec")));

/* ---- keys */

MN_EXPORT int mn_key_create(mn_key *key, void (*destructor)(void *)) {
    if (!key)
        return -EINVAL;
    for (uint32_t i = 0; i < MN_KEYS_MAX; i++) {
        uint32_t g = a32_load(&keys[i].generation);
        if (g & 1)
            continue;
        /* The key is there before its destructor is, but nobody has it yet, so no value carries its
         * generation.  Full; the release pairs with run_round. */
        if (!a32_cas_full(&keys[i].generation, g, g + 1))
            continue;
        aptr_store_release(&keys[i].destructor, destructor);
        *key = (uint64_t)(g + 1) << 32 | i;
        return 0;
    }
    return -EAGAIN;
}

MN_EXPORT int mn_key_delete(mn_key key) {
    uint32_t i = (uint32_t)key, g = (uint32_t)(key >> 32);
    if (i >= MN_KEYS_MAX || !(g & 1) || !a32_cas_full(&keys[i].generation, g, g + 1))
        return -EINVAL;
    return 0;
}

static bool exists(uint32_t i, uint32_t g) {
    return i < MN_KEYS_MAX && (g & 1) && a32_load(&keys[i].generation) == g;
}

/* ---- values */

static inline struct value *find(const struct mni_locals *l, uint32_t i) {
    uint32_t b = (uint32_t)__builtin_clz(FIRST) - (uint32_t)__builtin_clz(i + FIRST);
    struct value *block = l->block[b];
    return block ? block + (i + FIRST - (FIRST << b)) : NULL;
}

/* The same; makes the block. */
static struct value *find_or_make(struct mni_locals *l, uint32_t i) {
    uint32_t b = (uint32_t)__builtin_clz(FIRST) - (uint32_t)__builtin_clz(i + FIRST);
    if (!l->block[b]) {
        l->block[b] = fault("malloc") ? NULL : calloc((size_t)FIRST << b, sizeof(struct value));
        if (!l->block[b])
            return NULL;
    }
    if (i >= l->high)
        l->high = i + 1;
    return l->block[b] + (i + FIRST - (FIRST << b));
}

static bool run_round(struct mni_locals *l) {
    bool any = false;
    for (uint32_t i = 0; i < l->high; i++) {
        struct value *v = find(l, i);
        if (!v || !v->value)
            continue;
        /* Acquire, both: see above. */
        uint32_t g = a32_load_acquire(&keys[i].generation);
        void (*destructor)(void *) = aptr_load_acquire(&keys[i].destructor);
        bool current = g == v->generation && a32_load_acquire(&keys[i].generation) == g;
        void *value = v->value;
        v->value = NULL;
        if (current && destructor) {
            destructor(value);
            any = true;
        }
    }
    return any;
}

static void release(struct mni_locals *l) {
    for (int b = 1; b < BLOCKS; b++)
        free(l->block[b]);
    free(l);
}

bool mni_locals_round(struct mni_thread *t) {
    return t->own->locals && run_round(t->own->locals);
}

void mni_locals_release(struct mni_thread *t) {
    if (t->own->locals)
        release(t->own->locals);
    t->own->locals = NULL;
}

void mni_locals_end_foreign(void) {
    struct mni_locals *l = foreign_values;
    if (!l)
        return;
    for (int i = 0; i < MN_DESTRUCTOR_ROUNDS && run_round(l); i++)
        continue;
    foreign_values = NULL;
    release(l);
}

/* ---- of the caller */

/* Its values, which may have to be made; NULL: no memory. */
static struct mni_locals *own(void) {
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    if (c)
        mni_leave(c);
    struct mni_locals *l = t ? t->own->locals : foreign_values;
    if (l)
        return l;
    l = fault("malloc") ? NULL : calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->block[0] = l->first;
    if (t) {
        t->own->locals = l;
        mni_untidy(t);
        return l;
    }
    if (!mni_foreign_hook()) {
        free(l);
        return NULL;
    }
    foreign_values = l;
    return l;
}

static struct value *own_value(mn_key key) {
    struct mni_locals *l = own();
    struct value *v = l ? find_or_make(l, (uint32_t)key) : NULL;
    if (v && v->generation != (uint32_t)(key >> 32)) {
        v->value = NULL;
        v->generation = (uint32_t)(key >> 32);
    }
    return v;
}

/* Without making anything. */
static inline struct value *look(mn_key key) {
    struct mni_cpu *c = mni_enter();
    const struct mni_locals *l;
    if (__builtin_expect(c != NULL, 1)) {
        l = c->current->own->locals;
        mni_leave(c);
    } else {
        const struct mni_thread *t = mni_bound_self();
        l = t ? t->own->locals : foreign_values;
    }
    uint32_t i = (uint32_t)key, g = (uint32_t)(key >> 32);
    if (__builtin_expect(!l || !exists(i, g), 0))
        return NULL;
    struct value *v = find(l, i);
    return v && v->generation == g ? v : NULL;
}

MN_EXPORT void *mn_local_get(mn_key key) {
    const struct value *v = look(key);
    return v ? v->value : NULL;
}

MN_EXPORT int mn_local_set(mn_key key, const void *value) {
    struct value *v = look(key);
    if (__builtin_expect(!v, 0)) {
        if (!exists((uint32_t)key, (uint32_t)(key >> 32)))
            return -EINVAL;
        if (!value)
            return 0;
        if (!(v = own_value(key)))
            return -ENOMEM;
    }
    v->value = (void *)(uintptr_t)value;
    return 0;
}

MN_EXPORT void **mn_local_ref(mn_key key) {
    struct value *v = look(key);
    if (!v && exists((uint32_t)key, (uint32_t)(key >> 32)))
        v = own_value(key);
    return v ? &v->value : NULL;
}
