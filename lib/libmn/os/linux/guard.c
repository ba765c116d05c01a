/*
 * Guards of stacks, by what the kernel has.
 *
 *   guard regions   MADV_GUARD_INSTALL (Linux 6.13): marks in the page table, no mapping is split, so ten million of
 *                   them are as good as one.  process_madvise makes many by one system call.
 *   mprotect        splits the mapping: two mappings more for each slot, and vm.max_map_count (65,530) of them are
 *                   all that a process has.  So at most a quarter as many guards as that, the program needs some too.
 *   none            beyond that: the zone stays accessible, but nothing lives in it, so it reads as zeroes until a stack
 *                   overflows into it.  Whoever returns such a slot looks (stack_watch.c).
 *
 * Memory that mlockall() locks refuses guard regions (EINVAL): mprotect takes their place there.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "atomic.h"
#include "fault.h"
#include "feature.h"
#include "panic.h"
#include "sys.h"

enum {
    GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL */
    SELF = -10000,       /* PIDFD_SELF: the caller, without a descriptor (Linux 6.14) */
    VECTOR = 16, /* on the stack of a thread that must not need a second page for it */
};

enum kind { REGIONS, MPROTECT, NONE };

/* All relaxed: each only ever moves towards less, and using the better one once too often fails and falls
 * back. */
static uint32_t kind;
static uint32_t vectors;  /* process_madvise works */
static uint32_t said;     /* that there are no guards any more */
static uint64_t mprotects; /* guards made by mprotect */
static uint64_t most;      /* how many may be */

static uint64_t max_map_count(void) {
    char text[32];
    uint64_t count = 65530;
    int fd = fault("map_count")
                 ? -ENOENT
                 : (int)sys(SYS_openat, AT_FDCWD, "/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        long n = sys(SYS_read, fd, text, sizeof text - 1);
        if (n > 0) {
            text[n] = 0;
            count = strtoull(text, NULL, 10);
        }
        sys(SYS_close, fd);
    }
    return count;
}

/* Ranges from[0..n) of `bytes`, advised by one call: 0, or the error. */
static int advise_vector(char *const *from, unsigned n, size_t bytes, int advice) {
    struct iovec v[VECTOR];
    for (unsigned i = 0; i < n; i++)
        v[i] = (struct iovec){from[i], bytes};
    /* It may also stop in the middle. */
    long r = fault("vector_refused") ? -EPERM
             : sys(SYS_process_madvise, SELF, v, fault("vector_part") ? (n + 1) / 2 : n, advice, 0);
    return r == (long)(n * bytes) ? 0 : r < 0 ? (int)r : -EAGAIN;
}

/* The same, in one call if that can be: 0 or the error. */
static int advise(char *const *from, unsigned n, size_t bytes, int advice) {
    int r;
    if (fault("madvise"))
        return -ENOMEM;
    if (n > 1 && a32_load(&vectors)) {
        if ((r = advise_vector(from, n, bytes, advice)) == 0)
            return 0;
        /* Another reason than its being missing comes up again below. */
        if (r == -EBADF || r == -ENOSYS || r == -EPERM)
            a32_store(&vectors, 0);
    }
    for (unsigned i = 0; i < n; i++)
        if ((r = (int)sys(SYS_madvise, from[i], bytes, advice)) < 0)
            return r;
    return 0;
}

void mni_guard_start(void) {
    a32_store(&kind, mni_feature(MNI_GUARD) ? REGIONS : MPROTECT);
    a32_store(&vectors, mni_feature(MNI_PROCESS_MADVISE));
    a32_store(&said, 0);
    a64_store(&mprotects, 0);
    a64_store(&most, max_map_count() / 4);
}

static void say_once(uint64_t made, const char *why) {
    if (a32_swap_full(&said, 1) == 0) /* full: as it is there; one caller says it */
        notice("stacks: no more guard zones after %lu threads (%s): overflows of further stacks are only "
               "noticed when "
               "their threads end",
               (unsigned long)made, why);
}

static unsigned by_mprotect(char *base, size_t stride, unsigned n, size_t guard) {
    for (unsigned i = 0; i < n; i++) {
        uint64_t made = a64_add(&mprotects, 1);
        if (made >= a64_load(&most)) {
            a32_store(&kind, NONE);
            say_once(made,
                     "this kernel has no guard regions, or memory is locked, and vm.max_map_count is near");
            return i;
        }
        long r = fault("mprotect") ? -ENOMEM : sys(SYS_mprotect, base + i * stride, guard, PROT_NONE);
        if (r < 0) {
            a32_store(&kind, NONE);
            say_once(made, "mprotect failed");
            return i;
        }
    }
    return n;
}

unsigned mni_guard_install(char *base, size_t stride, unsigned n, size_t guard) {
    unsigned done = 0;
    if (guard % (size_t)sysconf(_SC_PAGESIZE) != 0) {
        say_once(0, "a page is larger than the zone");
        return 0;
    }
    while (done < n && a32_load(&kind) == REGIONS) {
        char *from[VECTOR];
        unsigned now = n - done < VECTOR ? n - done : VECTOR;
        for (unsigned i = 0; i < now; i++)
            from[i] = base + (done + i) * stride;
        int r = advise(from, now, guard, GUARD_INSTALL);
        if (r == 0) {
            done += now;
        } else if (r != -EINTR && r != -EAGAIN) {
            if (r != -EINVAL)
                notice("stacks: no guard region (error %d): mprotect takes its place", -r);
            a32_store(&kind, MPROTECT);
        }
    }
    if (done < n && a32_load(&kind) == MPROTECT)
        done += by_mprotect(base + done * stride, stride, n - done, guard);
    return done;
}

void mni_pages_drop(char *const *from, unsigned n, size_t bytes) {
    /* It can fail only on locked memory, whose pages are to stay. */
    for (unsigned i = 0; i < n; i += VECTOR)
        (void)advise(from + i, n - i < VECTOR ? n - i : VECTOR, bytes, MADV_DONTNEED);
}

const char *mni_guard_kind(void) {
    uint32_t k = a32_load(&kind);
    return k == REGIONS ? "guard regions" : k == MPROTECT ? "mprotect" : "none";
}
