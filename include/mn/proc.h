/*
 * mn/proc.h: processes, in the way of Erlang: each has a mailbox, ends with a reason, and others learn of
 * that by links and monitors.
 *
 *     static int server(void *arg) {
 *         for (;;) {
 *             struct mn_msg *m;
 *             int r = mn_receive(&m);
 *             if (r < 0)
 *                 return r;
 *             if (m->type == MN_MSG_CALL)
 *                 mn_reply(m, m->tag, m->data, m->size);
 *             mn_msg_free(m);
 *         }
 *     }
 *     mn_pid pid;
 *     mn_spawn(&pid, server, NULL);
 *     mn_call(pid, 1, "hello", 5, &reply);
 *
 * There are two kinds behind one sort of pid.  mn_spawn starts a green thread of its own, which waits in
 * mn_receive. mn_spawn_handler makes a process of callbacks, without a stack: 200 bytes while it waits.  A
 * green thread that is no process can become one (mn_attach).  A pid, or a reference, is never given out twice,
 * also not by the next runtime, or in a fork's child: one that is old is no process for every call.
 *
 * Signals (exit, link, monitor) travel as messages do, and are acted on by the process itself: when it
 * receives, blocks, or makes any other call that can block.  A process that is to end by a signal unwinds:
 * cleanup attributes and C++ destructors run, then what was given to mn_defer, then memory of mn_alloc and
 * descriptors of mn_own_fd are released, and those who are linked to it or monitor it are told.
 */
#ifndef MN_PROC_H
#define MN_PROC_H

#include <mn/msg.h>
#include <mn/thread.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Why a process ends: a code, and bytes that go along.  Codes of a program's own are 1024 and more; negative
 * ones are errno values: a process whose function returns -EIO ends with that reason.
 */
enum {
    MN_REASON_NORMAL = 0,
    MN_REASON_KILL = 1,     /* with mn_exit_signal: cannot be trapped */
    MN_REASON_KILLED,       /* what the others are told of a process that was killed */
    MN_REASON_NOPROC,       /* there was no such process */
    MN_REASON_NOCONNECTION, /* it cannot be reached */
    MN_REASON_SHUTDOWN,     /* asked to by its supervisor; or the runtime ends */
    MN_REASON_SEGV,         /* a fault of its own code (mn_trap_faults), by signal; the bytes: struct mn_fault */
    MN_REASON_BUS,
    MN_REASON_FPE,
    MN_REASON_ILL,
    MN_REASON_STACK,        /* its stack was full */
    MN_REASON_USER = 1024,
};

/* ---- starting */

enum mn_mailbox {
    MN_MAILBOX_BLOCK = 0, /* a full mailbox blocks the sender */
    MN_MAILBOX_ERROR,     /* the sender gets -EAGAIN */
    MN_MAILBOX_DROP_NEW,  /* the message is dropped */
    MN_MAILBOX_DROP_OLD,  /* the oldest is */
};

enum {
    MN_SPAWN_LINK = 1,      /* linked to the caller from the beginning; the caller has to be a process */
    MN_SPAWN_MONITOR = 2,   /* the caller monitors it: *.monitor is set */
    MN_SPAWN_TRAP_EXIT = 4, /* it traps exits from the beginning */
};

/* How a process is started; all-zero is what mn_spawn does. */
struct mn_spawn_attr {
    const char *name; /* shown in dumps; it must stay valid */
    unsigned flags;   /* MN_SPAWN_* */
    enum mn_priority priority;
    enum mn_stack stack;     /* not of handlers */
    mn_ref *monitor;         /* with MN_SPAWN_MONITOR */
    uint32_t mailbox;        /* at most so many messages wait (within a few); 0: no bound */
    enum mn_mailbox policy;  /* what happens to one more.  Signals, replies and timers always get through */
    size_t arena;            /* at most so many bytes by mn_alloc; 0: no limit */
};

/*
 * Starts a process that runs fn(arg) in a green thread of its own, and stores its pid (unless that is NULL).
 * What fn returns is the reason: 0 and more is MN_REASON_NORMAL.  Past its slice the caller lets others run,
 * the new one first.
 *   -ENOMEM, -EAGAIN, -EINVAL   as mn_go
 *   -EPERM    no runtime runs, or it is ending; MN_SPAWN_LINK or MN_SPAWN_MONITOR, and the caller is no process
 * Contexts: any.
 */
int mn_spawn(mn_pid *pid, int (*fn)(void *arg), void *arg);
int mn_spawn_opt(mn_pid *pid, const struct mn_spawn_attr *opt, int (*fn)(void *arg), void *arg);

