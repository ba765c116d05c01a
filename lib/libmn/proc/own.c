/*
 * own: memory, descriptors and dictionary of a process: released when it ends, however it ends.
 *
 * Each hangs on one hook, which is made at the first use.  Blocks of memory are linked to each other, so that
 * a single one can be given back early; descriptors and the dictionary's keys are in tables, so that a process
 * may have many.
 */
#include "proc/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "export.h"
#include "fault.h"
#include "hash.h"
#include "io/fd.h"
#include "kqueue/kq.h"
#include "list.h"
#include "proc/signal.h"
#include "sanitizer.h"
#include "sys.h"

struct block {
    struct block *next, **prev;
    size_t size;
    uint64_t class;
    char memory[];
};

struct mni_arena {
    struct mni_hook hook;
    struct block *blocks;
    size_t used, most;
};

/* In a block of memory, as the next. */
struct entry {
    struct mni_node node; /* by its key */
    void *value;
};

struct fd {
    struct mni_node node; /* by its number */
    int fd;
    uint32_t generation; /* of the number's use (io/fd.h): once it is closed, the number is another's */
};

struct mni_owned {
    struct mni_hook hook;
    struct mni_hash table;
};

/* ---- memory */

static void free_arena(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook) {
    struct mni_arena *a = (struct mni_arena *)(void *)hook;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        mni_memory_give(c->proc, (unsigned)b->class, b);
    }
    p->more->arena = NULL;
    free(a);
}

int mni_arena_make(struct mni_cpu *c, struct mni_proc *p, size_t most) {
    (void)c;
    struct mni_arena *a = fault("malloc") ? NULL : malloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    *a = (struct mni_arena){.hook.fn = free_arena, .most = most ? most : SIZE_MAX};
    p->more->arena = a;
    mni_proc_at_end(p, &a->hook);
    return 0;
}

size_t mni_arena_used(const struct mni_proc *p) {
    return p->more->arena ? p->more->arena->used : 0;
}

MN_EXPORT void *mn_alloc(size_t size) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return NULL;
    struct block *b = NULL;
    struct mni_more *more = mni_more(c, p);
    if (more && (more->arena || mni_arena_make(c, p, 0) == 0)) {
        struct mni_arena *a = more->arena;
        if (size <= a->most - a->used && size < SIZE_MAX / 2) {
            unsigned class = mni_class_of(sizeof *b + size);
            b = mni_memory_take(c->proc, sizeof *b + size, class);
            if (b) {
                b->class = class;
                b->size = size;
                b->prev = &a->blocks;
                b->next = a->blocks;
                if (b->next)
                    b->next->prev = &b->next;
                a->blocks = b;
                a->used += size;
                memset(b->memory, 0, size);
            }
        }
    }
    mni_leave(c);
    return b ? b->memory : NULL;
}

MN_EXPORT void mn_free(void *memory) {
    struct mni_cpu *c;
    struct mni_proc *p = memory ? mni_proc_begin(&c) : NULL;
    if (!p)
        return;
    struct block *b = (struct block *)(void *)((char *)memory - offsetof(struct block, memory));
    *b->prev = b->next;
    if (b->next)
        b->next->prev = b->prev;
    p->more->arena->used -= b->size;
    mni_memory_give(c->proc, (unsigned)b->class, b);
    mni_leave(c);
}

/* ---- tables that a process owns */

static struct mni_owned *owned(struct mni_proc *p, struct mni_owned **o,
                               void (*fn)(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook)) {
    if (!*o && !fault("malloc") && (*o = calloc(1, sizeof **o))) {
        (*o)->hook.fn = fn;
        mni_proc_at_end(p, &(*o)->hook);
    }
    return *o;
}

static void release(struct mni_owned *o) {
    mni_hash_release(&o->table);
    free(o);
}

/* ---- descriptors */

static void close_fd(struct mni_node *node, void *arg) {
    struct mni_cpu *c = arg;
    struct fd *o = list_entry(node, struct fd, node);
    struct mni_fd *f = mni_fd_find(o->fd); /* it was asked for when it became owned */
    /* As mn_close, so that who waits for it learns of it; but inside the runtime.  Acquire: pairs with the lock
     * of who changed it. */
    if (a32_load_acquire(&f->generation) == o->generation &&
        (!mni_kq_is(o->fd) || mni_kq_close(o->fd) == -EBADF)) {
        mni_fd_closing(f, o->fd);
        sanitizer_closes(o->fd);
        sys(SYS_close, o->fd, 0, 0, 0, 0, 0);
        mni_fd_closed(f);
    }
    mni_block_give(c->proc, 0, o);
}

