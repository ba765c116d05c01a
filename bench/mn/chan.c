/*
 * chan_mpmc_16: what does a message cost where many send and many receive?
 *
 * 16 threads send through one channel of 128 places, 16 receive, until an observer stops the senders.  The
 * figure is ns a message, sent and received.  share=: the smallest sender's or receiver's part of the mean.
 *
 * Verified: as many were received as were sent, and their sum.
 */
#include "job.h"

enum { ENDS = 16, CAPACITY = 128 };

static struct mn_chan *channel;
static struct job_count *sent, *received, *sent_sum, *received_sum;
static int stop BENCH_ALIGNED; /* atomic */
static double seconds;

static void *sender(void *arg) {
    long i = (long)arg;
    unsigned long sum = 0;
    for (unsigned long v = 0; !job_stopped(&stop); v++) {
        must(mn_chan_send(channel, &v));
        sum += v;
        job_count(&sent[i]);
    }
    sent_sum[i].n = sum;
    return NULL;
}

static void *receiver(void *arg) {
    long i = (long)arg;
    unsigned long sum = 0, v = 0;
    int status;
    while ((status = mn_chan_recv(channel, &v)) == 0) {
        sum += v;
        job_count(&received[i]);
    }
    verify(status == -EPIPE, "mn_chan_recv: %d", status);
    received_sum[i].n = sum;
    return NULL;
}

static int job(void *arg) {
    (void)arg;
    mn_thread senders[ENDS], receivers[ENDS];
    sent = job_counts(ENDS);
    received = job_counts(ENDS);
    sent_sum = job_counts(ENDS);
    received_sum = job_counts(ENDS);
    must(mn_chan_create(&channel, sizeof(unsigned long), CAPACITY));
    struct job_watch watch = {
        .counts = received, .n = ENDS, .span = seconds, .seconds = seconds, .stop = &stop};
    job_watch(&watch);
    for (long i = 0; i < ENDS; i++) {
        must(mn_go(&receivers[i], receiver, (void *)i));
        must(mn_go(&senders[i], sender, (void *)i));
    }
    for (int i = 0; i < ENDS; i++)
        must(mn_join(senders[i], NULL));
    must(mn_chan_close(channel));
    for (int i = 0; i < ENDS; i++)
        must(mn_join(receivers[i], NULL));
    job_watched(&watch);
    must(mn_chan_destroy(channel));
    verify(job_sum(sent, ENDS) == job_sum(received, ENDS), "%lu sent, %lu received", job_sum(sent, ENDS),
           job_sum(received, ENDS));
    verify(job_sum(sent_sum, ENDS) == job_sum(received_sum, ENDS), "other messages were received than sent");
    double s = job_share(sent, ENDS), r = watch.share;
    job_result("chan_mpmc_16", watch.ns_per_unit, "ns", "share=%.3f capacity=%d", s < r ? s : r, CAPACITY);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_chan_send", &seconds, job);
}
