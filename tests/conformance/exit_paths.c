/*
 * The ways a thread ends, and the order of what runs then: cleanup handlers from the innermost out, then
 * functions registered for the thread's end (C++ thread_local destructors), then destructors of thread-specific
 * data.
 *
 * Without unwind tables pthread_cleanup_push is a setjmp; exit_unwind.c is this file compiled with them, where
 * it is a destructor.
 */
#include "life.h"

static char order[4096];
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *what) {
    pthread_mutex_lock(&order_lock);
    strcat(order, what);
    strcat(order, " ");
    pthread_mutex_unlock(&order_lock);
}

static void expect(const char *want, const char *what) {
    int good = !strcmp(order, want);
    ok(good, "%s", what);
    if (!good)
        printf("#   got  %s\n#   want %s\n", order, want), fflush(stdout);
    order[0] = 0;
}

static void say(void *what) {
    note(what);
}

/* What a C++ compiler calls for a thread_local object; libc's own. */
extern int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso);
extern void *__dso_handle;
static void at_thread_exit(void (*fn)(void *), void *arg) {
    if (__cxa_thread_atexit_impl(fn, arg, &__dso_handle))
        abort();
}

static void *by_return(void *arg) {
    pthread_cleanup_push(say, (void *)"outer");
    pthread_cleanup_push(say, (void *)"inner");
    note("body");
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(0);
    return arg;
}

