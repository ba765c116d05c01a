/*
 * The attributes of a thread that is created without any: pthread_getattr_default_np,
 * pthread_setattr_default_np, and thr_attr_resolve, which turns either kind into what the creator needs.
 *
 * Guarantee: every creation sees one consistent set of defaults, never half of an old one and half of a new
 * one, and pays no lock for it.
 *
 * The naive design is the libc's: one object under a lock, deep-copied at every creation, with a malloc when
 * the default has a CPU set.  Here a default is a snapshot that never changes and is never released; creation
 * loads a pointer.  What is never released must be bounded: a new default that equals an old snapshot takes the
 * old one up again, so memory grows with the number of distinct defaults only, not with the number of calls.
 * (Two threads that set the same new default at the same moment may each leave a snapshot: harmless.)
 *
 * The list of snapshots only ever grows at its head, so a compare-and-swap is all that it needs: no lock, and
 * nothing to repair in a fork's child.  The first snapshot is the libc's own default: the libc took
 * RLIMIT_STACK as it was at start-up, and knows its minimum.  It is filled in before there can be a second
 * thread that uses this library.  A change is passed on to the libc, for the threads that it makes itself.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attr.h"
#include "fault.h"
#include "stack_min.h"
#include "sys.h"
#include "thr.h"

struct snapshot {
    struct attr attr;
    struct snapshot *next; /* older ones */
};

static struct snapshot *snapshots; /* all there were, the newest first */
static struct snapshot *current;   /* NULL until the constructor, or whoever comes before it, has run */
static struct snapshot first;      /* the start-up's default: needs no memory, so there always is one */

/* What the libc uses on x86-64 and aarch64 where RLIMIT_STACK is infinite. */
enum { STACK_UNLIMITED = 2 << 20 };
/* Stack sizes are rounded down to it, as the libc does (a TLS block's alignment). */
enum { STACK_ALIGN = 64 };

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) & ~(to - 1);
}

/* The libc's answer, or its rule where it has no such function.  By dlsym alone: this runs in a constructor
 * that comes before the libc's, where dlopen would start the libc's too early. */
static void first_fill(void) {
    __typeof__(pthread_getattr_default_np) *get = dlsym(RTLD_NEXT, "pthread_getattr_default_np");
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

__attribute__((constructor)) static void first_make(void) {
    if (current != NULL)
        return;
    int saved = errno;
    first_fill();
    snapshots = &first;
    /* Release: what it holds is seen with it; pairs with the acquire below. */
    aptr_store_release(&current, &first);
    errno = saved;
}

const struct attr *thr_attr_default(void) {
    struct snapshot *now = aptr_load_acquire(&current); /* acquire: pairs with the release stores of current */
    if (unlikely(now == NULL)) {
        first_make();
        now = &first;
    }
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

/* An old snapshot that equals this one; NULL if there is none. */
static struct snapshot *find(const struct attr *a) {
    struct snapshot *s = aptr_load_acquire(&snapshots); /* acquire: pairs with push's swap */
    while (s != NULL && !same(&s->attr, a))
        s = s->next;
    return s;
}

static void push(struct snapshot *s) {
    do
        s->next = aptr_load(&snapshots); /* relaxed: the swap decides */
    while (!aptr_cas_release(&snapshots, s->next, s)); /* release: pairs with the acquire in find */
}

THR_EXPORT int pthread_setattr_default_np(const pthread_attr_t *attr) {
    struct attr wanted = *attr_of_const(attr);
    if (!acceptable(&wanted))
        return EINVAL;
    if (wanted.stack_size == 0)
        wanted.stack_size = thr_attr_default()->stack_size;
    int saved = errno;
    struct snapshot *use = find(&wanted);
    if (use == NULL) {
        use = fault("malloc") ? NULL : calloc(1, sizeof *use);
        if (use == NULL || thr_attr_copy(&use->attr, &wanted) < 0) {
            free(use);
            errno = saved;
            return ENOMEM;
        }
        push(use);
    }
    aptr_store_release(&current, use); /* release: pairs with the acquire in thr_attr_default */
    __typeof__(pthread_setattr_default_np) *set = dlsym(RTLD_NEXT, "pthread_setattr_default_np");
    if (set != NULL)
        (void)set(attr); /* it makes the same checks; short of memory, its own threads keep the former default */
    errno = saved;
    return 0;
}

/*
 * Scheduling that is asked for in part only: what is missing comes from the creator, as in the libc.  With
 * neither set, an explicit schedule is the attribute's initial one: SCHED_OTHER, priority 0.  What is inherited
 * is the creator's own, which the kernel does not know while the creator is under a priority ceiling.
 */
static void resolve_sched(const struct attr *a, struct thr_attr *out) {
    out->sched_explicit = (a->flags & ATTR_NOT_INHERIT_SCHED) != 0;
    out->sched_set = out->sched_explicit || ceiling_in_force();
    out->policy = a->sched_policy;
    out->priority = a->sched_priority;
    int set = a->flags & (ATTR_SCHED_SET | ATTR_POLICY_SET);
    bool policy = !out->sched_explicit || set == ATTR_SCHED_SET;
    bool priority = !out->sched_explicit || set == ATTR_POLICY_SET;
    struct schedule own;
    if (!out->sched_set || !(policy || priority) || ceiling_own(thr_self(), 0, &own) < 0)
        return;
    if (policy)
        out->policy = own.policy;
    if (priority)
        out->priority = own.priority;
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
