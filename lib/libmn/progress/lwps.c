/*
 * lwps: does the process have LWPs that could do something?
 *
 * Counting the LWPs that call the library would miss those that are about to.  So all of the process are looked
 * at, and those that are known to rest are taken away: workers (who looks has made sure that they sleep), LWPs
 * of pools that have no job, bound threads in a wait, sysmon.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "lwps.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "list.h"
#include "lock.h"
#include "runtime/runtime.h"
#include "sched/worker.h"

struct lwp {
    struct list link;
    int tid;
};

static __thread struct lwp self __attribute__((tls_model("initial-exec")));

static struct lock guard = LOCK_INIT(RANK_OBJECT);
static struct list resting = LIST_INIT(resting); /* guarded */

void mni_lwp_rests(void) {
    struct lwp *me = &self;
    if (!me->tid)
        me->tid = (int)syscall(SYS_gettid);
    lock_take(&guard);
    if (!list_linked(&me->link))
        list_append(&resting, &me->link);
    lock_drop(&guard);
}

void mni_lwp_works(void) {
    struct lwp *me = &self;
    lock_take(&guard);
    if (list_linked(&me->link))
        list_remove(&me->link);
    lock_drop(&guard);
}

void mni_lwps_forked(void) {
    lock_reset(&guard);
    list_init(&resting);
    self = (struct lwp){0};
}

static bool ours(int tid) {
    for (const struct mni_worker *w = mni_workers_all(); w; w = w->all)
        if ((int)a32_load((const uint32_t *)&w->tid) == tid) /* relaxed: it sleeps */
            return true;
    bool found = false;
    lock_take(&guard);
    for (struct list *l = resting.next; l != &resting && !found; l = l->next)
        found = list_entry(l, struct lwp, link)->tid == tid;
    lock_drop(&guard);
    return found;
}

bool mni_lwps_all_ours(void) {
    DIR *d = opendir("/proc/self/task");
    if (!d)
        return false;
    int me = (int)syscall(SYS_gettid);
    bool all = true;
    for (const struct dirent *e; all && (e = readdir(d));) {
        int tid = atoi(e->d_name);
        all = tid <= 0 || tid == me || ours(tid);
    }
    closedir(d);
    return all;
}
