/* Where the runtime's LWPs run, what a bad configuration gets, and that the program's own LWP is as before
 * afterwards. */
#include <mn.h>
#include <sched.h>
#include <sys/prctl.h>

#include "tap.h"

static int workers, elsewhere, slack, bound_slack;
static cpu_set_t before, bound;

static void *look(void *arg) {
    (void)arg;
    sched_getaffinity(0, sizeof bound, &bound);
    bound_slack = prctl(PR_GET_TIMERSLACK);
    return NULL;
}

static int green(void *arg) {
    cpu_set_t now;
    workers = (int)mn_workers();
    sched_getaffinity(0, sizeof now, &now);
    elsewhere = 0;
    for (int i = 0; i < CPU_SETSIZE; i++)
        elsewhere += CPU_ISSET(i, &now) && !CPU_ISSET(i, &before);
    slack = prctl(PR_GET_TIMERSLACK);
    mn_thread t;
    struct mn_attr attr = {.flags = MN_BOUND};
    CPU_ZERO(&bound);
    if (mn_go_attr(&t, &attr, look, NULL) == 0)
        mn_join(t, NULL);
    return arg ? CPU_COUNT(&now) : 0;
}

static void same(const char *when) {
    cpu_set_t now;
    sched_getaffinity(0, sizeof now, &now);
    ok(CPU_EQUAL(&now, &before), "the affinity mask is as before %s", when);
    ok(getenv("HWLOC_PLUGINS_PATH") == NULL, "so is the environment");
    is(prctl(PR_GET_TIMERSLACK), 50000, "and the timer slack");
}

int main(void) {
    unsetenv("HWLOC_PLUGINS_PATH");
    prctl(PR_SET_TIMERSLACK, 50000);
    sched_getaffinity(0, sizeof before, &before);
    int first = 0;
    for (int i = 0; i < 3; i++) {
        is(mn_run(green, NULL, NULL), 0, "mn_run");
        ok(workers > 0 && (i == 0 || workers == first), "%d workers", workers);
        is(elsewhere, 0, "within the mask");
        is(slack, 1, "a worker's sleeps end on time");
        ok(CPU_EQUAL(&bound, &before), "a bound thread may run everywhere");
        is(bound_slack, 50000, "and its timer slack is the usual one");
        first = workers;
        same("mn_run");
    }
    struct mn_config one = {.pin = 1, .workers = 1};
    is(mn_run(green, &one, &one), 1, "pinned, the worker has one CPU");
    ok(CPU_EQUAL(&bound, &before), "a bound thread has all");
    same("it");
    one.pin = -1;
    is(mn_run(green, &one, &one), CPU_COUNT(&before), "not pinned, it has all");
    same("it");
    is(mn_start(NULL), 0, "mn_start");
    same("it");
    is(mn_stop(MN_FOREVER), 0, "mn_stop");
    same("it");
    struct mn_config bad = {.cpus = "8191"};
    is(mn_run(green, NULL, &bad), -EINVAL, "none of the CPUs is there");
    bad = (struct mn_config){.pin = 7};
    is(mn_run(green, NULL, &bad), -EINVAL, "nonsense in the struct");
    setenv("MN_SLICE_US", "soon", 1);
    is(mn_run(green, NULL, NULL), -EINVAL, "nonsense in the environment");
    is(mn_start(NULL), -EINVAL, "also for mn_start");
    unsetenv("MN_SLICE_US");
    same("all that");
    return done();
}
