/*
 * actor: actor.h, on handler processes.  The actor's record, its state behind it, is the handler's state; a
 * restart clears that and goes on with the same process, so references stay good.  Failure: the child calls its
 * parent's decision through a message, or decides by itself when it has none.  Parent and child are linked and
 * trap exits: a child stops when its parent has ended, however that was; a parent outlives its children.
 */
#include "actor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BEHAVIOURS = 8, TAG_STOP = ~1u, TAG_FAILED = ~2u, TAG_DECISION = ~3u };

struct stashed {
    struct stashed *next;
    struct mn_msg *msg;
};

struct actor {
    const struct actor_type *type;
    actor_ref parent;
    struct mn_msg *present; /* that is being handled */
    actor_receive *receive[BEHAVIOURS];
    unsigned depth;
    bool stashes, unstashes, stops, waits; /* waits: for its parent's decision; everything else is put aside */
    struct stashed *stash, **stash_end;
    size_t init_size;
    void *init; /* what the state begins with after a restart */
    uint64_t state[];
};

void *actor_state(struct actor *self) {
    return self->state;
}

actor_ref actor_self(const struct actor *self) {
    (void)self;
    return mn_pid_self();
}

static void clear(struct actor *a) {
    memset(a->state, 0, a->type->state_size);
    memcpy(a->state, a->init, a->init_size);
    a->receive[0] = a->type->receive;
    a->depth = 0;
}

static int put_aside(struct actor *a, struct mn_msg *m) {
    struct stashed *s = mn_alloc(sizeof *s);
    int r = s ? 0 : -ENOMEM;
    if (r < 0)
        return r;
    *s = (struct stashed){NULL, m};
    *a->stash_end = s;
    a->stash_end = &s->next;
    return 0;
}

struct failure {
    int error;
};

/* The parent is asked; without one, it is a restart. */
static int fail(struct actor *a, int error) {
    struct failure f = {error};
    if (a->parent && mn_alive(a->parent) && mn_post(a->parent, TAG_FAILED, &f, sizeof f) == 0) {
        a->waits = true;
        return MN_GO_ON;
    }
    clear(a);
    return a->type->started && a->type->started(a) < 0 ? error : MN_GO_ON;
}

/* A child has failed with an error, and waits. */
static int decide(struct actor *a, const struct mn_msg *m) {
    int error = ((const struct failure *)m->data)->error;
    enum actor_decision d = a->type->decide ? a->type->decide(a, m->from, error) : ACTOR_RESTART;
    mn_post(m->from, TAG_DECISION, &d, sizeof d);
    return d == ACTOR_ESCALATE ? fail(a, error) : MN_GO_ON;
}

static int decided(struct actor *a, enum actor_decision d) {
    a->waits = false;
    a->unstashes = true;
    if (d == ACTOR_STOP || d == ACTOR_ESCALATE)
        return MN_STOP;
    if (d == ACTOR_RESUME)
        return MN_GO_ON;
    clear(a);
    return a->type->started && a->type->started(a) < 0 ? MN_STOP : MN_GO_ON;
}

static int handle_one(struct actor *a, struct mn_msg *m) {
    struct actor_msg msg = {m->from, m->tag, m->data, m->size};
    if (m->type == MN_MSG && m->tag == TAG_DECISION)
        return decided(a, *(const enum actor_decision *)m->data);
    if (m->type == MN_MSG_EXIT)
        return a->parent && m->from == a->parent ? MN_STOP : MN_GO_ON;
    if (a->waits) {
        a->stashes = true;
        return MN_GO_ON;
    }
    if (m->type == MN_MSG && m->tag == TAG_STOP)
        return MN_STOP;
    if (m->type == MN_MSG && m->tag == TAG_FAILED)
        return decide(a, m);
    if (m->type == MN_MSG_DOWN)
        msg = (struct actor_msg){m->from, ACTOR_TERMINATED, NULL, 0};
    a->present = m;
    int r = a->receive[a->depth](a, &msg);
    a->present = NULL;
    return r < 0 ? fail(a, r) : a->stops ? MN_STOP : MN_GO_ON;
}

/* ours: it was put aside before, and is ours to release. */
static int handle(struct actor *a, struct mn_msg *m, bool ours) {
    a->stashes = false;
    int r = handle_one(a, m);
    if (a->stashes) {
        int kept = ours ? 0 : mn_msg_keep(m);
        if (kept < 0 || (kept = put_aside(a, m)) < 0)
            return kept;
    } else if (ours) {
        mn_msg_free(m);
    }
    return r;
}

static int on_message(void *state, struct mn_msg *m) {
    struct actor *a = state;
    int r = handle(a, m, false);
    while (r == MN_GO_ON && a->unstashes && a->stash) {
        struct stashed *s = a->stash;
        a->unstashes = false;
        a->stash = NULL;
        a->stash_end = &a->stash;
        while (s && r == MN_GO_ON) {
            struct stashed *next = s->next;
            r = handle(a, s->msg, true);
            mn_free(s);
            s = next;
        }
    }
    a->unstashes = false;
    return r;
}

