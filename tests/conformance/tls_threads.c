/*
 * Thread-local variables: every thread has the initial image, at the alignment asked for, at an address of its
 * own; a large image too; also in threads that the libc makes for itself (timers, asynchronous I/O, name
 * look-up), where mutexes, keys and thread functions work as anywhere.
 */
#include "life.h"

#include <aio.h>
#include <mqueue.h>
#include <netdb.h>

#define LARGE 100000
static __thread int plain = 11;
static __thread _Alignas(4096) char page[16] = "on a page";
static __thread unsigned char image[LARGE] = {[0] = 1, [LARGE / 2] = 2, [LARGE - 1] = 3};
static __thread char empty[LARGE];
static __thread int *where;

static long look(void) {
    long bad = 0;
    bad |= plain != 11;
    bad |= (strcmp(page, "on a page") != 0) << 1;
    bad |= ((uintptr_t)page % 4096 != 0) << 2;
    bad |= (image[0] != 1 || image[LARGE / 2] != 2 || image[LARGE - 1] != 3 || image[1]) << 3;
    for (int i = 0; i < LARGE; i += 500)
        bad |= (empty[i] != 0) << 4;
    bad |= (where != NULL) << 5;
    return bad;
}

static void change(void) {
    plain = 0;
    memset(page, 1, sizeof page);
    memset(image, 7, sizeof image);
    memset(empty, 8, sizeof empty);
    where = &plain;
}

static pthread_barrier_t barrier;
static void *together(void *arg) {
    long bad = look();
    change();
    *(int **)arg = &plain;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return (void *)bad;
}

static void *one(void *arg) {
    long bad = look();
    change();
    (void)arg;
    return (void *)bad;
}

/* ---- threads of the libc */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static int destroyed;
static sem_t served;
static long foreign_bad;
static int foreign_calls;

static void destroy(void *p) {
    free(p);
    __sync_add_and_fetch(&destroyed, 1);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_ran;
static void init_once(void) {
    once_ran++;
}

static void in_foreign(union sigval v) {
    long bad = 0;
    pthread_t t;
    void *value = NULL;
    char name[16] = "";
    bad |= v.sival_int != 4321;
    bad |= (pthread_mutex_lock(&lock) != 0) << 1;
    bad |= look() << 8; /* a former call in the same helper may have changed nothing: we do not change() here */
    foreign_calls++;
    bad |= (pthread_mutex_unlock(&lock) != 0) << 1;
    bad |= (pthread_getspecific(key) != NULL) << 2;
    bad |= (pthread_setspecific(key, malloc(10)) != 0) << 2;
    bad |= (pthread_equal(pthread_self(), pthread_self()) == 0) << 3;
    bad |= (pthread_rwlock_wrlock(&rwlock) != 0 || pthread_rwlock_unlock(&rwlock) != 0) << 4;
    bad |= (pthread_once(&once, init_once) != 0) << 5;
    bad |= (pthread_create(&t, NULL, do_nothing, &lock) != 0 || pthread_join(t, &value) != 0 || value != &lock)
           << 6;
    bad |= (pthread_getname_np(pthread_self(), name, sizeof name) != 0) << 7;
    pthread_mutexattr_t ma;
    pthread_mutex_t m;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &ma);
    bad |= (pthread_mutex_lock(&m) != 0 || pthread_mutex_lock(&m) != EDEADLK || pthread_mutex_unlock(&m) != 0)
           << 14;
    int state = -1;
    bad |= (pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state) != 0) << 15;
    pthread_setcancelstate(state, NULL);
    bad |= (pthread_kill(pthread_self(), 0) != 0) << 16;
    foreign_bad |= bad;
    sem_post(&served);
}

static int wait_served(void) {
    struct timespec limit = in_ms(CLOCK_REALTIME, 10000);
    int r;
    while ((r = sem_timedwait(&served, &limit)) && errno == EINTR)
        ;
    return r;
}

static struct sigevent by_thread(void) {
    struct sigevent e;
    memset(&e, 0, sizeof e);
    e.sigev_notify = SIGEV_THREAD;
    e.sigev_notify_function = in_foreign;
    e.sigev_value.sival_int = 4321;
    return e;
}

