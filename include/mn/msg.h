/*
 * mn/msg.h: messages: what processes send each other.
 *
 * A message has a tag, which the program chooses, and bytes: a copy of the sender's, a block whose ownership
 * goes along, or a binary that many messages share.  Between two processes, messages and signals arrive in
 * the order in which they were sent.
 */
#ifndef MN_MSG_H
#define MN_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A process.  Never reused while it could be mistaken for another; 0 is no process. */
typedef uint64_t mn_pid;

/* A call, a monitor, a timer or an alias.  Never the same twice while the runtime runs; 0 is none. */
typedef uint64_t mn_ref;

enum mn_msg_type {
    MN_MSG = 0,     /* sent by mn_post and its like */
    MN_MSG_CALL,    /* by mn_call: to be answered with mn_reply */
    MN_MSG_REPLY,   /* to a request of mn_request */
    MN_MSG_EXIT,    /* a linked process has ended, or mn_exit_signal was called; the receiver traps exits */
    MN_MSG_DOWN,    /* a monitored process has ended */
    MN_MSG_TIMEOUT, /* a timer of mn_start_timer */
    MN_MSG_JOINED,  /* `from` has joined a group (mn/registry.h), */
    MN_MSG_LEFT,    /* or left it, or ended */
};

/* What a receiver gets.  It is the receiver's until it gives it to mn_msg_free, or ends. */
struct mn_msg {
    mn_pid from;      /* who sent it; 0: no process */
    uint64_t tag;     /* EXIT and DOWN: the reason's code, see mn_msg_reason */
    mn_ref ref;       /* of a call, reply, monitor, timer or alias; otherwise 0 */
    const void *data; /* 8-byte aligned; NULL if there are none (EXIT and DOWN: the bytes of the reason) */
    uint32_t size;    /* of data, in bytes */
    uint16_t type;    /* enum mn_msg_type */
    uint16_t reserved;
};

/* Bytes that many messages share; released when nobody holds them any more. */
struct mn_bin;

/*
 * Makes a binary that holds a copy of the bytes (data == NULL: zeroes); the caller holds it once.
 * mn_bin_hold: once more. mn_bin_drop: once less.  The bytes must not change while others hold it.  -ENOMEM;
 * -EINVAL: bin is NULL.  Contexts: any.
 */
int mn_bin_make(struct mn_bin **bin, const void *data, size_t size);
void mn_bin_hold(struct mn_bin *bin);
void mn_bin_drop(struct mn_bin *bin);
void *mn_bin_data(struct mn_bin *bin);
size_t mn_bin_size(const struct mn_bin *bin);

/*
 * Sends a message with a copy of `size` bytes.  0 also if there is no such process (any more): as in Erlang,
 * who wants to know monitors it.
 *   -ENOMEM
 *   -EAGAIN, -ETIMEDOUT, -ECANCELED   the receiver's mailbox is full (mn/proc.h: mailbox)
 *   -EDEADLK  that of the caller itself is, and would block it
 *   -EPERM    no runtime runs
 *   -EMSGSIZE   more than 4 GB
 * mn_post_until: how long it may block where a full mailbox blocks the sender; mn_post: for ever. Contexts:
 * any.
 */
int mn_post(mn_pid to, uint64_t tag, const void *data, size_t size);
int mn_post_until(mn_pid to, uint64_t tag, const void *data, size_t size, int64_t deadline);

/*
 * The same without a copy.  mn_post_ref: the block goes to the receiver, whose mn_msg_free calls
 * release(data); NULL: it is not called.  If the process has ended, it is called at once, or as it ends; also
 * if the caller is killed while a full mailbox blocks it.  On an error it is not called.  release must not call
 * libmn.  mn_post_bin: the message holds the binary.
 */
int mn_post_ref(mn_pid to, uint64_t tag, void *data, size_t size, void (*release)(void *data));
int mn_post_ref_until(mn_pid to, uint64_t tag, void *data, size_t size, void (*release)(void *data),
                      int64_t deadline);
int mn_post_bin(mn_pid to, uint64_t tag, struct mn_bin *bin);
int mn_post_bin_until(mn_pid to, uint64_t tag, struct mn_bin *bin, int64_t deadline);

/*
 * A small form for signal handlers: a message with a tag and eight bytes, its sender 0.  At most 256 of these
 * are on their way at a time: -EAGAIN.  Not from the handler of a signal that a call of libmn itself raised.
 * Contexts: any, signal.
 */
int mn_post_from_signal(mn_pid to, uint64_t tag, uint64_t value);

/*
 * Takes the oldest message out of the caller's mailbox; waits for one if there is none.
 *   -ETIMEDOUT, -ECANCELED (also in what was deferred, as the process ends)
 *   -EPERM   the caller is no process, or one that is made of callbacks (mn_spawn_handler)
 * Contexts: green.
 */
int mn_receive(struct mn_msg **msg);
int mn_receive_until(struct mn_msg **msg, int64_t deadline);

/* Which message: all of the conditions that `fields` names have to hold. */
enum {
    MN_MATCH_TAG = 1,
    MN_MATCH_FROM = 2,
    MN_MATCH_REF = 4, /* one that the caller has just made is found without a look at older messages */
    MN_MATCH_TYPE = 8,
    MN_MATCH_TEST = 16,
};
struct mn_match {
    unsigned fields;
    int type;
    uint64_t tag;
    mn_pid from;
    mn_ref ref;
    bool (*test)(const struct mn_msg *msg, void *arg); /* must not block, and not receive */
    void *arg;
};

/* The oldest that matches; the others stay where they are.  Errors as mn_receive; -EINVAL: unknown fields. */
int mn_receive_match(struct mn_msg **msg, const struct mn_match *match);
int mn_receive_match_until(struct mn_msg **msg, const struct mn_match *match, int64_t deadline);

/* Releases a message that was received.  NULL: nothing.  By the process that received it.  Contexts: green. */
void mn_msg_free(struct mn_msg *msg);

/*
 * In a callback of a handler: the message is not released when the callback returns, but by mn_msg_free, or
 * as the process ends.  -EPERM: not the message of the callback.  -ENOMEM.
 */
int mn_msg_keep(struct mn_msg *msg);

/* How many messages wait in the caller's mailbox, as far as it has looked; -EPERM: no process.  Contexts:
 * green. */
int64_t mn_mailbox_length(void);

#ifdef __cplusplus
}
#endif

#endif
