/*
 * What the kernel says of a thread, compared before an LWP is parked and before it is given to a creator: its
 * name, no_new_privs, and whether system calls are filtered.
 *
 * taint.c notices the changes that go through the libc.  These three are made behind its back too: names
 * through /proc, sandboxes by a system call of their own (inline assembly).  A thread must not escape its
 * creator's sandbox, so creator and LWP are asked.
 *
 * But prctl() under a filter that does not expect it may kill the program, and a filter that is added to one
 * which is there already changes none of the answers.  So LWPs are reused only while no filter is known: not in
 * a process that starts under one, and no longer once one is installed through the libc.  What remains is a
 * filter that is installed by inline assembly and kills for prctl(): it kills at the next creation.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>

#include "lwp.h"
#include "sys.h"

static uint32_t may_ask;  /* decided before the first thread, taken back by a filter */
static uint32_t filtered; /* a filter was installed through the libc; in a fork's child too */

bool lwp_identity(struct lwp_identity *id) {
    if (!a32_load(&may_ask)) /* relaxed: see lwp_identity_filtered */
        return false;
    memset(id, 0, sizeof *id);
    id->no_new_privs = (int)sys(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    id->filtered = (int)sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
    return sys(SYS_prctl, PR_GET_NAME, id->name) == 0 && id->no_new_privs >= 0 && id->filtered == 0;
}

bool lwp_identity_same(const struct lwp_identity *a, const struct lwp_identity *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

void lwp_identity_filtered(void) {
    a32_store(&filtered, 1); /* relaxed: as below */
    /* Relaxed: the calling thread sees it; others, if they are filtered as well, soon. */
    a32_store(&may_ask, 0);
}

static bool filter_in_force(void) {
    char text[4096];
    long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return true;
    long n = sys(SYS_read, fd, text, sizeof text - 1);
    sys(SYS_close, fd);
    text[n > 0 ? n : 0] = 0;
    return !strstr(text, "\nSeccomp:\t0\n");
}

bool lwp_identity_init(void) {
    /* Relaxed; not even a look at /proc under a filter. */
    bool may = !a32_load(&filtered) && !filter_in_force();
    a32_store(&may_ask, may); /* relaxed: no other thread of ours exists */
    return may;
}
