/*
 * mn/sup.h: supervisors: processes that start others, and start them again when they end.
 *
 *     static const struct mn_child children[] = {
 *         {.id = "log", .fn = log_main},
 *         {.id = "store", .handler = &store, .restart = MN_TRANSIENT},
 *     };
 *     mn_pid sup;
 *     mn_sup_start(&sup, &(struct mn_sup){.strategy = MN_ONE_FOR_ALL, .children = children, .nchildren = 2});
 *
 * The children are started in order and stopped in reverse order, each when the one after it has ended.  A
 * child that ends is started again, or not, as its `restart` says; and so are others, as the strategy says.  If
 * there are more than `intensity` restarts within `period`, the supervisor stops its children and ends with
 * MN_REASON_SHUTDOWN, so that its own supervisor decides.  Semantics are those of Erlang/OTP's supervisor, but
 * for what is said below.
 *
 * A supervisor traps exits.  It stops its children and ends when the process that started it ends or tells it
 * to by mn_exit_signal, and when the runtime ends.
 */
#ifndef MN_SUP_H
#define MN_SUP_H

#include <mn/proc.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mn_strategy {
    MN_ONE_FOR_ONE = 0, /* the child that ended is started again */
    MN_ONE_FOR_ALL,     /* all others are stopped, and all are started again */
    MN_REST_FOR_ONE,    /* those that were started after it are stopped, and started again with it */
    MN_DYNAMIC,         /* any number of children that come and go, without ids; stopped all at once.  Restarts as ONE_FOR_ONE */
};

enum mn_restart {
    MN_PERMANENT = 0, /* always started again */
    MN_TRANSIENT,     /* unless it ended with MN_REASON_NORMAL or MN_REASON_SHUTDOWN */
    MN_TEMPORARY,     /* never; it is forgotten when it has ended */
};

#define MN_SHUTDOWN_KILL (-1) /* a child is killed without being told to end before */

struct mn_sup;

/*
 * A child.  One of start, fn, handler and sup says what it is.  fn and handler have been started when they have
 * been spawned: unlike in OTP, the handler's init is not waited for, and one that fails there has ended.  What
 * pointers in it point to must stay valid as long as the supervisor runs, but for id and init, which are copied.
 */
struct mn_child {
    const char *id; /* up to 63 bytes, different from the others'; NULL for those of MN_DYNAMIC */
    enum mn_restart restart;
    int64_t shutdown; /* nanoseconds that it has to end after MN_REASON_SHUTDOWN, before it is killed; 0: 5 s, of supervisors:
                       * for ever; MN_FOREVER; MN_SHUTDOWN_KILL */

    int (*fn)(void *arg);                    /* a process of its own thread, as mn_spawn starts it, */
    void *arg;
    const struct mn_handler *handler;        /* or one of callbacks, */
    const void *init;                        /* whose state begins with these bytes; copied */
    size_t init_size;
    const struct mn_sup *sup;                /* or a supervisor, */
    /* Or what this starts, in the supervisor: linked to its caller; < 0: it failed; *pid is left 0: there is
     * nothing to run, and the child stays in the list, stopped (a temporary or dynamic one does not). */
    int (*start)(mn_pid *pid, void *arg);

    struct mn_spawn_attr opt; /* of fn and handler: how it is spawned; .flags: MN_SPAWN_TRAP_EXIT only */
};

/* A supervisor.  All-zero fields mean what is said. */
struct mn_sup {
    const char *name; /* shown in dumps; it must stay valid */
    enum mn_strategy strategy;
    /* Restarts that are borne within `period`: 0 means 1, at most 1,000,000; MN_NO_RESTARTS: none at all. */
    unsigned intensity;
    int64_t period;     /* nanoseconds; 0: 5 s */
    const struct mn_child *children;
    size_t nchildren;
};
#define MN_NO_RESTARTS (~0u)

