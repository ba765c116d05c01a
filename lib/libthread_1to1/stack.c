/*
 * Stack + TLS pairs, and a cache of those whose LWPs have gone.
 *
 * Making a pair costs a mapping, a guard, the first page faults, and the loader's work on the TLS block; a
 * cached one costs the TLS block's initialisation only.  Pairs go into the cache while their LWP is still on
 * its way out (it runs on that very stack): a pair is free once the kernel has cleared its tid word, and is
 * looked at no sooner.
 *
 * The cache is last in, first out (warm stacks) and bounded in bytes of address space; what does not fit is
 * unmapped, oldest first, by whoever next puts or gets a pair.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"
#include "libc.h"
#include "lwp.h"
#include "sys.h"

enum {
    CACHE_BYTES = 64 << 20, /* of address space; the libc keeps 40 MiB */
    REST_STACK = 2048,      /* the least that a thread has beside its TLS block, as in the libc */
    KEEP_WARM = 64 << 10,   /* of a cached stack: what lies deeper is given back to the kernel */
};

static struct lock lock = {0, RANK_STACK};
static struct list cache = LIST_INIT(cache); /* newest first */
static size_t cached;                        /* bytes in it */

static size_t page_size(void) {
    static size_t size; /* a cache of a constant */
    if (!size)
        size = (size_t)getpagesize();
    return size;
}

static size_t whole_pages(size_t size) {
    return (size + page_size() - 1) & ~(page_size() - 1);
}

uint32_t *lwp_tid_word(const struct lwp *lwp) {
    return libc_field(lwp->tcb, uint32_t, tid);
}

static bool gone(const struct lwp *lwp) {
    return a32_load_acquire(lwp_tid_word(lwp)) == 0; /* pairs with the kernel's clearing as the LWP exits */
}

/* ---- layout */

/* Places struct lwp, struct pthread and the static TLS block at the top of the stack. */
static struct lwp *lay_out(void *stack, size_t stack_size) {
    uintptr_t top = (uintptr_t)stack + stack_size;
    uintptr_t align = libc_abi.tls_align > 64 ? libc_abi.tls_align : 64;
    uintptr_t at = (top - sizeof(struct lwp)) & ~(uintptr_t)63;
    struct lwp *lwp = (struct lwp *)at;
    memset(lwp, 0, sizeof *lwp);
    lwp->tcb = (at - libc_abi.size) & ~(align - 1);
    lwp->stack = stack;
    lwp->stack_size = stack_size;
    return lwp;
}

static size_t overhead(void) {
    return libc_abi.tls_size + libc_abi.tls_align + sizeof(struct lwp) + 64 + REST_STACK;
}

/* A fresh control block and TLS, as the libc's own pthread_create would leave them. */
static int tls_make(struct lwp *lwp) {
    char *tcb = (char *)lwp->tcb;
    uintptr_t *header = (uintptr_t *)lwp->tcb;
    const uintptr_t *mine = (const uintptr_t *)tcb_self();
    memset(tcb, 0, libc_abi.size);
    if (fault("malloc") || !libc_abi.allocate_tls(tcb))
        return -EAGAIN;
    lwp->has_tls = true;
    tcb_init_header(header, mine);
    /* The TCB points past the first entry of the dtv, at which memcheck would say of each kept stack that it is
     * possibly lost.  An entry is two words. */
    lwp->dtv_start = tcb_dtv(header) - 2 * sizeof(void *);
    *libc_field(tcb, void *, stackblock) = lwp->stack;
    *libc_field(tcb, size_t, stackblock_size) = lwp->stack_size;
    *libc_field(tcb, size_t, guardsize) = lwp->guard_size;
    *libc_field(tcb, uint8_t, user_stack) = 1; /* so that the libc neither frees nor advises the stack */
    *libc_field(tcb, uint8_t, report_events) = *libc_field(mine, uint8_t, report_events);
    *libc_field(tcb, uint32_t, flags) = libc_abi.rseq_flags;
    libc_robust_list_init(lwp->tcb);
    /* Whoever changes user ids waits until it has started. */
    *libc_field(tcb, uint32_t, setxid_futex) = UINT32_MAX;
    return 0;
}

/* ---- mapping */

static int map_new(const struct thr_attr *attr, struct lwp **out) {
    size_t guard = whole_pages(attr->guard_size), size = whole_pages(attr->stack_size);
    if (size < overhead())
        return -EINVAL;
    if (guard + size < size)
        return -EINVAL;
    bool exec = libc_stacks_executable();
    int prot = PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0);
    void *map = fault("mmap") ? MAP_FAILED
                              : mmap(NULL, guard + size, guard ? PROT_NONE : prot,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return -EAGAIN;
    char *stack = (char *)map + guard;
    if (guard && (fault("mprotect") || mprotect(stack, size, prot) != 0)) {
        munmap(map, guard + size);
        return -EAGAIN;
    }
    struct lwp *lwp = lay_out(stack, size);
    lwp->map = map;
    lwp->map_size = guard + size;
    lwp->guard_size = guard;
    lwp->exec = exec;
    *out = lwp;
    return 0;
}