/*
 * A process made of callbacks.  They are called one at a time, on the stack of an executor.  `state` is the
 * process's own memory.  Each callback but terminate says how it goes on: MN_GO_ON; MN_STOP ends the process
 * with MN_REASON_NORMAL; a negative errno, with that as its reason.  A callback may block (the executor's
 * other processes go on), but not receive.
 *
 * A signal that ends the process ends a callback, too, in which it waits: at the end of that call it unwinds,
 * as a thread does, and terminate finds the state as the callback has left it (a kill calls no terminate).
 * One that computes ends in the next call that waits, at the end of its slice if it makes other calls, or when
 * it returns.  mn_shield puts that off.  terminate itself, and what was deferred, are not interrupted.
 */
enum { MN_GO_ON = 0, MN_STOP = 1 };

struct mn_handler {
    size_t state_size;        /* zeroed, then filled with what mn_spawn_handler was given */
    int (*init)(void *state); /* before the first message; or NULL */
    /* EXIT, DOWN, TIMEOUT and REPLY come here, too; or NULL: messages are dropped. */
    int (*handle_message)(void *state, struct mn_msg *msg);
    /* Answered by mn_reply, now or later; NULL: calls come to handle_message. */
    int (*handle_call)(void *state, struct mn_msg *msg);
    int (*handle_timeout)(void *state); /* see mn_timeout_at; or NULL */
    /* The process ends; not when it was killed, nor when init did not let it go on; or NULL. */
    void (*terminate)(void *state, int64_t reason);
    const char *name; /* shown in dumps; or NULL */
};

/*
 * Starts one.  `handler` must stay valid.  The first `size` bytes of its state are copied from init.  opt may
 * be NULL.
 *   -EINVAL   handler is NULL, or has neither handle_message nor handle_call; size is larger than the state
 * Other errors as mn_spawn.  Contexts: any.
 */
int mn_spawn_handler(mn_pid *pid, const struct mn_handler *handler, const void *init, size_t size,
                     const struct mn_spawn_attr *opt);

/*
 * In a callback: if no message has come until the deadline, handle_timeout is called, once.  Each message,
 * and MN_FOREVER, takes that back.  -EPERM: not in a handler's callback.  -ENOMEM.
 */
int mn_timeout_at(int64_t deadline);

/*
 * Makes the calling green thread a process, until it ends.  Returns 0 also if it is one.  A signal ends it as
 * any process.
 *   -EPERM   in a foreign LWP, a bound thread
 *   -ENOMEM, -EAGAIN
 * Contexts: green.
 */
int mn_attach(void);

/* The calling process; 0: the caller is none.  Contexts: any. */
mn_pid mn_pid_self(void);

/* Whether the process has not ended.  Contexts: any. */
bool mn_alive(mn_pid pid);

/* The thread of a process; 0: it has ended, or is a handler.  Contexts: any. */
mn_thread mn_proc_thread(mn_pid pid);

/* ---- ending */

/* Ends the calling process with a reason, and bytes that go along (copied).  Contexts: green, in a process. */
void mn_proc_exit(int64_t reason) __attribute__((noreturn));
void mn_proc_exit_with(int64_t reason, const void *data, size_t size) __attribute__((noreturn));

/*
 * Sends an exit signal.  MN_REASON_KILL ends the process in any case, with reason MN_REASON_KILLED; any other
 * reason ends it unless it traps exits: then it gets a message of type MN_MSG_EXIT.  MN_REASON_NORMAL does
 * not end another process. 0 also if there is no such process.  -ENOMEM; -EPERM: no runtime.  Contexts: any.
 * The second form: bytes go along (copied), but for MN_REASON_KILL.  -EMSGSIZE: more than 4 GB.
 */
int mn_exit_signal(mn_pid pid, int64_t reason);
int mn_exit_signal_with(mn_pid pid, int64_t reason, const void *data, size_t size);

/* Exit signals become messages from now on (but not MN_REASON_KILL), or do not.  Returns whether it was so
 * before; -EPERM: the caller is no process.  Contexts: green. */
int mn_trap_exit(bool trap);

/*
 * The priority of a process: of a thread as by mn_set_priority, of a handler from the next time that it becomes
 * ready after it has taken this in.
 *   -ESRCH    no such process
 *   -EINVAL   no such priority
 *   -ENOMEM; -EPERM: no runtime
 * Contexts: any.
 */
int mn_proc_set_priority(mn_pid pid, enum mn_priority priority);