static void close_fds(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook) {
    struct mni_owned *o = (struct mni_owned *)(void *)hook;
    p->more->fds = NULL; /* nobody looks for one meanwhile */
    mni_hash_each(&o->table, close_fd, c);
    release(o);
}

/* The process's entry; NULL: it does not own it. */
static struct fd *find_fd(const struct mni_proc *p, int fd) {
    struct mni_node *n = p->more && p->more->fds
                             ? mni_hash_first(&p->more->fds->table, mni_hash_of((unsigned)fd))
                             : NULL;
    return n ? list_entry(n, struct fd, node) : NULL;
}

static bool disown(struct mni_cpu *c, struct mni_proc *p, int fd) {
    struct fd *o = find_fd(p, fd);
    if (o) {
        mni_hash_remove(&p->more->fds->table, &o->node);
        mni_block_give(c->proc, 0, o);
    }
    return o;
}

void mni_own_closing(struct mni_cpu *c, int fd) {
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    if (p)
        disown(c, p, fd);
}

void mni_own_adopted(struct mni_cpu *c, int fd) {
    const struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    struct fd *o = p ? find_fd(p, fd) : NULL;
    if (o)
        o->generation = a32_load_acquire(&mni_fd_find(fd)->generation);
}

MN_EXPORT int mn_own_fd(int fd) {
    if (sys(SYS_fcntl, fd, F_GETFD) < 0)
        return -EBADF;
    /* Not mni_proc_begin: a caller that is to end has to own the descriptor before it does. */
    struct mni_cpu *c = mni_enter();
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    if (!p) {
        if (c)
            mni_leave(c);
        return -EPERM;
    }
    struct mni_more *more = mni_more(c, p);
    int r = -ENOMEM;
    struct mni_fd *f = more ? mni_fd_get(fd, &r) : NULL;
    struct fd *o = f ? find_fd(p, fd) : NULL;
    if (f && !o && owned(p, &more->fds, close_fds) && (o = mni_block_take(c->proc, 0))) {
        *o = (struct fd){.node.hash = mni_hash_of((unsigned)fd), .fd = fd};
        mni_hash_add(&more->fds->table, &o->node);
    }
    if (o) {
        o->generation = a32_load_acquire(&f->generation);
        r = 0;
    }
    mni_leave(c);
    return r;
}

MN_EXPORT int mn_disown_fd(int fd) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = disown(c, p, fd) ? 0 : -EBADF;
    mni_leave(c);
    return r;
}

/* ---- dictionary */

static void drop_entry(struct mni_node *node, void *arg) {
    struct mni_cpu *c = arg;
    mni_block_give(c->proc, 0, list_entry(node, struct entry, node));
}

static void drop_entries(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook) {
    struct mni_owned *d = (struct mni_owned *)(void *)hook;
    p->more->dict = NULL;
    mni_hash_each(&d->table, drop_entry, c);
    release(d);
}

static struct entry *find(const struct mni_more *more, uint64_t key) {
    struct mni_node *n = more && more->dict ? mni_hash_first(&more->dict->table, mni_hash_of(key)) : NULL;
    return n ? list_entry(n, struct entry, node) : NULL;
}

static __attribute__((noinline)) int add_key(struct mni_cpu *c, struct mni_proc *p, uint64_t key, void *value) {
    struct mni_more *more = mni_more(c, p);
    struct entry *e = more && owned(p, &more->dict, drop_entries) ? mni_block_take(c->proc, 0) : NULL;
    if (!e)
        return -ENOMEM;
    *e = (struct entry){.node.hash = mni_hash_of(key), .value = value};
    mni_hash_add(&more->dict->table, &e->node);
    return 0;
}

MN_EXPORT int mn_put(uint64_t key, void *value) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    int r = 0;
    struct entry *e = find(p->more, key);
    if (e && value) {
        e->value = value;
    } else if (e) {
        mni_hash_remove(&p->more->dict->table, &e->node);
        mni_block_give(c->proc, 0, e);
    } else if (value) {
        r = add_key(c, p, key, value);
    }
    mni_leave(c);
    return r;
}

MN_EXPORT void *mn_get(uint64_t key) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return NULL;
    const struct entry *e = find(p->more, key);
    void *value = e ? e->value : NULL;
    mni_leave(c);
    return value;
}