static void timers(void) {
    timer_t timer;
    struct sigevent e = by_thread();
    struct itimerspec once_more = {.it_value = {0, 2000000}}; /* no interval: nobody comes late */
    is(timer_create(CLOCK_MONOTONIC, &e, &timer), 0, "a timer that makes threads");
    for (int i = 0; i < 5; i++) {
        is(timer_settime(timer, 0, &once_more, NULL), 0, "is set");
        is(wait_served(), 0, "call %d", i);
    }
    timer_delete(timer);
    is(foreign_bad, 0, "in a timer's thread, mutexes, keys, TLS, creation work");
    for (int i = 0; i < 1000 && destroyed < foreign_calls; i++)
        usleep(10000);
    is(destroyed, foreign_calls, "and TSD destructors run when it ends");
}

static void async_io(void) {
    char buf[100] = "";
    struct aiocb cb;
    memset(&cb, 0, sizeof cb);
    cb.aio_fildes = open("/proc/self/comm", O_RDONLY);
    cb.aio_buf = buf;
    cb.aio_nbytes = sizeof buf - 1;
    cb.aio_sigevent = by_thread();
    is(aio_read(&cb), 0, "aio_read with SIGEV_THREAD");
    const struct aiocb *list[] = {&cb};
    while (aio_error(&cb) == EINPROGRESS)
        aio_suspend(list, 1, NULL);
    is(aio_error(&cb), 0, "completes");
    ok(aio_return(&cb) > 0, "with data");
    is(wait_served(), 0, "its thread is called");
    is(foreign_bad, 0, "and all works there");
    close(cb.aio_fildes);
}

static void name_lookup(void) {
    struct gaicb req, *list[] = {&req};
    struct addrinfo hints;
    struct sigevent e = by_thread();
    memset(&hints, 0, sizeof hints);
    memset(&req, 0, sizeof req);
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    req.ar_name = "127.0.0.1";
    req.ar_service = "80";
    req.ar_request = &hints;
    is(getaddrinfo_a(GAI_NOWAIT, list, 1, &e), 0, "getaddrinfo_a");
    is(wait_served(), 0, "calls its thread");
    is(gai_error(&req), 0, "with a result");
    if (req.ar_result)
        freeaddrinfo(req.ar_result);
    is(foreign_bad, 0, "and all works there");
}

static void message_queue(void) {
    char name[64];
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16};
    snprintf(name, sizeof name, "/odonata-test-%d", (int)getpid());
    mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    if (q == (mqd_t)-1) {
        skip("no message queues here");
        return;
    }
    mq_unlink(name);
    struct sigevent e = by_thread();
    is(mq_notify(q, &e), 0, "mq_notify");
    is(mq_send(q, "x", 1, 0), 0, "mq_send");
    is(wait_served(), 0, "calls its thread");
    is(foreign_bad, 0, "and all works there");
    mq_close(q);
}

int main(void) {
    enum { N = 8 };
    pthread_t t[N];
    int *address[N];
    long bad = 0;
    is(look(), 0, "main has the initial image");
    pthread_barrier_init(&barrier, NULL, N + 1);
    for (int i = 0; i < N; i++)
        t[i] = must_create(NULL, together, &address[i]);
    pthread_barrier_wait(&barrier);
    int distinct = 1;
    for (int i = 0; i < N; i++)
        for (int k = 0; k <= i; k++)
            distinct &= address[i] != (k == i ? &plain : address[k]);
    ok(distinct, "%d threads have %d variables", N, N);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < N; i++)
        bad |= (long)must_join(t[i]);
    is(bad, 0, "each had the initial image");
    for (int i = 0; i < 100; i++)
        bad |= (long)must_join(must_create(NULL, one, NULL));
    is(bad, 0, "and 100 threads one after the other, too");
    is(look(), 0, "main's is as it was");

    /* A stack of the least size holds the image besides, or create says that it does not. */
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    int r = pthread_create(&t[0], &a, one, NULL);
    ok(r == 0 || r == EINVAL || r == EAGAIN, "a stack of 16 KiB beside an image of 200 KiB (%s)",
       r ? strerror(r) : "enough");
    if (r == 0)
        is((long)must_join(t[0]), 0, "the thread had its image");

    sem_init(&served, 0, 0);
    pthread_key_create(&key, destroy);
    timers();
    async_io();
    name_lookup();
    message_queue();
    ok(once_ran == 1, "pthread_once ran once over all of them");
    return done();
}