/* The loader's part of a pair whose LWP is gone. */
static void tls_drop(struct lwp *lwp) {
    if (lwp->has_tls)
        libc_abi.deallocate_tls((void *)lwp->tcb, false);
    lwp->has_tls = false;
}

static void unmap(struct lwp *lwp) {
    tls_drop(lwp);
    munmap(lwp->map, lwp->map_size);
}

/* ---- the cache */

static struct lwp *lwp_of(struct list *link) {
    return list_entry(link, struct lwp, link);
}

static void push_locked(struct lwp *lwp) {
    list_prepend(&cache, &lwp->link);
    cached += lwp->map_size;
}

static void take_locked(struct lwp *lwp) {
    list_remove(&lwp->link);
    cached -= lwp->map_size;
}

/* Moves free pairs from the cache to `out`, oldest first, until it holds no more than `bound` bytes. */
static void shrink_locked(size_t bound, struct list *out) {
    for (struct list *l = cache.prev, *newer; l != &cache && cached > bound; l = newer) {
        newer = l->prev;
        if (gone(lwp_of(l))) {
            take_locked(lwp_of(l));
            list_append(out, l);
        }
    }
}

/* Without the lock: unmapping takes a while.  Whether there was any. */
static bool unmap_all(struct list *list) {
    struct list *l;
    bool any = false;
    for (; (l = list_pop(list)) != NULL; any = true)
        unmap(lwp_of(l));
    return any;
}

static struct lwp *find_locked(size_t size, size_t guard) {
    bool exec = libc_stacks_executable();
    list_each(l, &cache) {
        struct lwp *lwp = lwp_of(l);
        if (lwp->stack_size == size && lwp->guard_size == guard && lwp->exec == exec && gone(lwp)) {
            take_locked(lwp);
            return lwp;
        }
    }
    return NULL;
}

int stack_get(const struct thr_attr *attr, struct lwp **out) {
    struct lwp *lwp = NULL;
    int err = 0;
    if (attr->user_stack) {
        if (attr->stack_size < overhead())
            return -EINVAL;
        lwp = lay_out(attr->stack, attr->stack_size);
    } else {
        lock_take(&lock);
        lwp = find_locked(whole_pages(attr->stack_size), whole_pages(attr->guard_size));
        lock_drop(&lock);
        if (lwp)
            tls_drop(lwp);
        else
            err = map_new(attr, &lwp);
        if (err)
            return err;
    }
    err = tls_make(lwp);
    if (err) {
        if (lwp->map)
            unmap(lwp);
        return err;
    }
    *out = lwp;
    return 0;
}

void stack_put(struct lwp *lwp) {
    /* The TLS block of a cached pair is dropped when the pair is taken out: the LWP may still use it. */
    if (!lwp->map) {
        tls_drop(lwp);
        return;
    }
    struct list excess = LIST_INIT(excess);
    lock_take(&lock);
    push_locked(lwp);
    shrink_locked(CACHE_BYTES, &excess);
    lock_drop(&lock);
    unmap_all(&excess);
}

bool stack_drain(void) {
    struct list all = LIST_INIT(all);
    lock_take(&lock);
    shrink_locked(0, &all);
    lock_drop(&lock);
    return unmap_all(&all);
}

/*
 * For an LWP that is about to end or to park: gives the part of its stack that lies deeper than KEEP_WARM back
 * to the kernel.  A stack that was never used so deep costs one system call that finds nothing.
 */
void stack_trim(struct lwp *lwp) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t low = (uintptr_t)lwp->stack;
    uintptr_t top = (here - KEEP_WARM) & ~(uintptr_t)(page_size() - 1);
    if (lwp->map && here > low && here - low > KEEP_WARM)
        sys(SYS_madvise, low, top - low, MADV_DONTNEED);
}

/* ---- fork */

void stack_lock_for_fork(void) {
    lock_take(&lock);
}

void stack_unlock_after_fork(void) {
    lock_drop(&lock);
}

void stack_reset_in_child(void) {
    lock_drop(&lock); /* taken by stack_lock_for_fork in the parent, by this thread */
    list_each(l, &cache)
        a32_store(lwp_tid_word(lwp_of(l)), 0); /* relaxed: no other thread exists */
}

/*
 * Frees nothing, and so gives back nothing to the kernel: a malloc of the program's own may still hold its
 * locks for the fork, since our handler in the child comes before its.  The cache has its bound again with the
 * next stack_put.
 */
void stack_put_in_child(struct lwp *lwp) {
    a32_store(lwp_tid_word(lwp), 0); /* relaxed: no other thread exists */
    if (lwp->map)
        push_locked(lwp); /* nobody else could take the lock */
}
