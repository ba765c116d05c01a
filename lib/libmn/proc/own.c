/*
 * own: memory, descriptors and dictionary of a process: released when it ends, however it ends.
 *
 * Each is a list that hangs on one hook, which is made at the first use.  Blocks of memory are linked to each
 * other, so that a single one can be given back early.
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
#include "io/fd.h"
#include "kqueue/kq.h"
#include "proc/signal.h"
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

struct entry {
    struct entry *next;
    uint64_t key;
    void *value;
};

enum { FEW = 16 };

struct mni_dict {
    struct mni_hook hook;
    struct entry **chains; /* mask + 1 */
    size_t mask, count;
    struct entry *few[FEW]; /* the first chains */
};

struct fds {
    struct mni_hook hook;
    int fd;
    uint32_t generation; /* of the number's use (io/fd.h): once it is closed, the number is another's */
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

/* ---- descriptors */

static void close_fd(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook) {
    (void)c, (void)p;
    struct fds *o = (struct fds *)(void *)hook;
    struct mni_fd *f = mni_fd_find(o->fd); /* it was asked for when it became owned */
    /* As mn_close, so that who waits for it learns of it; but inside the runtime.  Acquire: pairs with the lock
     * of who changed it. */
    if (a32_load_acquire(&f->generation) == o->generation &&
        (!mni_kq_is(o->fd) || mni_kq_close(o->fd) == -EBADF)) {
        mni_fd_closing(f, o->fd);
        sys(SYS_close, o->fd, 0, 0, 0, 0, 0);
        mni_fd_closed(f);
    }
    free(o);
}

/* The process's entry; NULL: it does not own it. */
static struct fds *find_fd(const struct mni_proc *p, int fd) {
    for (struct mni_hook *h = p->more ? p->more->hooks : NULL; h; h = h->next)
        if (h->fn == close_fd && ((struct fds *)(void *)h)->fd == fd)
            return (struct fds *)(void *)h;
    return NULL;
}

static bool disown(struct mni_proc *p, int fd) {
    struct fds *o = find_fd(p, fd);
    if (o) {
        mni_hook_drop(&o->hook);
        free(o);
    }
    return o;
}

void mni_own_closing(struct mni_cpu *c, int fd) {
    struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    if (p)
        disown(p, fd);
}

void mni_own_adopted(struct mni_cpu *c, int fd) {
    const struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    struct fds *o = p ? find_fd(p, fd) : NULL;
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
    struct fds *o = !f || find_fd(p, fd) || fault("malloc") ? NULL : malloc(sizeof *o);
    if (o) {
        *o = (struct fds){.hook.fn = close_fd, .fd = fd};
        mni_proc_at_end(p, &o->hook);
    }
    if (f && (o = find_fd(p, fd))) {
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
    int r = disown(p, fd) ? 0 : -EBADF;
    mni_leave(c);
    return r;
}

/* ---- dictionary */

static void free_dict(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook) {
    struct mni_dict *d = (struct mni_dict *)(void *)hook;
    for (size_t i = 0; i <= d->mask; i++)
        for (struct entry *e = d->chains[i], *next; e; e = next) {
            next = e->next;
            mni_block_give(c->proc, 0, e);
        }
    p->more->dict = NULL;
    if (d->chains != d->few)
        free(d->chains);
    free(d);
}

static struct entry **chain_of(const struct mni_dict *d, uint64_t key) {
    return &d->chains[(key * 0x9e3779b97f4a7c15u) >> 32 & d->mask];
}

static struct entry **find(const struct mni_dict *d, uint64_t key) {
    struct entry **at = chain_of(d, key);
    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

/* Without memory the chains get longer. */
static void grow(struct mni_dict *d) {
    size_t n = 2 * (d->mask + 1), before = d->mask;
    struct entry **old = d->chains, **chains = fault("malloc") ? NULL : calloc(n, sizeof *chains);
    if (!chains)
        return;
    d->chains = chains;
    d->mask = n - 1;
    for (size_t i = 0; i <= before; i++)
        for (struct entry *e = old[i], *next; e; e = next) {
            struct entry **at = chain_of(d, e->key);
            next = e->next;
            e->next = *at;
            *at = e;
        }
    if (old != d->few)
        free(old);
}

MN_EXPORT int mn_put(uint64_t key, void *value) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    struct mni_more *more = mni_more(c, p);
    if (more && !more->dict && value) {
        struct mni_dict *d = fault("malloc") ? NULL : calloc(1, sizeof *d);
        if (d) {
            d->hook.fn = free_dict;
            d->chains = d->few;
            d->mask = FEW - 1;
            more->dict = d;
            mni_proc_at_end(p, &d->hook);
        }
    }
    int r = more && (more->dict || !value) ? 0 : -ENOMEM;
    if (r == 0 && more->dict) {
        struct entry **at = find(more->dict, key), *e = *at;
        if (e && !value) {
            *at = e->next;
            more->dict->count--;
            mni_block_give(c->proc, 0, e);
        } else if (e) {
            e->value = value;
        } else if (value) {
            e = mni_block_take(c->proc, 0);
            if (e) {
                *e = (struct entry){NULL, key, value};
                *at = e;
                if (++more->dict->count > 2 * more->dict->mask)
                    grow(more->dict);
            } else {
                r = -ENOMEM;
            }
        }
    }
    mni_leave(c);
    return r;
}

MN_EXPORT void *mn_get(uint64_t key) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return NULL;
    struct entry *e = p->more && p->more->dict ? *find(p->more->dict, key) : NULL;
    void *value = e ? e->value : NULL;
    mni_leave(c);
    return value;
}
