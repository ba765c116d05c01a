/*
 * actor_demo: what actor.h offers, in four scenes, each of which says what happened.
 *
 *     actor_demo
 */
#include "actor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADD = 1, GET, FAIL, PRIMES, COUNT, OPEN, CLOSE, WRITE, LOG };

static void check(int r, const char *what) {
    if (r < 0) {
        printf("%s: %d\n", what, r);
        exit(1);
    }
}

static int64_t ask(actor_ref to, uint64_t tag, int64_t what) {
    int64_t answer = -1;
    int r = actor_ask(to, tag, &what, sizeof what, &answer, sizeof answer, mn_after(10000000000));
    return r < 0 ? r : answer;
}

/* ---- a counter, and a parent that restarts or resumes it */

static int counter_receive(struct actor *self, const struct actor_msg *msg) {
    int64_t *n = actor_state(self);
    if (msg->tag == ADD)
        *n += *(const int64_t *)msg->data;
    if (msg->tag == GET)
        return actor_answer(self, GET, n, sizeof *n);
    return msg->tag == FAIL ? -(int)*(const int64_t *)msg->data : 0;
}
static const struct actor_type counter = {"counter", sizeof(int64_t), NULL, counter_receive, NULL};

struct parent {
    actor_ref child;
};
static int parent_started(struct actor *self) {
    int64_t ten = 10;
    struct parent *p = actor_state(self);
    int r = actor_spawn(&p->child, self, &counter, &ten, sizeof ten);
    return r < 0 ? r : actor_watch(self, p->child);
}
static enum actor_decision parent_decide(struct actor *self, actor_ref child, int error) {
    (void)self;
    (void)child;
    return error == -EAGAIN ? ACTOR_RESUME : error == -EPIPE ? ACTOR_STOP : ACTOR_RESTART;
}
static int parent_receive(struct actor *self, const struct actor_msg *msg) {
    struct parent *p = actor_state(self);
    if (msg->tag == ACTOR_TERMINATED) {
        p->child = 0;
        return 0;
    }
    return msg->tag == GET ? actor_answer(self, GET, &p->child, sizeof p->child) : 0;
}
static const struct actor_type parent = {"parent", sizeof(struct parent), parent_started, parent_receive,
                                         parent_decide};

static void failures(void) {
    actor_ref top;
    int64_t five = 5, error;
    check(actor_spawn(&top, NULL, &parent, NULL, 0), "spawn");
    actor_ref child = (actor_ref)ask(top, GET, 0);
    actor_tell(child, ADD, &five, sizeof five);
    printf("counter: %" PRId64 "\n", ask(child, GET, 0));
    actor_tell(child, FAIL, (error = EAGAIN, &error), sizeof error);
    printf("after a failure that it survives: %" PRId64 "\n", ask(child, GET, 0));
    actor_tell(child, FAIL, (error = EIO, &error), sizeof error);
    printf("after one that restarts it: %" PRId64 "\n", ask(child, GET, 0));
    actor_tell(child, FAIL, (error = EPIPE, &error), sizeof error);
    int64_t gone = ask(child, GET, 0);
    printf("after one that stops it: %s\n",
           gone == -ECONNRESET || gone == -ESRCH ? "nobody answers" : "it answers");
    while (ask(top, GET, 0) != 0)
        mn_sleep(1000000);
    printf("its parent knows\n");
    actor_stop_other(top);
    check(actor_spawn(&top, NULL, &parent, NULL, 0), "spawn");
    child = (actor_ref)ask(top, GET, 0);
    actor_stop_other(top);
    while (mn_alive(child))
        mn_sleep(1000000);
    printf("another ended with its parent\n");
}

/* ---- a file that has to be open: behaviours, and messages that wait */

static int file_open(struct actor *self, const struct actor_msg *msg) {
    int64_t *written = actor_state(self);
    if (msg->tag == WRITE)
        *written += *(const int64_t *)msg->data;
    if (msg->tag == CLOSE)
        actor_unbecome(self);
    return msg->tag == GET ? actor_answer(self, GET, written, sizeof *written) : 0;
}
static int file_closed(struct actor *self, const struct actor_msg *msg) {
    if (msg->tag == OPEN) {
        actor_unstash(self);
        return actor_become(self, file_open);
    }
    return msg->tag == GET ? actor_answer(self, GET, actor_state(self), sizeof(int64_t)) : actor_stash(self);
}
static const struct actor_type file = {"file", sizeof(int64_t), NULL, file_closed, NULL};

static void behaviours(void) {
    actor_ref f;
    check(actor_spawn(&f, NULL, &file, NULL, 0), "spawn");
    for (int64_t i = 1; i <= 4; i++)
        actor_tell(f, WRITE, &i, sizeof i);
    printf("closed, written: %" PRId64 "\n", ask(f, GET, 0));
    actor_tell(f, OPEN, NULL, 0);
    printf("open, written: %" PRId64 "\n", ask(f, GET, 0));
    actor_tell(f, CLOSE, NULL, 0);
    actor_tell(f, WRITE, &(int64_t){100}, sizeof(int64_t));
    printf("closed again, written: %" PRId64 "\n", ask(f, GET, 0));
    actor_stop_other(f);
}

/* ---- work for a router */

static int primes_receive(struct actor *self, const struct actor_msg *msg) {
    int64_t from = *(const int64_t *)msg->data, n = 0;
    for (int64_t i = from; i < from + 1000; i++) {
        int64_t d = 2;
        while (d * d <= i && i % d)
            d++;
        n += i > 1 && d * d > i;
    }
    return actor_answer(self, COUNT, &n, sizeof n);
}
static const struct actor_type primes = {"primes", 0, NULL, primes_receive, NULL};

static actor_ref pool;

static void *part(void *arg) {
    return (void *)(intptr_t)ask(pool, PRIMES, (int64_t)(intptr_t)arg);
}

static void routing(void) {
    int64_t sum = 0;
    mn_thread t[20];
    check(actor_router(&pool, NULL, &primes, 4), "router");
    for (int i = 0; i < 20; i++)
        check(mn_go(&t[i], part, (void *)(intptr_t)(i * 1000)), "go");
    for (int i = 0; i < 20; i++) {
        void *n;
        check(mn_join(t[i], &n), "join");
        sum += (intptr_t)n;
    }
    printf("primes below 20000: %" PRId64 "\n", sum);
    actor_stop_other(pool);
}

/* ---- many */

struct link {
    actor_ref next;
};
static int link_receive(struct actor *self, const struct actor_msg *msg) {
    const struct link *l = actor_state(self);
    int64_t n = *(const int64_t *)msg->data + 1;
    actor_stop(self);
    return actor_tell(l->next, ADD, &n, sizeof n);
}
static const struct actor_type chain = {"link", sizeof(struct link), NULL, link_receive, NULL};

static void many(void) {
    enum { LENGTH = 100000 };
    actor_ref end;
    int64_t got = 0;
    check(actor_spawn(&end, NULL, &counter, NULL, 0), "spawn");
    struct link l = {end};
    for (int i = 0; i < LENGTH; i++)
        check(actor_spawn(&l.next, NULL, &chain, &l, sizeof l), "spawn");
    actor_tell(l.next, ADD, &(int64_t){0}, sizeof(int64_t));
    while ((got = ask(end, GET, 0)) == 0)
        mn_sleep(1000000);
    printf("a chain of %" PRId64 " actors\n", got);
    actor_stop_other(end);
}

static int run(void *arg) {
    (void)arg;
    failures();
    behaviours();
    routing();
    many();
    return 0;
}

int main(void) {
    return mn_run(run, NULL, NULL) < 0;
}
