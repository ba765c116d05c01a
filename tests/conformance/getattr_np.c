/* pthread_getattr_np: of main, of the caller, of another thread, with each kind of stack. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../tap.h"

struct seen {
    void *base;
    size_t size, guard;
    int detached, inherit, policy;
};

static int look(pthread_t t, struct seen *s) {
    pthread_attr_t a;
    int err = pthread_getattr_np(t, &a);
    if (err != 0)
        return err;
    pthread_attr_getstack(&a, &s->base, &s->size);
    pthread_attr_getguardsize(&a, &s->guard);
    pthread_attr_getdetachstate(&a, &s->detached);
    pthread_attr_getinheritsched(&a, &s->inherit);
    pthread_attr_getschedpolicy(&a, &s->policy);
    cpu_set_t real, said;
    sched_getaffinity(0, sizeof real, &real);
    ok(pthread_attr_getaffinity_np(&a, sizeof said, &said) == 0 && CPU_EQUAL(&real, &said), "the CPU set");
    return pthread_attr_destroy(&a);
}

static int inside(const struct seen *s, const void *p) {
    return (const char *)p >= (char *)s->base && (const char *)p < (char *)s->base + s->size;
}

/* Whether a byte may be read. */
static int readable(char *p) {
    int fds[2];
    if (pipe(fds) != 0)
        return -1;
    int yes = write(fds[1], p, 1) == 1;
    close(fds[0]);
    close(fds[1]);
    return yes;
}

static sem_t ready, leave;
static struct seen in_thread;
static char *local;

static void *body(void *arg) {
    char here = 1;
    local = &here;
    is(look(pthread_self(), &in_thread), 0, "of the caller");
    ok(inside(&in_thread, &here), "its stack holds its variables");
    sem_post(&ready);
    sem_wait(&leave);
    return arg;
}

/* Starts a thread by an attribute object, compares inside and outside view, and leaves it in `s`. */
static void one(const char *what, pthread_attr_t *a, struct seen *s) {
    pthread_t t;
    is(pthread_create(&t, a, body, NULL), 0, "%s", what);
    sem_wait(&ready);
    is(look(t, s), 0, "of another thread");
    ok(s->base == in_thread.base && s->size == in_thread.size && s->guard == in_thread.guard,
       "as it sees itself");
    ok(inside(s, local), "its variables lie there");
    ok(readable(s->base) == 1, "the lowest byte is readable");
    if (s->guard != 0)
        ok(readable((char *)s->base - 1) == 0, "the guard is not");
    is(s->detached, PTHREAD_CREATE_JOINABLE, "joinable");
    sem_post(&leave);
    pthread_join(t, NULL);
}

int main(void) {
    struct seen s;
    char here = 1;
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    is(look(pthread_self(), &s), 0, "of main");
    ok(inside(&s, &here), "main's stack");
    ok(inside(&s, __builtin_frame_address(0)), "holds its frame");
    if (limit.rlim_cur != RLIM_INFINITY)
        ok(s.size <= limit.rlim_cur && s.size > limit.rlim_cur / 2, "main's stack is as large as its limit");
    /* It is the real end: what lies in use is readable, all the way up. */
    ok(readable((char *)s.base + s.size - 1) == 1, "its highest byte is readable");

    sem_init(&ready, 0, 0);
    sem_init(&leave, 0, 0);
    pthread_attr_t a;
    one("by default", NULL, &s);
    is((long)s.guard, 4096, "one page of guard");
    is(s.inherit, PTHREAD_INHERIT_SCHED, "inherits");
    is(s.policy, SCHED_OTHER, "policy");

    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 128 * 1024);
    pthread_attr_setguardsize(&a, 5000);
    one("128 KiB, odd guard", &a, &s);
    is((long)s.size, 128 * 1024, "the size asked for");
    is((long)s.guard, 8192, "the guard rounded to pages");

    pthread_attr_setguardsize(&a, 0);
    one("no guard", &a, &s);
    is((long)s.guard, 0, "none");

    char *mine = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_setguardsize(&a, 4096);
    pthread_attr_setstack(&a, mine, 1 << 18);
    one("on a stack of its own", &a, &s);
    ok(s.base == mine && s.size == 1 << 18, "that one");
    is((long)s.guard, 0, "without a guard");

    pthread_attr_destroy(&a);
    pthread_attr_init(&a);
    pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
    one("explicit schedule", &a, &s);
    is(s.inherit, PTHREAD_EXPLICIT_SCHED, "is remembered");

    pthread_t t;
    is(pthread_create(&t, NULL, body, NULL), 0, "a thread");
    sem_wait(&ready);
    pthread_detach(t);
    is(look(t, &s), 0, "detached later");
    is(s.detached, PTHREAD_CREATE_DETACHED, "detached");
    sem_post(&leave);
    return done();
}
