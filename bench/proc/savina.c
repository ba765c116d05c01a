/* savina_*: the program, and the shapes in which processes only pass on and count. */
#include "savina.h"

enum { END = 1, ASK, FIRST };

static double seconds;

/* ---- ping pong */

static int pong(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg m = next_message();
        if (m.tag == END)
            return 0;
        post(m.from, m.tag + 1);
    }
}

unsigned long ping_pong(void) {
    enum { TURNS = 5000 };
    mn_pid other = start(pong, NULL);
    for (uint64_t i = FIRST; i < FIRST + TURNS; i++) {
        post(other, i);
        verify(take() == i + 1, "another answer");
    }
    post(other, END);
    return TURNS;
}

/* ---- counting */

static int count(void *arg) {
    (void)arg;
    for (uint64_t n = 0;; n++) {
        struct mn_msg m = next_message();
        if (m.tag != ASK)
            continue;
        post(m.from, n);
        return 0;
    }
}

unsigned long counting(void) {
    enum { MESSAGES = 20000 };
    mn_pid counter = start(count, NULL);
    for (int i = 0; i < MESSAGES; i++)
        post(counter, FIRST);
    post(counter, ASK);
    verify(take() == MESSAGES, "messages were lost");
    return MESSAGES;
}

/* ---- fork join create */

static int square(void *arg) {
    (void)arg;
    struct mn_msg m = next_message();
    post(m.from, m.tag * m.tag);
    return 0;
}

unsigned long fork_join(void) {
    enum { PROCESSES = 2000 };
    uint64_t sum = 0, n = PROCESSES;
    for (uint64_t i = 1; i <= n; i++)
        post(start(square, NULL), i);
    for (uint64_t i = 1; i <= n; i++)
        sum += take();
    verify(sum == n * (n + 1) * (2 * n + 1) / 6, "the sum is wrong");
    return PROCESSES;
}

/* ---- thread ring */

enum { RING = 100, PASSES = 20000 };

/* The token's tag says how often it is still to be passed on; then the end goes round, to each once. */
static int pass(void *arg) {
    mn_pid next = (mn_pid)(uintptr_t)arg;
    for (;;) {
        uint64_t tag = take();
        post(next, tag > FIRST ? tag - 1 : END);
        if (tag <= FIRST)
            return 0;
    }
}

unsigned long thread_ring(void) {
    mn_pid next = mn_pid_self(); /* one of them */
    for (int i = 1; i < RING; i++)
        next = start(pass, (void *)(uintptr_t)next);
    uint64_t wanted = FIRST + PASSES;
    post(next, wanted - 1);
    for (;;) {
        uint64_t tag = take();
        if (tag == END)
            break;
        wanted -= RING;
        verify(tag == wanted, "the token went astray: %lu", (unsigned long)tag);
        post(next, tag - 1);
    }
    verify(wanted <= FIRST + RING, "%lu passes are missing", (unsigned long)(wanted - FIRST));
    post(next, END); /* those that came before the one where the end began */
    return PASSES;
}

/* ---- */

static void measure(const char *name, unsigned long (*shape)(void)) {
    unsigned long done = 0;
    uint64_t limit = (uint64_t)(seconds * 1e9);
    shape();
    uint64_t from = bench_now(), now;
    do {
        done += shape();
        now = bench_now();
    } while (now - from < limit);
    job_result(name, (double)(now - from) / (double)done, "ns", NULL);
}

static int job(void *arg) {
    (void)arg;
    must(mn_attach());
    measure("savina_ping_pong", ping_pong);
    measure("savina_counting", counting);
    measure("savina_fork_join", fork_join);
    measure("savina_thread_ring", thread_ring);
    measure("savina_chameneos", chameneos);
    measure("savina_big", big);
    measure("savina_dictionary", dictionary);
    measure("savina_philosophers", philosophers);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_post", &seconds, job);
}
