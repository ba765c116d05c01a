/*
 * sup: what the files of supervisors share.
 *
 * A supervisor is a process like any other, written on the public functions of mn/proc.h.  Its state below is
 * its own: it is touched by its process only, but for `refs`, `begun`, `started` and `result`, by which
 * mn_sup_start learns what became of it.
 */
#ifndef MNI_SUP_H
#define MNI_SUP_H

#include <mn.h>
#include <mn/proc.h>
#include <mn/sup.h>

#include "hash.h"
#include "list.h"

enum { MNI_SUP_ID_MOST = 63, MNI_SUP_INTENSITY_MOST = 1000000, MNI_SUP_NAP_NS = 1000000 /* without memory */ };

/* The tag of calls to a supervisor: bytes that a program will not choose by accident. */
#define MNI_SUP_TAG 0x6d6e2d7375702121ull

struct mni_child {
    struct list link;
    struct mni_node by_pid;  /* among those that run */
    mn_pid pid;              /* 0: it does not run */
    mn_ref ref;              /* while it is being stopped: the monitor, */
    int64_t killed;          /* and when it is killed */
    uint64_t restarts;
    bool failed;             /* could not be started again: to be tried once more */
    struct mn_child spec;    /* id and init point behind this structure */
    char bytes[];
};

struct mni_sup {
    uint32_t refs; /* atomic: the process, and who waits for its start */
    uint32_t begun; /* atomic: the process has, or its start was given up */
    int result;    /* of the start; before `started` is set */
    struct mn_event started;

    enum mn_strategy strategy;
    unsigned intensity;
    int64_t period;
    mn_pid parent;
    struct list children; /* in the order of their start */
    size_t count;
    struct mni_hash running;
    int64_t *times;    /* of the last `intensity` restarts: a ring */
    uint64_t restarts; /* so many in all */
    bool retry;        /* some child has failed */
};

/* children.c: the list. */
int mni_child_check(const struct mni_sup *s, const struct mn_child *spec);
struct mni_child *mni_child_make(const struct mn_child *spec);
void mni_child_add(struct mni_sup *s, struct mni_child *ch);
void mni_child_delete(struct mni_sup *s, struct mni_child *ch);
struct mni_child *mni_child_by_id(struct mni_sup *s, const char *id);
struct mni_child *mni_child_by_pid(struct mni_sup *s, mn_pid pid);
void mni_child_runs(struct mni_sup *s, struct mni_child *ch, mn_pid pid);
void mni_child_runs_not(struct mni_sup *s, struct mni_child *ch);

/* life.c: starting and stopping them.  In the supervisor's process. */
int mni_child_start(struct mni_sup *s, struct mni_child *ch);
/* After a start: one that had nothing to start is forgotten, unless it can be started again. */
void mni_child_settle(struct mni_sup *s, struct mni_child *ch);
void mni_child_stop(struct mni_sup *s, struct mni_child *ch);
/* Those after `from` in the list (NULL: all), the last one first; temporary ones are forgotten.  A dynamic
 * supervisor's all at once. */
void mni_children_stop(struct mni_sup *s, const struct mni_child *from);

/* restart.c: a child has ended, or could not be started again.  False: it has been too often, and the
 * supervisor is to end. */
bool mni_sup_child_ended(struct mni_sup *s, struct mni_child *ch, int64_t reason);
bool mni_sup_retry(struct mni_sup *s);

/* request.c: a call from outside. */
enum mni_sup_op {
    MNI_SUP_START,
    MNI_SUP_STOP_ID,
    MNI_SUP_STOP_PID,
    MNI_SUP_RESTART,
    MNI_SUP_DELETE,
    MNI_SUP_LIST,
    MNI_SUP_END
};
bool mni_sup_request(struct mni_sup *s, const struct mn_msg *call); /* false: the supervisor is to end */

#endif
