/*
 * mn/statem.h: state machines: processes of callbacks (mn_spawn_handler) whose callbacks depend on a state.
 *
 *     enum { LOCKED, OPEN };
 *     static int locked_event(void *data, struct mn_msg *m) { return m->tag == COIN ? MN_TO(OPEN) : MN_GO_ON; }
 *     static int open_enter(void *data) { mn_state_timeout(mn_after(SECOND)); return MN_GO_ON; }
 *     static int open_event(void *data, struct mn_msg *m) { return m->tag == PUSH ? MN_TO(LOCKED) : MN_POSTPONE; }
 *     static int open_timeout(void *data) { return MN_TO(LOCKED); }
 *     static const struct mn_state states[] = {{"locked", NULL, locked_event, NULL}, {"open", open_enter, open_event, open_timeout}};
 *     static const struct mn_statem turnstile = {MN_STATEM_HANDLER(sizeof(struct data)), states, 2, NULL};
 *     mn_spawn_statem(&pid, &turnstile, NULL, 0, NULL);
 */
#ifndef MN_STATEM_H
#define MN_STATEM_H

#include <mn/proc.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a callback returns, beside MN_GO_ON (the state stays), MN_STOP and negative errno values, which end the
 * process as a handler's do: MN_TO(state): the state changes, or is entered anew if it is the present one;
 * MN_POSTPONE, by an event callback: the message comes again after the next change, before later ones.
 */
enum { MN_POSTPONE = 2, MN_TO_FIRST = 16 };
#define MN_TO(state) (MN_TO_FIRST + (state))

struct mn_state {
    const char *name;
    int (*enter)(void *data);                     /* the state has been entered; or NULL */
    /* A message, or a call, to be answered by mn_reply; NULL: dropped. */
    int (*event)(void *data, struct mn_msg *msg);
    int (*timeout)(void *data);                   /* see mn_state_timeout; or NULL */
};

/* A machine; it must stay valid.  The first of its states is the initial one. */
struct mn_statem {
    struct mn_handler handler; /* MN_STATEM_HANDLER(size of data) */
    const struct mn_state *states;
    unsigned nstates;
    void (*terminate)(void *data, int64_t reason); /* as a handler's; or NULL */
};

/*
 * Starts a process.  The first `size` bytes of its data are copied from init, the rest are zero.  opt may be
 * NULL.
 *   -EINVAL   no states; size is larger than the data
 * Other errors and contexts as mn_spawn_handler.
 */
int mn_spawn_statem(mn_pid *pid, const struct mn_statem *machine, const void *init, size_t size,
                    const struct mn_spawn_attr *opt);

/*
 * In a callback: if the state has not changed by the deadline, its timeout callback is called, once;
 * MN_FOREVER: it is not.  Each call, and each change of state, takes back the one before.
 *   -EPERM   not in a callback of a state machine
 *   -ENOMEM
 */
int mn_state_timeout(int64_t deadline);

/* The present state; -EPERM: not in a callback of a state machine. */
int mn_state_now(void);

/* What MN_STATEM_HANDLER consists of. */
struct mn_statem_head {
    const struct mn_statem *machine;
    struct mn_statem_late *late, **late_end; /* postponed messages */
    mn_ref timer;
    unsigned state;
    unsigned changed;
};
int mn_statem_init(void *state);
int mn_statem_message(void *state, struct mn_msg *msg);
void mn_statem_terminate(void *state, int64_t reason);
#define MN_STATEM_HANDLER(size) \
    {sizeof(struct mn_statem_head) + (size), mn_statem_init, mn_statem_message, NULL, NULL, mn_statem_terminate, \
     "state machine"}

#ifdef __cplusplus
}
#endif

#endif
