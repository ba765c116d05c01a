/*
 * What a pthread_attr_t holds, and what it asks of pthread_create.
 *
 * The layout is the libc's (glibc 2.32 and later) and not ours to choose: the libc itself reads attributes that
 * a program made with us (SIGEV_THREAD timers, mq_notify, getaddrinfo_a), and lwp_libc.c hands them to the
 * libc's own pthread_create.  tests/conformance/attr_layout.c writes with one library and reads with the other.
 */
#ifndef THR_ATTR_H
#define THR_ATTR_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum attr_flags {
    ATTR_DETACHED = 0x01,
    ATTR_NOT_INHERIT_SCHED = 0x02,
    ATTR_SCOPE_PROCESS = 0x04, /* never set: Linux has system scope only */
    ATTR_STACK_ADDR = 0x08,
    ATTR_SCHED_SET = 0x20,  /* sched_priority was set */
    ATTR_POLICY_SET = 0x40, /* sched_policy was set */
};

/* Made with calloc on first need, released by pthread_attr_destroy, whichever library's. */
struct attr_extension {
    cpu_set_t *cpus;
    size_t cpus_size;
    sigset_t sigmask;
    bool sigmask_set;
};

struct attr {
    int sched_priority;
    int sched_policy;
    int flags;
    size_t guard_size;
    void *stack_top; /* the highest address, as the libc keeps it */
    size_t stack_size; /* 0: the default */
    struct attr_extension *extension;
    void *unused;
};

_Static_assert(sizeof(struct attr) <= sizeof(pthread_attr_t), "struct attr fits into a pthread_attr_t");
_Static_assert(offsetof(struct attr, guard_size) == 16 && offsetof(struct attr, stack_top) == 24 &&
                   offsetof(struct attr, stack_size) == 32 && offsetof(struct attr, extension) == 40,
               "struct attr is the libc's struct pthread_attr");
_Static_assert(offsetof(struct attr_extension, sigmask) == 16 &&
                   offsetof(struct attr_extension, sigmask_set) == 144 && sizeof(struct attr_extension) == 152,
               "struct attr_extension is the libc's struct pthread_attr_extension");

static inline struct attr *attr_of(pthread_attr_t *a) {
    return (struct attr *)(void *)a;
}

static inline const struct attr *attr_of_const(const pthread_attr_t *a) {
    return (const struct attr *)(const void *)a;
}

/* An attribute object as the creator of a thread wants it: defaults filled in, sizes rounded. */
struct thr_attr {
    bool detached;
    bool user_stack;   /* stack and stack_size are the user's memory; no guard */
    bool sched_explicit; /* of the attributes; otherwise the creator's are inherited */
    bool sched_set;      /* policy and priority are to be set */
    bool sigmask_set;
    void *stack; /* lowest address of the user's stack */
    size_t stack_size; /* bytes that the thread and its TLS block may use, without the guard */
    size_t guard_size; /* whole pages, below the stack and in addition to stack_size; may be 0 */
    int policy, priority;
    /* NULL: inherited.  Valid as long as the attribute object (the default's: for ever). */
    const cpu_set_t *cpus;
    size_t cpus_size;
    sigset_t sigmask; /* when sigmask_set */
};

/*
 * Reads an attribute object, or the process's default (NULL).
 *   0         out is filled
 *   -EINVAL   its sizes overflow
 * Allocates nothing.  Contexts: any thread.
 */
int thr_attr_resolve(const pthread_attr_t *attr, struct thr_attr *out);

/* The process's default attributes: immutable, and valid for ever. */
const struct attr *thr_attr_default(void);

/* A deep copy into an uninitialised object; 0 or -ENOMEM. */
int thr_attr_copy(struct attr *to, const struct attr *from);

#endif