static void *by_exit(void *arg) {
    pthread_cleanup_push(say, (void *)"1");
    pthread_cleanup_push(say, (void *)"2");
    pthread_cleanup_push(say, (void *)"3");
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void (*volatile leave)(void *) = pthread_exit; /* the compiler does not know that it does not return */
static int deep(int n, void *arg);
/* By itself: the setjmp within leaves no variable of deep's unsure. */
__attribute__((noinline)) static void middle(int n, void *arg) {
    pthread_cleanup_push(say, (void *)"middle");
    deep(n, arg);
    pthread_cleanup_pop(0);
}
__attribute__((noinline)) static int deep(int n, void *arg) {
    volatile char frame[200];
    frame[n % 200] = (char)n;
    if (n == 0) {
        leave(arg);
        return 0;
    }
    if (n == 50)
        middle(n - 1, arg);
    return deep(n - 1, arg) + frame[n % 200];
}
static void *by_deep_exit(void *arg) {
    pthread_cleanup_push(say, (void *)"top");
    deep(100, arg);
    pthread_cleanup_pop(0);
    return NULL;
}

/* pthread_exit within a cleanup handler: with unwind tables, the rest of the handlers still run, once each. */
static void exit_again(void *arg) {
    note("again");
    pthread_exit(arg);
}
#ifdef __EXCEPTIONS
static void *from_handler(void *arg) {
    pthread_cleanup_push(say, (void *)"outer");
    pthread_cleanup_push(exit_again, (void *)2);
    pthread_cleanup_push(say, (void *)"inner");
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}
#endif
static void *from_popped_handler(void *arg) {
    (void)arg;
    pthread_cleanup_push(say, (void *)"outer");
    pthread_cleanup_push(exit_again, (void *)7);
    pthread_cleanup_pop(1);
    pthread_cleanup_pop(0);
    return NULL;
}

static pthread_key_t key1, key2, key3;

static void destroy1(void *v) {
    note("tsd1");
    if (pthread_getspecific(key1) != NULL)
        note("still-set");
    if ((long)v > 1)
        pthread_setspecific(key1, (void *)((long)v - 1));
}

static void *with_tsd(void *arg) {
    pthread_setspecific(key1, arg);
    return arg;
}

/* All three kinds, in order. */
static void at_end(void *what) {
    note(what);
}
static void *all_kinds(void *arg) {
    pthread_setspecific(key1, (void *)1);
    at_thread_exit(at_end, (void *)"local1");
    at_thread_exit(at_end, (void *)"local2");
    pthread_cleanup_push(say, (void *)"cleanup");
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    return NULL;
}
/* ... and one that registers another as it runs. */
static void at_end_more(void *what) {
    note(what);
    at_thread_exit(at_end, (void *)"late");
    pthread_setspecific(key1, (void *)1);
}
static void *register_late(void *arg) {
    at_thread_exit(at_end, (void *)"first");
    at_thread_exit(at_end_more, (void *)"second");
    return arg;
}

/* pthread_exit within a TSD destructor: the libc's thread ends there; nothing hangs, the thread can be
 * joined. */
static void exit_in_destructor(void *v) {
    note("tsd-exit");
    pthread_exit(v);
}
static void *set_key2(void *arg) {
    pthread_setspecific(key2, arg);
    return arg;
}

/* A destructor that uses what threads use. */
static void destroy3(void *v) {
    pthread_t t;
    void *value = NULL;
    errno = 0;
    if (pthread_create(&t, NULL, do_nothing, v) == 0 && pthread_join(t, &value) == 0 && value == v)
        note("created");
    char *p = malloc(100000);
    free(p);
    note(pthread_equal(pthread_self(), *(pthread_t *)v) ? "self" : "not-self");
}
static void *set_key3(void *arg) {
    *(pthread_t *)arg = pthread_self();
    pthread_setspecific(key3, arg);
    return NULL;
}

/* Inside handlers, more blocking calls are points no longer: a cancelled thread must get through its
 * handlers. */
static void sleepy_handler(void *arg) {
    note("handler");
    usleep(1000);
    pthread_testcancel();
    note("through");
    (void)arg;
}
static void *cancelled(void *arg) {
    pthread_cleanup_push(sleepy_handler, NULL);
    sem_post(arg);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *exit_value(void *arg) {
    pthread_exit(arg);
}

static void *nested_thread(void *arg) {
    pthread_cleanup_push(say, (void *)"parent-cleanup");
    pthread_t t = must_create(NULL, by_exit, arg);
    must_join(t);
    pthread_exit(arg);
    pthread_cleanup_pop(0);
    return NULL;
}

/* The old functions, which are still in libc's ABI: for C code without unwind tables. */
struct old_buffer {
    void *words[4];
};
static void *old_cleanup(void *arg) {
    struct old_buffer b1, b2;
    void (*push)(void *, void (*)(void *), void *) = (void (*)(void *, void (*)(void *), void *))dlsym(
        RTLD_DEFAULT, "_pthread_cleanup_push");
    void (*pop)(void *, int) = (void (*)(void *, int))dlsym(RTLD_DEFAULT, "_pthread_cleanup_pop");
    if (!push || !pop)
        return NULL;
    push(&b1, say, (void *)"old1");
    push(&b2, say, (void *)"old2");
    pop(&b2, 1);
    push(&b2, say, (void *)"old3");
    pop(&b2, 0);
    push(&b2, say, (void *)"old4");
    pthread_exit(arg);
}

int main(void) {
    int x;
    is(must_join(must_create(NULL, by_return, &x)) == &x, 1, "return: the value");
    expect("body inner ", "handlers run by pop(1) only");
    is(must_join(must_create(NULL, by_exit, &x)) == &x, 1, "pthread_exit: the value");
    expect("3 2 1 ", "handlers run from the innermost out");
    is(must_join(must_create(NULL, by_deep_exit, &x)) == &x, 1, "pthread_exit from 100 frames down: the value");
    expect("middle top ", "and the handlers on the way");
#ifdef __EXCEPTIONS /* undefined in POSIX; the libc crashes without */
    is((long)(uintptr_t)must_join(must_create(NULL, from_handler, (void *)1)), 2,
       "pthread_exit in a handler: its value");
    expect("inner again outer ", "and each handler runs once");
#endif
    is((long)(uintptr_t)must_join(must_create(NULL, from_popped_handler, NULL)), 7,
       "pthread_exit in pop(1)'s handler");
    expect("again outer ", "and each handler runs once");
    is((long)(uintptr_t)must_join(must_create(NULL, exit_value, (void *)-1L)), -1, "a value of all ones");
    ok(must_join(must_create(NULL, exit_value, NULL)) == NULL, "a NULL value");

    pthread_key_create(&key1, destroy1);
    must_join(must_create(NULL, with_tsd, (void *)1));
    expect("tsd1 ", "a TSD destructor, the value cleared before");
    must_join(must_create(NULL, with_tsd, (void *)3));
    expect("tsd1 tsd1 tsd1 ", "again while it sets a value");
    must_join(must_create(NULL, with_tsd, (void *)100));
    expect("tsd1 tsd1 tsd1 tsd1 ", "but PTHREAD_DESTRUCTOR_ITERATIONS times at most");
    must_join(must_create(NULL, do_nothing, NULL));
    expect("", "and what it left set is not in the next thread");

    must_join(must_create(NULL, all_kinds, NULL));
    expect("cleanup local2 local1 tsd1 ",
           "cleanup handlers, then thread_local destructors, then TSD destructors");
    must_join(must_create(NULL, register_late, NULL));
    expect("second late first tsd1 ", "registered while they run: run, too");

    pthread_key_create(&key2, exit_in_destructor);
    pthread_t t = must_create(NULL, set_key2, &x);
    pthread_key_delete(key2); /* maybe before, maybe after it ran */
    must_join(t);
    order[0] = 0;
    pthread_key_create(&key2, exit_in_destructor);
    t = must_create(NULL, set_key2, &x);
    void *value = NULL;
    struct timespec limit = in_ms(CLOCK_REALTIME, 5000);
    is(pthread_timedjoin_np(t, &value, &limit), 0, "pthread_exit in a TSD destructor: the thread ends");
    ok(value == &x, "with a value");
    order[0] = 0;
    pthread_key_delete(key2);

    pthread_key_create(&key3, destroy3);
    pthread_t self;
    must_join(must_create(NULL, set_key3, &self));
    expect("created self ", "a TSD destructor can create and join a thread");

    sem_t s;
    sem_init(&s, 0, 0);
    t = must_create(NULL, cancelled, &s);
    sem_wait(&s);
    is(pthread_cancel(t), 0, "cancel");
    is(pthread_cancel(t), 0, "twice");
    ok(must_join(t) == PTHREAD_CANCELED, "PTHREAD_CANCELED");
    expect("handler through ", "the handler ran through a cancellation point");

    must_join(must_create(NULL, nested_thread, &x));
    expect("3 2 1 parent-cleanup ", "a thread's handlers are its own");

    ok(must_join(must_create(NULL, old_cleanup, &x)) == &x, "_pthread_cleanup_push: thread ends");
    expect("old2 old4 old1 ", "_pthread_cleanup_push and pop");
    return done();
}
