/*
 * mailbox_mpsc: what does a message take that sixteen senders send to one receiver?
 *
 * Millions of messages a second; share: the sender that could send least / the mean.  Each sender's 100th is
 * answered, so that the mailbox stays short; mailbox_mpsc_bounded: instead, it is bounded by 4,096 messages,
 * and a full one blocks the sender.  selective_receive: a call whose reply comes behind --count other messages;
 * ns a call.
 *
 * Verified: messages of each sender come in order, none is lost; each reply is the right one, the others are
 * still there.
 */
#include "proc.h"

enum { SENDERS = 16 };

static struct job_count *counts;
static int stop, bounded;
static mn_pid receiver;
static double seconds;

static int sender(void *arg) {
    uint64_t me = (uint64_t)arg;
    for (uint64_t n = 0; !job_stopped(&stop); n++) {
        if (!bounded && n % 100 == 99)
            must(mn_call(receiver, me << 56 | n, NULL, 0, NULL));
        else
            post(receiver, me << 56 | n);
        job_count(&counts[me]);
    }
    post(receiver, me << 56 | 0xffffffffffffff);
    return 0;
}

static int receive(void *arg) {
    uint64_t next[SENDERS] = {0}, ended = 0;
    mn_pid parent = *(mn_pid *)arg;
    while (ended < SENDERS) {
        struct mn_msg *m;
        must(mn_receive(&m));
        uint64_t tag = m->tag, from = tag >> 56, n = tag & 0xffffffffffffff;
        if (m->type == MN_MSG_CALL)
            must(mn_reply(m, 0, NULL, 0));
        mn_msg_free(m);
        if (n == 0xffffffffffffff) {
            verify(next[from] == counts[from].n, "sender %lu: %lu messages came of %lu", (unsigned long)from,
                   (unsigned long)next[from], counts[from].n);
            ended++;
            continue;
        }
        verify(n == next[from]++, "sender %lu: message %lu is missing", (unsigned long)from,
               (unsigned long)next[from] - 1);
    }
    post(parent, 1);
    return 0;
}

static void mpsc(const struct mn_spawn_attr *attr, const char *name) {
    mn_pid me = mn_pid_self();
    counts = job_counts(SENDERS);
    stop = 0;
    bounded = attr->mailbox != 0;
    must(mn_spawn_opt(&receiver, attr, receive, &me));
    for (uint64_t i = 0; i < SENDERS; i++)
        start(sender, (void *)i);
    struct job_watch watch = {
        .counts = counts, .n = SENDERS, .span = seconds, .seconds = seconds, .stop = &stop};
    job_watch(&watch);
    verify(take() == 1, "another message");
    job_watched(&watch);
    job_result(name, 1000 / watch.ns_per_unit, "M/s", "share=%.3f", watch.share);
}

static int answer(void *state, struct mn_msg *m) {
    (void)state;
    must(mn_reply(m, m->tag + 1, NULL, 0));
    return MN_GO_ON;
}

static void selective(uint32_t others) {
    static const struct mn_handler handler = {.handle_call = answer};
    mn_pid server = start_handler(&handler, NULL, 0);
    for (uint32_t i = 0; i < others; i++)
        post(mn_pid_self(), i);
    uint64_t done = 0, from = bench_now(), now;
    do {
        for (int i = 0; i < 16; i++, done++) {
            struct mn_msg *reply;
            must(mn_call(server, done, NULL, 0, &reply));
            verify(reply->tag == done + 1, "another reply");
            mn_msg_free(reply);
        }
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    for (uint32_t i = 0; i < others; i++)
        verify(take() == i, "message %u is missing", i);
    job_result("selective_receive", (double)(now - from) / (double)done, "ns", NULL);
}

static int job(void *arg) {
    must(mn_attach());
    mpsc(&(struct mn_spawn_attr){0}, "mailbox_mpsc");
    mpsc(&(struct mn_spawn_attr){.mailbox = 4096, .policy = MN_MAILBOX_BLOCK}, "mailbox_mpsc_bounded");
    selective(*(uint32_t *)arg);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_receive");
    seconds = bench_seconds();
    uint32_t others = (uint32_t)bench_number("--count", 100000);
    bench_options_end();
    int status = mn_run(job, &others, NULL);
    verify(status >= 0, "mn_run: %d", status);
    return status;
}
