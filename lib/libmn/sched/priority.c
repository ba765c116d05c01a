/*
 * priority: changing the priority of a thread, or a process, that has started.
 *
 * The scheduler asks for a thread's priority when it queues the thread; so a change counts from the next time
 * on, and a thread that is in a queue stays where it is.  Any caller stores it, under the thread's lock: that
 * keeps the descriptor from becoming another's meanwhile (join.c).  A handler's is a word of its owner's, as
 * all that it has: it gets a signal.
 */
#include <errno.h>

#include "export.h"
#include "proc/signal.h"
#include "runtime/keep.h"
#include "thread/join.h"
#include "thread/table.h"
#include "wait/call.h"

/* Inside the runtime. */
static int set(mn_thread thread, enum mn_priority priority) {
    struct mni_thread *t = mni_thread_find(thread);
    if (!t)
        return -ESRCH;
    mni_lock_take(&t->lock);
    bool lives = mni_thread_lives(t, thread);
    if (lives)
        a8_store(&t->priority, (uint8_t)priority);
    mni_lock_drop(&t->lock);
    return lives ? 0 : -ESRCH;
}

MN_EXPORT int mn_set_priority(mn_thread thread, enum mn_priority priority) {
    MNI_KEEP_OR(-EPERM);
    if ((unsigned)priority > MN_LOW)
        return -EINVAL;
    int r;
    struct mni_cpu *c = mni_call_begin();
    /* In a callback: the thread is its executor, who has others to call. */
    if (c && c->current->flags & MNI_EXECUTOR && mni_thread_handle(c->current) == thread)
        r = -EPERM;
    else
        r = set(thread, priority);
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_proc_set_priority(mn_pid pid, enum mn_priority priority) {
    MNI_KEEP_OR(-EPERM);
    if ((unsigned)priority > MN_LOW)
        return -EINVAL;
    int r = -ESRCH;
    struct mni_cpu *c = mni_call_begin();
    const struct mni_proc *p = mni_proc_find(pid);
    bool handler = p && a32_load(&p->flags) & MNI_PROC_HANDLER;
    mn_thread t = p ? mni_proc_thread(p) : 0;
    if (handler) {
        struct mni_msg *m = mni_signal_make(mni_part(c), MNI_K_PRIORITY, 0, 0);
        if (m)
            m->pub.tag = (uint64_t)priority;
        r = m ? mni_signal_send(c, pid, m) ? 0 : -ESRCH : -ENOMEM;
    } else if (p && mni_proc_is(p, pid)) {
        r = set(t, priority);
    }
    mni_call_end_here(c);
    return r;
}
