/*
 * proc_pingpong, proc_ring_503: what does it take to send a message on?
 *
 * proc_pingpong: a message to a process, and its answer; ns a round trip.  proc_ring_503: a token goes round
 * through 503 processes; ns a pass.  With _handler, the others are made of callbacks; the first one, which
 * measures, never is.
 *
 * Verified: every answer; each adds one to the token on its way.
 */
#include "proc.h"

enum { RING = 503, END = 1 };

static double seconds;

struct link {
    mn_pid next;
};

static int pass(void *arg) {
    struct link me = *(struct link *)arg;
    for (;;) {
        uint64_t tag = take();
        post(me.next, tag == END ? END : tag + 1);
        if (tag == END)
            return 0;
    }
}

static int handle(void *state, struct mn_msg *m) {
    const struct link *me = state;
    post(me->next, m->tag == END ? END : m->tag + 1);
    return m->tag == END ? MN_STOP : MN_GO_ON;
}

static const struct mn_handler handler = {.state_size = sizeof(struct link), .handle_message = handle};

static void turns(mn_pid first, unsigned n, unsigned others) {
    for (unsigned i = 0; i < n; i++) {
        post(first, 1000 + i);
        uint64_t got = take();
        verify(got == 1000 + i + others, "the token went astray: %lu", (unsigned long)got);
    }
}

/* So many others in a ring with the caller. */
static double measure(unsigned others, int handlers, unsigned at_once) {
    struct link *links = job_memory(others, sizeof *links);
    mn_pid next = mn_pid_self();
    for (unsigned i = 0; i < others; i++) {
        links[i].next = next;
        next = handlers ? start_handler(&handler, &links[i], sizeof links[i]) : start(pass, &links[i]);
    }
    turns(next, 20 * at_once, others);
    unsigned long done = 0;
    uint64_t from = bench_now(), now;
    do {
        turns(next, at_once, others);
        done += at_once;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    post(next, END);
    verify(take() == END, "the end went astray");
    free(links);
    return (double)(now - from) / (double)done;
}

static int job(void *arg) {
    (void)arg;
    must(mn_attach());
    job_result("proc_pingpong", measure(1, 0, 64), "ns", NULL);
    job_result("proc_pingpong_handler", measure(1, 1, 64), "ns", NULL);
    job_result("proc_ring_503", measure(RING - 1, 0, 4) / RING, "ns", NULL);
    job_result("proc_ring_503_handler", measure(RING - 1, 1, 4) / RING, "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_post", &seconds, job);
}
