/*
 * shake: hands cpus off at random, so that tests meet every interleaving of the take-over
 * (MN_SHAKE=microseconds between two), and has solo mode begin at every opportunity.  Nothing in it is needed by
 * a program.
 */
#include "shake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "panic.h"
#include "signals.h"
#include "take.h"

static struct {
    pthread_t lwp;
    unsigned us;
    uint32_t stop; /* atomic */
    uint32_t runs; /* atomic */
    uint64_t done, refused;
} self;

static void *shake_main(void *arg) {
    uint64_t random = 0x9e3779b97f4a7c15u;
    (void)arg;
    /* Acquire: pairs with mni_shake_stop. */
    while (!a32_load_acquire(&self.stop)) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (mni_hand_off(mni_rt->cpus[(random >> 33) % mni_rt->ncpus]) == 0)
            self.done++;
        else
            self.refused++;
        if (self.us)
            usleep((unsigned)(random >> 40) % (2 * self.us));
    }
    return NULL;
}

int mni_shake_start(void) {
    const char *us = getenv("MN_SHAKE");
    if (!us)
        return 0;
    self.us = (unsigned)atoi(us);
    self.done = self.refused = 0;
    a32_store(&self.stop, 0);
    sigset_t old;
    mni_signals_block(&old);
    int r = pthread_create(&self.lwp, NULL, shake_main, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    a32_store(&self.runs, r == 0); /* relaxed: a hint */
    return -r;
}

bool mni_shakes(void) {
    return a32_load(&self.runs);
}

void mni_shake_stop(void) {
    if (!self.runs)
        return;
    a32_store_release(&self.stop, 1);
    pthread_join(self.lwp, NULL);
    a32_store(&self.runs, 0);
    if (mni_rt->config.verbose)
        notice("libmn: %llu cpus handed off, %llu times refused", (unsigned long long)self.done,
               (unsigned long long)self.refused);
}