static int on_start(void *state) {
    struct actor *a = state;
    a->stash_end = &a->stash;
    void *copy = mn_alloc(a->init_size + 1); /* the spawner's, until now: see actor_spawn */
    if (!copy)
        return -ENOMEM;
    memcpy(copy, a->state, a->init_size);
    a->init = copy;
    clear(a);
    return a->type->started ? a->type->started(a) : 0;
}

/* One for each size of state, made when it is first needed and kept. */
static const struct mn_handler *handler_for(size_t state_size) {
    static struct mn_mutex lock;
    static struct kind {
        struct kind *next;
        struct mn_handler handler;
    } *kinds;
    mn_mutex_lock(&lock);
    struct kind *k = kinds;
    while (k && k->handler.state_size != sizeof(struct actor) + state_size)
        k = k->next;
    if (!k && (k = malloc(sizeof *k))) {
        *k = (struct kind){kinds, {.name = "actor", .state_size = sizeof(struct actor) + state_size, .init = on_start,
                                   .handle_message = on_message}};
        kinds = k;
    }
    mn_mutex_unlock(&lock);
    return k ? &k->handler : NULL;
}

int actor_spawn(actor_ref *ref, struct actor *parent, const struct actor_type *type, const void *init,
                size_t size) {
    if (size > type->state_size)
        return -EINVAL;
    const struct mn_handler *handler = handler_for(type->state_size);
    struct actor *a = calloc(1, sizeof *a + size);
    if (!handler || !a) {
        free(a);
        return -ENOMEM;
    }
    *a = (struct actor){.type = type, .parent = parent ? mn_pid_self() : 0, .init_size = size};
    if (size)
        memcpy(a->state, init, size);
    struct mn_spawn_attr attr = {.name = type->name,
                                 .flags = MN_SPAWN_TRAP_EXIT | (parent ? MN_SPAWN_LINK : 0)};
    int r = mn_spawn_handler(ref, handler, a, sizeof *a + size, &attr);
    free(a);
    return r;
}

int actor_tell(actor_ref to, uint64_t tag, const void *data, size_t size) {
    return mn_post(to, tag, data, size);
}

int actor_ask(actor_ref to, uint64_t tag, const void *data, size_t size, void *answer, size_t room,
              int64_t deadline) {
    struct mn_msg *reply;
    int r = mn_call_until(to, tag, data, size, &reply, deadline);
    if (r < 0)
        return r;
    r = (int)reply->size;
    memcpy(answer, reply->data, reply->size < room ? reply->size : room);
    mn_msg_free(reply);
    return r;
}

int actor_answer(struct actor *self, uint64_t tag, const void *data, size_t size) {
    const struct mn_msg *m = self->present;
    return m->type == MN_MSG_CALL ? mn_reply(m, tag, data, size) : mn_post(m->from, tag, data, size);
}

int actor_become(struct actor *self, actor_receive *receive) {
    if (self->depth + 1 == BEHAVIOURS)
        return -ENOSPC;
    self->receive[++self->depth] = receive;
    return 0;
}

void actor_unbecome(struct actor *self) {
    if (self->depth > 0)
        self->depth--;
}

int actor_stash(struct actor *self) {
    self->stashes = true;
    return 0;
}

void actor_unstash(struct actor *self) {
    self->unstashes = true;
}

int actor_watch(struct actor *self, actor_ref other) {
    mn_ref ref;
    (void)self;
    return mn_monitor(other, &ref);
}

void actor_stop(struct actor *self) {
    self->stops = true;
}

int actor_stop_other(actor_ref other) {
    return mn_post(other, TAG_STOP, NULL, 0);
}

/* ---- routers */

struct router {
    const struct actor_type *type;
    unsigned n, next;
    actor_ref *children; /* by mn_alloc */
};

static int router_started(struct actor *self) {
    struct router *r = actor_state(self);
    r->children = mn_alloc(r->n * sizeof(actor_ref));
    for (unsigned i = 0; r->children && i < r->n; i++) {
        int error = actor_spawn(&r->children[i], self, r->type, NULL, 0);
        if (error < 0)
            return error;
    }
    return r->children ? 0 : -ENOMEM;
}

/* An answer to what was asked goes to the child's sender: this router; so questions are asked on. */
static int router_receive(struct actor *self, const struct actor_msg *msg) {
    struct router *r = actor_state(self);
    actor_ref child = r->children[r->next++ % r->n];
    struct mn_msg *reply;
    if (self->present->type != MN_MSG_CALL)
        return actor_tell(child, msg->tag, msg->data, msg->size);
    int error = mn_call(child, msg->tag, msg->data, msg->size, &reply);
    if (error < 0)
        return error;
    error = actor_answer(self, reply->tag, reply->data, reply->size);
    mn_msg_free(reply);
    return error;
}

int actor_router(actor_ref *ref, struct actor *parent, const struct actor_type *type, unsigned n) {
    static const struct actor_type router = {"router", sizeof(struct router), router_started, router_receive,
                                             NULL};
    struct router init = {.type = type, .n = n ? n : 1};
    return actor_spawn(ref, parent, &router, &init, sizeof init);
}
