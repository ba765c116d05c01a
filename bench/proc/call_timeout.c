/*
 * call_timeout: what do calls leave behind that time out?
 *
 * --callers processes call one that answers too late, --count times in all.  KiB that the resident size has
 * grown by since a tenth of them.  Also: ns a call.
 *
 * Verified: so many calls timed out; their late replies were sent, and came to nobody's mailbox.
 */
#include <mn/time.h>

#include "proc.h"

enum { CALLERS = 64, WAIT_NS = 100000, KEPT = 512 };

static mn_pid server;
static uint64_t calls;
static struct tally late_replies;

/* Answers a call when 512 more have come: its caller has gone on, unless its CPU was away all the time. */
struct state {
    struct {
        mn_pid from;
        mn_ref ref;
    } kept[KEPT];
    uint64_t n;
};

static int handle(void *state, struct mn_msg *m) {
    struct state *s = state;
    uint64_t at = s->n++ % KEPT;
    if (s->kept[at].from) {
        must(mn_reply_to(s->kept[at].from, s->kept[at].ref, 1, NULL, 0));
        tally_add(&late_replies);
    }
    s->kept[at].from = m->from;
    s->kept[at].ref = m->ref;
    return MN_GO_ON;
}

static const struct mn_handler handler = {.state_size = sizeof(struct state), .handle_call = handle};

static int caller(void *arg) {
    mn_pid parent = *(mn_pid *)arg;
    for (uint64_t i = 0; i < calls / CALLERS;) {
        struct mn_msg *reply = NULL;
        int r = mn_call_until(server, i, NULL, 0, &reply, mn_now() + WAIT_NS);
        verify(r == -ETIMEDOUT || r == 0, "mn_call_until: %d", r);
        i += r != 0;
        mn_msg_free(reply);
    }
    verify(mn_mailbox_length() == 0, "messages are left");
    post(parent, 1);
    return 0;
}

static void run(uint64_t n) {
    static mn_pid me;
    me = mn_pid_self();
    calls = n;
    for (int i = 0; i < CALLERS; i++)
        start(caller, &me);
    for (int i = 0; i < CALLERS; i++)
        take();
}

static int job(void *arg) {
    uint64_t n = *(uint64_t *)arg;
    must(mn_attach());
    server = start_handler(&handler, NULL, 0);
    run(n / 10);
    double before = bench_resident(0);
    uint64_t from = bench_now(), replied = tally_get(&late_replies);
    run(n);
    double grown = (bench_resident(0) - before) / 1024, each = (double)(bench_now() - from) / (double)n;
    for (int i = 0; tally_get(&late_replies) - replied < n / CALLERS * CALLERS; i++) {
        verify(i < 10000, "%lu late replies of %lu were sent",
               (unsigned long)(tally_get(&late_replies) - replied), (unsigned long)n);
        must(mn_sleep(1000000));
    }
    job_result("call_timeout", grown > 0 ? grown : 0, "KiB", "ns=%.0f", each);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_call_until");
    uint64_t n = (uint64_t)bench_number("--count", 1000000);
    bench_options_end();
    int status = mn_run(job, &n, NULL);
    verify(status >= 0, "mn_run: %d", status);
    return status;
}
