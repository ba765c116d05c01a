/*
 * notifier: functions for an event loop (mn/notifier.h).
 *
 * A stack that anyone pushes to, emptied as a whole by the loop, as the inbox of a cpu (sched.c).  Who finds it
 * empty rings the eventfd; the loop reads that first, then takes the stack: a push that is missed finds it
 * empty, and rings again.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <mn/notifier.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "atomic.h"
#include "export.h"
#include "fault.h"
#include "sys.h"

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct mn_notifier {
    struct post *posted; /* the youngest first; atomic */
    struct post *taken;  /* the oldest first; the loop's */
    int fd;
};

static void ring(const struct mn_notifier *n) {
    uint64_t one = 1;
    sys(SYS_write, n->fd, &one, sizeof one);
}

MN_EXPORT int mn_notifier_create(struct mn_notifier **notifier) {
    if (!notifier)
        return -EINVAL;
    struct mn_notifier *n = fault("malloc") ? NULL : calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    n->fd = fault("eventfd") ? -EMFILE : (int)sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (n->fd < 0) {
        int r = n->fd;
        free(n);
        return r;
    }
    *notifier = n;
    return 0;
}

static void forget(struct post *p) {
    while (p) {
        struct post *next = p->next;
        free(p);
        p = next;
    }
}

MN_EXPORT void mn_notifier_destroy(struct mn_notifier *n) {
    if (!n)
        return;
    forget(n->taken);
    forget(aptr_swap_full(&n->posted, NULL)); /* full; pairs with a push */
    sys(SYS_close, n->fd);
    free(n);
}

MN_EXPORT int mn_notifier_fd(const struct mn_notifier *n) {
    return n->fd;
}

MN_EXPORT int mn_notifier_post(struct mn_notifier *n, void (*fn)(void *arg), void *arg) {
    struct post *p = fault("malloc") ? NULL : malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    p->fn = fn;
    p->arg = arg;
    struct post *head;
    do {
        head = aptr_load(&n->posted);
        p->next = head;
        /* Full: pairs with the swap of take(). */
    } while (!aptr_cas_full(&n->posted, head, p));
    if (!head)
        ring(n);
    return 0;
}

/* All that was posted, behind what is left. */
static void take(struct mn_notifier *n) {
    uint64_t count;
    sys(SYS_read, n->fd, &count, sizeof count); /* before the swap: see above */
    /* Full; pairs with a push. */
    struct post *p = aptr_swap_full(&n->posted, NULL), *oldest = NULL, **end = &n->taken;
    while (p) {
        struct post *next = p->next;
        p->next = oldest;
        oldest = p;
        p = next;
    }
    while (*end)
        end = &(*end)->next;
    *end = oldest;
}

MN_EXPORT int mn_notifier_run(struct mn_notifier *n, int most) {
    int done = 0;
    take(n);
    while (n->taken && (most <= 0 || done < most)) {
        struct post *p = n->taken, call = *p;
        n->taken = p->next;
        free(p);
        done++;
        call.fn(call.arg);
    }
    if (n->taken)
        ring(n);
    return done;
}
