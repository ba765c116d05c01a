/*
 * The attributes of a thread that is created without any: pthread_getattr_default_np, pthread_setattr_default_np,
 * and thr_attr_resolve, which turns either kind into what the creator needs.
 *
 * Guarantee: every creation sees one consistent set of defaults, never half of an old one and half of a new one, and
 * pays no lock for it.
 *
 * The naive design is the libc's: one object under a lock, deep-copied at every creation, with a malloc when the
 * default has a CPU set.  Here a default is a snapshot that never changes and is never released; creation loads a
 * pointer.  What is never released must be bounded: a new default that equals an old snapshot takes the old one up
 * again, so memory grows with the number of distinct defaults only, not with the number of calls.
 *
 * The first snapshot is the libc's own default, asked for when it is first needed: the libc took RLIMIT_STACK as it was
 * at start-up, and knows its minimum.  A change is passed on to the libc, for the threads that it makes itself.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attr.h"
#include "lock.h"
#include "stack_min.h"
#include "sys.h"
#include "thr.h"

struct snapshot {
    struct attr attr;
    struct snapshot *next; /* older ones */
};

static struct lock defaults_lock = {0, RANK_THREAD};
static struct snapshot *snapshots; /* all there were; guarded by defaults_lock */
static struct snapshot *current;   /* read without the lock */
static struct snapshot first;      /* the start-up's default: needs no memory, so it always exists */

enum { STACK_UNLIMITED = 2 << 20 }; /* what the libc uses on x86-64 and aarch64 where RLIMIT_STACK is infinite */
enum { STACK_ALIGN = 64 };          /* stack sizes are rounded down to it, as the libc does (a TLS block's alignment) */

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) & ~(to - 1);
}

typedef int default_fn(pthread_attr_t *attr);
typedef int default_set_fn(const pthread_attr_t *attr);

/* Fills `first`, under the lock: the libc's answer, or its rule where it has no such function. */
static void first_fill(void) {
    default_fn *get = (default_fn *)(uintptr_t)dlsym(RTLD_NEXT, "pthread_getattr_default_np");
    pthread_attr_t a;
    if (get != NULL && get(&a) == 0) {
        memcpy(&first.attr, &a, sizeof a);
        return;
    }
    struct rlimit limit;
    size_t size = STACK_UNLIMITED;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        size = limit.rlim_cur;
    first.attr.stack_size = round_up(size < STACK_MIN ? STACK_MIN : size, page_size());
    first.attr.guard_size = page_size();
}

const struct attr *thr_attr_default(void) {
    struct snapshot *now = aptr_load_acquire(&current); /* acquire: pairs with the release stores of current below */
    if (likely(now != NULL))
        return &now->attr;
    int saved = errno;
    lock_take(&defaults_lock);
    now = current;
    if (now == NULL) {
        first_fill();
        now = snapshots = &first;
        aptr_store_release(&current, now); /* release: what it holds is seen with it */
    }
    lock_drop(&defaults_lock);
    errno = saved;
    return &now->attr;
}

static bool has_cpus(const struct attr *a) {
    return a->extension != NULL && a->extension->cpus != NULL;
}

static bool has_sigmask(const struct attr *a) {
    return a->extension != NULL && a->extension->sigmask_set;
}

static bool same(const struct attr *a, const struct attr *b) {
    if (a->sched_priority != b->sched_priority || a->sched_policy != b->sched_policy || a->flags != b->flags ||
        a->guard_size != b->guard_size || a->stack_top != b->stack_top || a->stack_size != b->stack_size ||
        has_cpus(a) != has_cpus(b) || has_sigmask(a) != has_sigmask(b))
        return false;
    if (has_cpus(a) && (a->extension->cpus_size != b->extension->cpus_size ||
                        memcmp(a->extension->cpus, b->extension->cpus, a->extension->cpus_size) != 0))
        return false;
    return !has_sigmask(a) ||
           memcmp(&a->extension->sigmask, &b->extension->sigmask, sizeof a->extension->sigmask) == 0;
}

THR_EXPORT int pthread_getattr_default_np(pthread_attr_t *attr) {
    return -thr_attr_copy(attr_of(attr), thr_attr_default());
}

