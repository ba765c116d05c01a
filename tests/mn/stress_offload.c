/*
 * Blocking calls by many threads, with deadlines and cancellations at random, by few LWPs that end when they
 * are idle for a millisecond; also while CPUs are handed from LWP to LWP.  A call that returns 0 was made,
 * once; any other was not, and never will be.
 */
/* workers: 1 2 64 */
#include "procfs.h"
#include "sync.h"

enum { THREADS = 40 };
static int wrong, made, given_up, cancelled, rounds;

struct call {
    int live, ran;
    uint32_t us;
};

static void run(void *arg) {
    struct call *c = arg;
    if (!get(&c->live)) /* the caller has gone on without it */
        add(&wrong, 1);
    add(&c->ran, 1);
    if (c->us)
        usleep(c->us);
    if (!get(&c->live))
        add(&wrong, 1);
}

static void *calls(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        uint32_t dice = random_next(&state) % 8;
        struct call c = {1, 0, dice == 0 ? random_next(&state) % 300 : 0};
        int64_t deadline = dice < 4 ? MN_FOREVER : now() + random_next(&state) % (dice < 6 ? 50000 : 2000000);
        int r = mn_block_call_until(run, &c, deadline);
        set(&c.live, 0);
        if (get(&c.ran) != (r == 0) || (r && r != -ECANCELED && (r != -ETIMEDOUT || deadline == MN_FOREVER)))
            add(&wrong, 1);
        add(r == 0 ? &made : r == -ETIMEDOUT ? &given_up : &cancelled, 1);
        if (r == -ECANCELED) {
            if (!mn_cancelled())
                add(&wrong, 1);
            break;
        }
        if (random_next(&state) % 32 == 0)
            mn_sleep(random_next(&state) % 3000000);
    }
    return NULL;
}

static int crowd(void *arg) {
    (void)arg;
    mn_thread t[THREADS];
    rounds = (int)(60 * scale()) + 10;
    uint32_t state = 77;
    for (uintptr_t i = 0; i < THREADS; i++)
        mn_go(&t[i], calls, (void *)(i + 1));
    for (int i = 0; i < THREADS / 4; i++) {
        mn_sleep(random_next(&state) % 500000);
        mn_cancel(t[random_next(&state) % THREADS]);
    }
    for (int i = 0; i < THREADS; i++)
        mn_join(t[i], NULL);
    struct mn_pool_use s;
    for (int i = 0; i < 5000 && mn_stats_pool(MN_POOL_CALL, &s, sizeof s) == 0 && s.running; i++)
        nap_ms(1);
    ok(s.queued == 0 && s.running == 0 && s.most <= s.limit, "the pool has nothing left to do");
    is((long)s.done, made, "it has made each call once");
    printf("# %d made, %d not in time, %d cancelled; %ld LWPs started, %u at a time\n", made, given_up,
           cancelled, (long)s.started, s.most);
    fflush(stdout);
    return 0;
}

int main(void) {
    static const struct mn_config configs[] = {
        {.call_lwps = 3, .lwp_idle_ms = 1}, {.call_lwps = 100, .lwp_idle_ms = 1}, {.call_lwps = 1}};
    for (int shaken = 0; shaken < 2; shaken++) {
        if (shaken)
            setenv("MN_SHAKE", "100", 1);
        for (unsigned i = 0; i < sizeof configs / sizeof *configs; i++) {
            made = given_up = cancelled = 0;
            is(mn_run(crowd, NULL, &configs[i]), 0, "%u LWPs%s", configs[i].call_lwps,
               shaken ? ", CPUs handed off" : "");
            is(wrong, 0, "each call was made, or it was not");
            ok(settles_at(count_lwps, 1), "no LWP is left");
        }
    }
    return done();
}
