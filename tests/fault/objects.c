/* models: 1to1-own, 1to1-reuse */ /* on LWPs of the libc it answers some of these itself */
/* Calls other than pthread_create that need memory: the error that POSIX names, errno alone, and success
 * afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>

#include "fault_child.h"
#include "tap.h"

/* The first calls for memory fail; calls() is made until it succeeds, and must fail with `want` before that. */
static int until_success(int (*call)(void), int want) {
    int failures = 0;
    for (int i = 0; i < 10; i++) {
        errno = 77;
        int err = call();
        CHECK(errno == 77);
        if (err == 0) {
            CHECK(failures > 0);
            return 0;
        }
        CHECK(err == want);
        failures++;
    }
    CHECK(!"it ever succeeds");
}

static pthread_key_t keys[200];
static int nkeys;
static int set_specific(void) {
    int err = pthread_setspecific(keys[nkeys - 1], &nkeys);
    if (err == 0 && pthread_getspecific(keys[nkeys - 1]) != &nkeys)
        return 1000;
    return err;
}
static int specific(void) {
    for (nkeys = 0; nkeys < 200; nkeys++) /* the first few lie in the descriptor */
        CHECK(pthread_key_create(&keys[nkeys], NULL) == 0);
    return until_success(set_specific, ENOMEM);
}

static pthread_attr_t attr;
static int set_affinity(void) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    return pthread_attr_setaffinity_np(&attr, sizeof cpus, &cpus);
}
static int affinity(void) {
    pthread_attr_init(&attr);
    int wrong = until_success(set_affinity, ENOMEM);
    cpu_set_t cpus;
    CHECK(wrong || (pthread_attr_getaffinity_np(&attr, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1));
    return wrong;
}

static int set_mask(void) {
    sigset_t set;
    sigfillset(&set);
    return pthread_attr_setsigmask_np(&attr, &set);
}
static int mask(void) {
    pthread_attr_init(&attr);
    return until_success(set_mask, ENOMEM);
}

static int set_default(void) {
    return pthread_setattr_default_np(&attr);
}
static int defaults(void) {
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    return until_success(set_default, ENOMEM);
}

/* Of a thread of ours; making it may take a call or two at the point as well. */
static void *get_attr(void *failures) {
    for (int i = 0; i < 10; i++) {
        pthread_attr_t a;
        errno = 77;
        int err = pthread_getattr_np(pthread_self(), &a);
        if (err == 0)
            pthread_attr_destroy(&a);
        if (errno != 77 || (err != 0 && err != ENOMEM))
            return get_attr;
        *(int *)failures += err == ENOMEM;
    }
    return NULL;
}
static int getattr(void) {
    pthread_t thread;
    int failures = 0;
    void *wrong = NULL;
    CHECK(pthread_create(&thread, NULL, get_attr, &failures) == 0);
    CHECK(pthread_join(thread, &wrong) == 0 && wrong == NULL);
    CHECK(failures > 0);
    return 0;
}

static int named(void) {
    char name[64];
    snprintf(name, sizeof name, "/odonata-fault-%ld", (long)getpid());
    sem_t *sem = SEM_FAILED;
    int failures = 0;
    for (int i = 0; i < 10 && sem == SEM_FAILED; i++) {
        errno = 0;
        sem = sem_open(name, O_CREAT, 0600, 1);
        if (sem == SEM_FAILED) {
            CHECK(errno == ENOMEM);
            failures++;
        }
    }
    CHECK(sem != SEM_FAILED && failures > 0);
    CHECK(sem_wait(sem) == 0 && sem_close(sem) == 0 && sem_unlink(name) == 0);
    return 0;
}

static const struct fault_case cases[] = {
    {"pthread_setspecific", specific, "mmap:nth=1,mmap:nth=2"},
    {"pthread_attr_setaffinity_np", affinity, "malloc:nth=1,malloc:nth=2"},
    {"pthread_attr_setsigmask_np", mask, "malloc:nth=1,malloc:nth=2"},
    {"pthread_setattr_default_np", defaults, "malloc:nth=1,malloc:nth=2"},
    {"pthread_getattr_np", getattr, "malloc:nth=3,malloc:nth=4"},
    {"sem_open", named, "malloc:nth=1,mmap:nth=2"},
};

int main(int argc, char **argv) {
    return fault_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