/* The checks are the libc's; a priority of 0 or less is accepted with any policy there, so here. */
static bool acceptable(const struct attr *a) {
    if (a->sched_policy != SCHED_OTHER && a->sched_policy != SCHED_FIFO && a->sched_policy != SCHED_RR)
        return false;
    if (a->sched_priority > 0 && (a->sched_priority < sched_get_priority_min(a->sched_policy) ||
                                  a->sched_priority > sched_get_priority_max(a->sched_policy)))
        return false;
    if (a->stack_size != 0 && a->stack_size < STACK_MIN)
        return false;
    return !(a->flags & ATTR_STACK_ADDR); /* one stack cannot serve every thread */
}

THR_EXPORT int pthread_setattr_default_np(const pthread_attr_t *attr) {
    const struct attr *from = attr_of_const(attr);
    if (!acceptable(from))
        return EINVAL;
    struct snapshot *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return ENOMEM;
    int err = thr_attr_copy(&fresh->attr, from);
    if (err < 0) {
        free(fresh);
        return -err;
    }
    (void)thr_attr_default(); /* so that there is a current one */
    struct snapshot *use;
    lock_take(&defaults_lock);
    if (fresh->attr.stack_size == 0)
        fresh->attr.stack_size = current->attr.stack_size;
    for (use = snapshots; use != NULL && !same(&use->attr, &fresh->attr); use = use->next)
        ;
    if (use == NULL) {
        use = fresh;
        use->next = snapshots;
        snapshots = use;
        fresh = NULL;
    }
    aptr_store_release(&current, use); /* release: pairs with the acquire in thr_attr_default */
    lock_drop(&defaults_lock);
    if (fresh != NULL) {
        pthread_attr_destroy((pthread_attr_t *)(void *)&fresh->attr);
        free(fresh);
    }
    default_set_fn *set = (default_set_fn *)(uintptr_t)dlsym(RTLD_NEXT, "pthread_setattr_default_np");
    if (set != NULL)
        (void)set(attr); /* it made the same checks; short of memory, only the libc's own threads keep the old one */
    return 0;
}

void thr_attr_fork_child(void) {
    lock_reset(&defaults_lock);
}

/*
 * Scheduling that is asked for in part only: what is missing comes from the creator, as in the libc.  With neither
 * set, an explicit schedule is the attribute's initial one: SCHED_OTHER, priority 0.
 */
static void resolve_sched(const struct attr *a, struct thr_attr *out) {
    out->sched_explicit = (a->flags & ATTR_NOT_INHERIT_SCHED) != 0;
    out->policy = a->sched_policy;
    out->priority = a->sched_priority;
    if (!out->sched_explicit)
        return;
    int set = a->flags & (ATTR_SCHED_SET | ATTR_POLICY_SET);
    if (set == ATTR_SCHED_SET)
        out->policy = (int)sys(SYS_sched_getscheduler, 0);
    if (set == ATTR_POLICY_SET) {
        struct sched_param param = {0};
        (void)sys(SYS_sched_getparam, 0, &param);
        out->priority = param.sched_priority;
    }
}

int thr_attr_resolve(const pthread_attr_t *attr, struct thr_attr *out) {
    const struct attr *defaults = thr_attr_default();
    const struct attr *a = attr != NULL ? attr_of_const(attr) : defaults;
    out->detached = (a->flags & ATTR_DETACHED) != 0;
    out->user_stack = (a->flags & ATTR_STACK_ADDR) != 0;
    out->stack_size = a->stack_size != 0 ? a->stack_size : defaults->stack_size;
    if (out->user_stack) {
        out->stack = (char *)a->stack_top - out->stack_size;
        out->guard_size = 0;
    } else {
        size_t page = page_size();
        out->stack = NULL;
        out->stack_size &= ~(size_t)(STACK_ALIGN - 1);
        out->guard_size = round_up(a->guard_size, page);
        if (out->guard_size < a->guard_size || out->stack_size + out->guard_size + page < out->guard_size)
            return -EINVAL;
    }
    resolve_sched(a, out);
    out->cpus = has_cpus(a) ? a->extension->cpus : NULL;
    out->cpus_size = out->cpus != NULL ? a->extension->cpus_size : 0;
    out->sigmask_set = has_sigmask(a);
    if (out->sigmask_set)
        out->sigmask = a->extension->sigmask;
    return 0;
}