/* The reason of an EXIT or DOWN message. */
static inline int64_t mn_msg_reason(const struct mn_msg *msg) {
    return (int64_t)msg->tag;
}

/* ---- faults */

/*
 * From now on, a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL by an instruction; a full stack) of a process's own
 * code ends that process alone, with MN_REASON_SEGV or one of those after it.  Its own code is that of the
 * module (the program, a shared object) in which the address lies, and of others that this function was called
 * for: each function between the fault and the process's first has to be of these.  Any other fault does what
 * it does without this call: one in a library that is not named here, though a process has called it; in
 * libmn; in a thread that is no process, or the first one.
 *
 * The stack frames are abandoned: neither cleanup attributes nor C++ destructors run.  What was deferred does,
 * and what the process owns is released; a handler's terminate is not called.  What else the process was in
 * the middle of changing stays as it is: doc/processes.md says what that asks of its code.
 *   -EINVAL    there is no module at the address
 *   -ENOTSUP   no libunwind; a build for a sanitizer; the module has libmn within it
 *   -ENOMEM
 * The module is never unloaded again.  A handler of these signals that is installed while the runtime runs has
 * them all. Contexts: any.
 */
int mn_trap_faults(const void *in_module);

enum { MN_FAULT_FRAMES = 16 };

/* The bytes of MN_REASON_SEGV and its like.  Later versions add members at the end. */
struct mn_fault {
    int signal;          /* SIGSEGV, ... */
    int code;            /* siginfo_t's si_code, */
    const void *address; /* and si_addr */
    const void *pc;      /* the instruction */
    uint32_t frames;     /* so many of the innermost return addresses follow; the first is pc */
    uint32_t reserved;
    const void *frame[MN_FAULT_FRAMES];
};

/* What fault an EXIT or DOWN message tells of; NULL: none, or there was no memory for it. */
static inline const struct mn_fault *mn_msg_fault(const struct mn_msg *msg) {
    bool fault = (msg->type == MN_MSG_EXIT || msg->type == MN_MSG_DOWN) &&
                 mn_msg_reason(msg) >= MN_REASON_SEGV && mn_msg_reason(msg) <= MN_REASON_STACK &&
                 msg->size >= sizeof(struct mn_fault);
    return fault ? (const struct mn_fault *)msg->data : NULL;
}

/* ---- links and monitors */

/*
 * Links the caller and another process: when one ends, the other gets an exit signal.  There is one link
 * between two at most. If there is no such process, the exit signal comes at once, with MN_REASON_NOPROC.
 *   -ENOMEM; -EPERM: the caller is no process
 * Contexts: green.
 */
int mn_proc_link(mn_pid pid);

/* After it, no exit signal of the link comes any more; one that is in the mailbox as a message stays.  0 also
 * if there was no link.  Errors and contexts as mn_proc_link. */
int mn_proc_unlink(mn_pid pid);

/*
 * When the process ends, the caller gets one message of type MN_MSG_DOWN with this reference; at once, with
 * MN_REASON_NOPROC, if there is no such process.  A process can be monitored any number of times.  -EINVAL: no
 * ref; other errors and contexts as mn_proc_link.
 */
int mn_monitor(mn_pid pid, mn_ref *ref);

/*
 * No DOWN message of this monitor comes any more; flush: one that waits in the mailbox is removed.
 *   -ENOENT   there is no such monitor (any more)
 *   -EPERM
 * Contexts: green.
 */
int mn_demonitor(mn_ref ref, bool flush);

/* ---- calls */

/*
 * Sends a message of type MN_MSG_CALL and waits for the reply, which the caller releases by mn_msg_free.
 * reply may be NULL. A reply that comes after the deadline is dropped.  Processes and others may call (the
 * message's `from` is then a pid that ends with the call); inside a callback, the executor goes on with other
 * processes meanwhile.
 *   -ESRCH        no such process
 *   -ECONNRESET   it ended before it replied
 *   -ETIMEDOUT, -ECANCELED
 *   -EDEADLK      the caller itself
 *   -EAGAIN       its mailbox is full, and does not block senders.  One that does blocks the caller up to the
 *                 deadline; where the oldest messages are dropped, calls are not counted, and not dropped
 *   -ENOMEM, -EPERM, -EMSGSIZE   as mn_post
 * Contexts: any; reply has to be NULL where the caller is no green thread.
 */
int mn_call(mn_pid pid, uint64_t tag, const void *data, size_t size, struct mn_msg **reply);
int mn_call_until(mn_pid pid, uint64_t tag, const void *data, size_t size, struct mn_msg **reply,
                  int64_t deadline);

