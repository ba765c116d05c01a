/*
 * actor.h: a small actor runtime on libmn's processes, in the manner of Akka.
 *
 * An actor has a type (what it does), state of its own, and a reference that stays the same when it is
 * restarted.  It handles one message at a time, may change its behaviour, put messages aside, make children,
 * and watch others.  When it fails, what happens is its parent's decision: it goes on, starts anew with fresh
 * state, stops, or the parent fails in turn.  An actor that stops takes its children along.
 */
#ifndef EXAMPLE_ACTOR_H
#define EXAMPLE_ACTOR_H

#include <mn.h>

typedef mn_pid actor_ref;

struct actor; /* what an actor's functions get: itself */

/* What came: from whom, what, and bytes. */
struct actor_msg {
    actor_ref from;
    uint64_t tag;
    const void *data;
    size_t size;
};

/* 0: well; negative: it has failed. */
typedef int actor_receive(struct actor *self, const struct actor_msg *msg);

enum actor_decision { ACTOR_RESTART = 0, ACTOR_RESUME, ACTOR_STOP, ACTOR_ESCALATE };

struct actor_type {
    const char *name;
    size_t state_size;
    int (*started)(struct actor *self);               /* also after a restart; or NULL */
    actor_receive *receive;
    /* Of its children; NULL: RESTART. */
    enum actor_decision (*decide)(struct actor *self, actor_ref child, int error);
};

/* Tags of what the runtime itself tells. */
enum { ACTOR_TERMINATED = ~0u /* from: an actor that was watched */ };

/* Starts an actor; parent == NULL: without one, and what fails is restarted.  Its state begins with the
 * bytes. */
int actor_spawn(actor_ref *ref, struct actor *parent, const struct actor_type *type, const void *init,
                size_t size);

/* Of the caller: its state, its reference. */
void *actor_state(struct actor *self);
actor_ref actor_self(const struct actor *self);

/* Sends a message; from anywhere. */
int actor_tell(actor_ref to, uint64_t tag, const void *data, size_t size);

/* Asks, and waits for the answer: its size, or an error.  From anywhere; an actor that asks handles no other
 * message meanwhile. */
int actor_ask(actor_ref to, uint64_t tag, const void *data, size_t size, void *answer, size_t room,
              int64_t deadline);

/* In receive: answers an actor_ask; or, if that was none, tells the sender. */
int actor_answer(struct actor *self, uint64_t tag, const void *data, size_t size);

/* In receive: from the next message on another function receives; actor_unbecome: the one before it again. */
int actor_become(struct actor *self, actor_receive *receive);
void actor_unbecome(struct actor *self);

/* In receive: puts the present message aside; all of these come again, in order, after actor_unstash. */
int actor_stash(struct actor *self);
void actor_unstash(struct actor *self);

/* ACTOR_TERMINATED comes when the other has stopped. */
int actor_watch(struct actor *self, actor_ref other);

/* Stops after the present message; or another, after those that it has got. */
void actor_stop(struct actor *self);
int actor_stop_other(actor_ref other);

/* A router: an actor that gives each message to the next of n children of a type. */
int actor_router(actor_ref *ref, struct actor *parent, const struct actor_type *type, unsigned n);

#endif