/*
 * Starts a supervisor and its children; returns when all have been started.  A caller that is a process is
 * linked to it.  If a child cannot be started, those before it are stopped, and there is no supervisor.
 *   -EINVAL   a child that is nothing or several things; an id that is missing, too long or given twice; numbers out of range
 *   what a child's start returned; -ECONNRESET: the supervisor was killed meanwhile
 *   -ETIMEDOUT, -ECANCELED   it is killed, and its children end by their links
 *   -ENOMEM, -EAGAIN, -EPERM   as mn_spawn
 * Contexts: any.
 */
int mn_sup_start(mn_pid *pid, const struct mn_sup *sup);
int mn_sup_start_until(mn_pid *pid, const struct mn_sup *sup, int64_t deadline);

/*
 * What follows is asked of a supervisor, which does one thing after another and answers when it is done: while
 * it stops a child that takes its time, or restarts some, the others wait.  Of each call there is a form with a
 * deadline.  At -ETIMEDOUT and -ECANCELED the supervisor has the question: what it asks for may have been done,
 * or is done later; mn_sup_children tells.  A late answer is dropped.
 */

/*
 * Adds a child at the end of the list and starts it; pid may be NULL.  A child that fails to start is not
 * added.
 *   -EEXIST   there is one with that id
 *   -EINVAL; what its start returned
 *   -ESRCH, -ECONNRESET   there is no such supervisor (any more)
 *   -ETIMEDOUT, -ECANCELED   it may have been started, or is started later; *pid is not set
 * Contexts: green.
 */
int mn_sup_start_child(mn_pid sup, const struct mn_child *child, mn_pid *pid);
int mn_sup_start_child_until(mn_pid sup, const struct mn_child *child, mn_pid *pid, int64_t deadline);

/*
 * Stops a child, which stays in the list (a temporary one does not).  In a dynamic supervisor there are no ids:
 * the second form, which can be used with any.
 *   -ENOENT   there is no such child
 *   -ETIMEDOUT, -ECANCELED   it is being stopped, or will be
 *   others as above
 * Contexts: green.
 */
int mn_sup_stop_child(mn_pid sup, const char *id);
int mn_sup_stop_child_until(mn_pid sup, const char *id, int64_t deadline);
int mn_sup_stop_pid(mn_pid sup, mn_pid child);
int mn_sup_stop_pid_until(mn_pid sup, mn_pid child, int64_t deadline);

/* Starts a child that was stopped, or has ended and was not started again.  -EBUSY: it runs.  -ENOENT.  Others
 * as above.  Contexts: green. */
int mn_sup_restart_child(mn_pid sup, const char *id, mn_pid *pid);
int mn_sup_restart_child_until(mn_pid sup, const char *id, mn_pid *pid, int64_t deadline);

/* Removes a child that does not run.  -EBUSY: it runs.  -ENOENT.  Others as above.  Contexts: green. */
int mn_sup_delete_child(mn_pid sup, const char *id);
int mn_sup_delete_child_until(mn_pid sup, const char *id, int64_t deadline);

struct mn_child_info {
    mn_pid pid; /* 0: it does not run */
    uint64_t restarts;
    enum mn_restart restart;
    bool supervisor;
    char id[64]; /* "": it has none */
};

/*
 * Says what children there are, in order: fills at most n entries, and returns how many there are.  Errors as
 * above.  Contexts: green.
 */
int64_t mn_sup_children(mn_pid sup, struct mn_child_info *info, size_t n);
int64_t mn_sup_children_until(mn_pid sup, struct mn_child_info *info, size_t n, int64_t deadline);

/*
 * Stops the supervisor and its children, and waits until it has ended (its reason is MN_REASON_SHUTDOWN).  A
 * link between it and the caller goes before, so that the caller does not end with it.
 *   -ETIMEDOUT, -ECANCELED   it goes on stopping them
 *   -ESRCH
 * Contexts: green.
 */
int mn_sup_stop(mn_pid sup, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