/* Answers a call.  0 also if nobody waits for it any more.  The second form: by any process, later.  -ENOMEM.
 * Contexts: any. */
int mn_reply(const struct mn_msg *call, uint64_t tag, const void *data, size_t size);
int mn_reply_to(mn_pid from, mn_ref ref, uint64_t tag, const void *data, size_t size);

/* Sends a message, as mn_post and mn_post_until: the other half of mn_call. */
static inline int mn_cast(mn_pid pid, uint64_t tag, const void *data, size_t size) {
    return mn_post(pid, tag, data, size);
}
static inline int mn_cast_until(mn_pid pid, uint64_t tag, const void *data, size_t size, int64_t deadline) {
    return mn_post_until(pid, tag, data, size, deadline);
}

/*
 * Sends a call and goes on: the reply comes as a message of type MN_MSG_REPLY, or MN_MSG_DOWN, with this
 * reference (one of the two, once).  mn_demonitor(ref, true) gives it up: no late reply comes.  A full mailbox
 * may block it, up to the deadline.  Errors as mn_monitor; -EMSGSIZE; -EAGAIN, -ETIMEDOUT, -ECANCELED, -EDEADLK
 * for a full mailbox.  Contexts: green.
 */
int mn_request(mn_pid pid, uint64_t tag, const void *data, size_t size, mn_ref *ref);
int mn_request_until(mn_pid pid, uint64_t tag, const void *data, size_t size, mn_ref *ref, int64_t deadline);

/* ---- aliases */

/*
 * A reference by which others can send to the caller, who gives it to them together with its pid, until it
 * takes it back.  Messages that come later are dropped, as those to a process that has ended; and so are those
 * that were sent before, and that the caller has not taken into its mailbox yet, as it does when it looks for a
 * message and finds none, or asks for the mailbox's length.  Those that are in the mailbox stay.
 * MN_ALIAS_ONCE: the first message that comes takes it back.
 *   mn_alias     -ENOMEM; -EINVAL: no alias, unknown flags; -EPERM: the caller is no process
 *   mn_unalias   -ENOENT: it is none of the caller's (any more); -EPERM
 * Contexts: green.
 */
enum { MN_ALIAS_ONCE = 1 };
int mn_alias(mn_ref *alias, unsigned flags);
int mn_unalias(mn_ref alias);

/* As mn_post and mn_post_until, by an alias of the process; the message's ref is the alias.  0 also if that
 * is none any more. */
int mn_post_alias(mn_pid to, mn_ref alias, uint64_t tag, const void *data, size_t size);
int mn_post_alias_until(mn_pid to, mn_ref alias, uint64_t tag, const void *data, size_t size, int64_t deadline);

/* ---- timers */

/*
 * At the deadline, a message is sent to the process: mn_post_at: of type MN_MSG, as by mn_post;
 * mn_start_timer: of type MN_MSG_TIMEOUT, with *timer as its ref.  Its sender is the caller.  timer may be
 * NULL.  When the caller is a process and ends, timers that it has set for itself are forgotten.
 *   -ENOMEM; -EPERM: no runtime; -EMSGSIZE
 * mn_cancel_timer: no message comes any more; mn_read_timer: it stays.  Both return how many nanoseconds were
 * left (0: it was due), or -ENOENT: it has expired, and a message that it has sent stays where it is; or the
 * process has ended.
 * Contexts: any.
 */
int mn_post_at(mn_pid to, int64_t deadline, uint64_t tag, const void *data, size_t size, mn_ref *timer);
int mn_start_timer(mn_pid to, int64_t deadline, uint64_t tag, mn_ref *timer);
int64_t mn_cancel_timer(mn_ref timer);
int64_t mn_read_timer(mn_ref timer);

/* ---- what a process owns */

/*
 * Zeroed memory that is released when the calling process ends, however it ends; or by mn_free, by the same
 * process. mn_alloc returns NULL: no memory, beyond the limit of mn_spawn_attr.arena, or the caller is no
 * process.  mn_free(NULL): nothing. Contexts: green.
 */
void *mn_alloc(size_t size);
void mn_free(void *memory);

/*
 * The descriptor is closed, as by mn_close, when the calling process ends; mn_disown_fd takes that back, and so
 * does mn_close, by whomever.  Before a close(2), mn_disown_fd has to come.
 *   -ENOMEM; -EBADF: not open, or not owned; -EPERM: no process
 * Contexts: green.
 */
