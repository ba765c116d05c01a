/*
 * proc_hub_handler, proc_pairs_handler: a hundred processes made of callbacks ask, over and over; what does a
 * request take, and its answer?
 *
 * hub: all ask the same one, which can be on one CPU at a time.  pairs: each asks one of its own.  ns a request.
 *
 * Verified: each answer is the number that was asked for; each process had all of its answers.
 */
#include "proc.h"

enum { ASKERS = 100, REQUESTS = 200, BEGIN = 1, END = 2, FIRST = 3 };

static double seconds;

static int answer(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == END)
        return MN_STOP;
    post(m->from, m->tag);
    return MN_GO_ON;
}

struct asker {
    mn_pid whom, boss;
    uint64_t asked;
};

static int ask(void *state, struct mn_msg *m) {
    struct asker *me = state;
    verify(m->tag == (me->asked ? FIRST + me->asked : BEGIN), "another answer");
    if (me->asked++ == REQUESTS) {
        post(me->boss, END);
        return MN_STOP;
    }
    post(me->whom, FIRST + me->asked);
    return MN_GO_ON;
}

static const struct mn_handler answers = {.handle_message = answer};
static const struct mn_handler asks = {.state_size = sizeof(struct asker), .handle_message = ask};

static void turn(int pairs) {
    mn_pid whom[ASKERS], askers[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        whom[i] = i == 0 || pairs ? start_handler(&answers, NULL, 0) : whom[0];
        struct asker a = {.whom = whom[i], .boss = mn_pid_self()};
        askers[i] = start_handler(&asks, &a, sizeof a);
    }
    for (int i = 0; i < ASKERS; i++)
        post(askers[i], BEGIN);
    for (int i = 0; i < ASKERS; i++)
        verify(take() == END, "another message");
    for (int i = 0; i < ASKERS; i++)
        if (i == 0 || pairs)
            post(whom[i], END);
}

static double measure(int pairs) {
    turn(pairs);
    unsigned long done = 0;
    uint64_t from = bench_now(), now;
    do {
        turn(pairs);
        done += ASKERS * REQUESTS;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    return (double)(now - from) / (double)done;
}

static int job(void *arg) {
    (void)arg;
    must(mn_attach());
    job_result("proc_hub_handler", measure(0), "ns", NULL);
    job_result("proc_pairs_handler", measure(1), "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_post", &seconds, job);
}
