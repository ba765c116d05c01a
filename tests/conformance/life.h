/* What the tests of a thread's life share.  Include it first: it asks for the GNU declarations. */
#ifndef LIFE_H
#define LIFE_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "clocks.h"
#include "tap.h"

/* Whether the threads are Odonata's (linked or preloaded), and not the libc's.  Not asked of pthread_create: a
 * tool may stand in front of it. */
static inline int under_ours(void) {
    return dlsym(RTLD_DEFAULT, "thread_1to1_version") != NULL;
}

/* Whether exited LWPs may stay around, parked: the kernel then lists more tasks than there are threads. */
static inline int parked_allowed(void) {
    const char *source = getenv("ODONATA_LWP");
    return under_ours() && (!source || !strcmp(source, "reuse"));
}

/* Built with or run under a tool that keeps memory of its own, so that sizes mean nothing. */
static inline int sanitized(void) {
    return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init");
}

static inline int entries(const char *path) {
    DIR *d = opendir(path);
    int n = 0;
    if (!d)
        return -1;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Descriptors, the one that counts them included: compare two results, never one with a number. */
static inline int count_fds(void) {
    return entries("/proc/self/fd");
}

static inline int count_tasks(void) {
    return entries("/proc/self/task");
}

/* A joined thread's LWP may be a few microseconds from gone: waits up to two seconds for at most `most`
 * tasks. */
static inline int settle_tasks(int most) {
    int n = count_tasks();
    for (int i = 0; n > most && i < 2000; i++) {
        usleep(1000);
        n = count_tasks();
    }
    return n;
}

static inline int count_maps(void) {
    FILE *f = fopen("/proc/self/maps", "r");
    int n = 0, c;
    if (!f)
        return -1;
    while ((c = getc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

/* The value of a `Name:   value` line of a file such as /proc/self/status; base 16 for masks; -1: not there. */
static inline long long proc_field(const char *path, const char *name, int base) {
    FILE *f = fopen(path, "r");
    char line[512];
    long long value = -1;
    size_t len = strlen(name);
    if (!f)
        return -1;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, name, len) && line[len] == ':') {
            value = (long long)strtoull(line + len + 1, NULL, base);
            break;
        }
    fclose(f);
    return value;
}

static inline long rss_kib(void) {
    return (long)proc_field("/proc/self/smaps_rollup", "Rss", 10);
}

static inline long gettid_raw(void) {
    return syscall(SYS_gettid);
}

/* What became of a child process: its exit status, or 1000 + the signal that ended it. */
static inline int reaped(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/*
 * Runs fn in a forked child that dies after ten seconds; its value is the child's exit status.  The child
 * counts its own results: in it, ok() lines would be numbered twice, so it uses check() and the parent one
 * ok().
 */
static inline int in_child(int (*fn)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10);
        _exit(fn());
    }
    return pid < 0 ? -1 : reaped(pid);
}

/* In a child: says what failed, and counts it. */
static int check_failed __attribute__((unused));
#define check(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            check_failed++;                                                                                  \
            fprintf(stderr, "# %s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                             \
        }                                                                                                    \
    } while (0)

static inline void *do_nothing(void *arg) {
    return arg;
}

static inline void *do_pause(void *arg) {
    for (;;)
        pause();
    return arg;
}

/* Creates, or ends the test: for the steps that only prepare. */
static inline pthread_t must_create(const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
    pthread_t t;
    int r = pthread_create(&t, attr, fn, arg);
    if (r) {
        ok(0, "pthread_create for the set-up: %s", strerror(r));
        exit(done());
    }
    return t;
}

static inline void *must_join(pthread_t t) {
    void *value = NULL;
    int r = pthread_join(t, &value);
    if (r) {
        ok(0, "pthread_join: %s", strerror(r));
        exit(done());
    }
    return value;
}

/* An event: set once, waited for by any number of threads. */
struct event {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int set;
};
#define EVENT_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void event_set(struct event *e) {
    pthread_mutex_lock(&e->lock);
    e->set = 1;
    pthread_cond_broadcast(&e->cond);
    pthread_mutex_unlock(&e->lock);
}

static inline void event_wait(struct event *e) {
    pthread_mutex_lock(&e->lock);
    while (!e->set)
        pthread_cond_wait(&e->cond, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

#endif