int mn_own_fd(int fd);
int mn_disown_fd(int fd);

/*
 * The process dictionary: values of the calling process, by key.  mn_put returns 0, -ENOMEM, -EPERM; a value
 * of NULL removes the key. mn_get: NULL if there is none.  Contexts: green.
 */
int mn_put(uint64_t key, void *value);
void *mn_get(uint64_t key);

/* ---- looking */

/* What is known of a process at this moment; each figure is read for itself while it goes on.  Later versions
 * add members at the end. */
struct mn_proc_state {
    mn_pid pid, parent;  /* parent: who started it; 0: no process */
    mn_thread thread;    /* 0: a handler */
    const char *name;    /* or NULL */
    const char *waits;   /* for what its thread waits, or NULL: it does not */
    const struct mn_handler *handler; /* NULL: a thread */
    uint64_t received;   /* messages that it has taken out of its mailbox */
    uint32_t mailbox;    /* messages that it has looked at and not taken */
    uint32_t relations;  /* links and monitors, from and to it, and aliases */
    enum mn_priority priority;
    bool traps_exit;
};

/* -ESRCH: no such process; -EINVAL: no info.  Contexts: any. */
int mn_proc_info(mn_pid pid, struct mn_proc_state *info);

/* What a process does at a moment. */
enum mn_proc_doing {
    MN_PROC_WAITS = 0, /* for a message, or something else (mn_proc_state.waits) */
    MN_PROC_READY,     /* for a CPU; one of callbacks: it has something to do, and a callback may run */
    MN_PROC_RUNS,
};

/* What a process says of itself.  Bytes, if nothing else is said; a thread's stack is not among them. */
struct mn_proc_report {
    uint64_t memory;     /* all that follows, its record, its state, its relations */
    uint64_t allocated;  /* by mn_alloc */
    /* Those that wait, and those that it has taken and not released; binaries are not counted. */
    uint64_t messages;
    /* Messages taken, and for a thread 1,000 for each slice of so many calls that it has used up. */
    uint64_t reductions;
    uint32_t mailbox;    /* so many messages wait */
    /* So many; watchers: monitors of it, also by its names and groups. */
    uint32_t links, monitors, watchers, aliases;
    int (*fn)(void *arg);                        /* its function; NULL: a handler, or by mn_attach */
    uint32_t relations;                          /* links, monitors, watchers and aliases in all */
    enum mn_proc_doing doing;                    /* when it was asked; without an answer: at the deadline */
    bool answered;                               /* false: all this was seen from outside */
};

/*
 * Asks a process what it says of itself.  size: sizeof(struct mn_proc_report); later versions are longer.  It
 * answers when it looks at its signals: at once if it waits for a message, at the end of its slice if it makes
 * calls; one that waits for something else, or computes without a call, does later.
 *   -ESRCH    no such process, or it has ended meanwhile
 *   -EINVAL   size is smaller than the first version's structure
 *   -ETIMEDOUT   it has not answered by the deadline.  *report says what can be seen from outside: doing,
 *             relations, reductions, messages in the mailbox that it has looked at, memory without messages and
 *             mn_alloc; the others are 0.  With a deadline that has passed, such as 0, that is all that is done
 *   -ECANCELED, -ENOMEM; -EPERM: no runtime
 * Contexts: any.
 */
int mn_proc_inspect(mn_pid pid, struct mn_proc_report *report, size_t size);
int mn_proc_inspect_until(mn_pid pid, struct mn_proc_report *report, size_t size, int64_t deadline);

enum mn_relation {
    MN_LINKED = 0,    /* to it */
    MN_WATCHED_BY_IT, /* whom it monitors, once for each monitor */
    MN_WATCHING_IT,   /* who monitors it, likewise */
};

/*
 * Stores the pids of those who are related to a process, as far as there is room for them, and returns how many
 * there are.  Asks as mn_proc_inspect, with its errors; -EINVAL: no such relation.  pids may be NULL if room is
 * 0.  Contexts: any.
 */
int64_t mn_proc_related(mn_pid pid, enum mn_relation which, mn_pid *pids, size_t room);
int64_t mn_proc_related_until(mn_pid pid, enum mn_relation which, mn_pid *pids, size_t room, int64_t deadline);

/*
 * Stores the pids of all processes, as far as there is room for them, and returns how many there are.
 * Processes start and end meanwhile.  pids may be NULL if room is 0.  Contexts: any.
 */
int64_t mn_proc_list(mn_pid *pids, size_t room);

#ifdef __cplusplus
}
#endif

#endif
