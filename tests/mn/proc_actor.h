/* What the tests of processes share. */
#ifndef PROC_ACTOR_H
#define PROC_ACTOR_H

#include <mn.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "tap.h"

/* The next message; a test that waits in vain fails by a NULL. */
static inline struct mn_msg *next_msg(void) {
    struct mn_msg *m = NULL;
    int r = mn_receive_until(&m, mn_after(50000000000));
    if (r < 0)
        printf("# mn_receive: %d\n", r);
    return r < 0 ? NULL : m;
}

/* Whether the next message is of that type and, for EXIT and DOWN, from there with that reason. */
static inline bool comes(enum mn_msg_type type, mn_pid from, int64_t reason) {
    struct mn_msg *m = next_msg();
    bool right = m && m->type == type && (!from || m->from == from) && mn_msg_reason(m) == reason;
    if (m && !right)
        printf("# type %d from %lx reason %ld\n", m->type, (unsigned long)m->from, (long)mn_msg_reason(m));
    mn_msg_free(m);
    return right;
}

static inline bool nothing_comes(void) {
    struct mn_msg *m = NULL;
    if (mn_receive_until(&m, mn_after(2000000)) == -ETIMEDOUT)
        return true;
    printf("# a message: type %d tag %ld\n", m->type, (long)m->tag);
    mn_msg_free(m);
    return false;
}

static inline void await_end(mn_pid pid) {
    while (mn_alive(pid))
        mn_sleep(50000);
}

/* Until a process that is a thread waits for that, as dumps call it, or has ended. */
static inline void until_waits(mn_pid pid, const char *what) {
    struct mn_proc_state st;
    while (mn_proc_info(pid, &st) == 0 && !(st.waits && strcmp(st.waits, what) == 0))
        mn_sleep(50000);
}

/* Starts fn, monitored. */
static inline mn_pid spawn_watched(int (*fn)(void *), void *arg, unsigned flags) {
    static mn_ref ref;
    mn_pid pid = 0;
    struct mn_spawn_attr attr = {.flags = MN_SPAWN_MONITOR | flags, .monitor = &ref};
    if (mn_spawn_opt(&pid, &attr, fn, arg) < 0)
        abort();
    return pid;
}

#endif
