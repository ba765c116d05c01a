/*
 * Threads that the libc makes inside itself: SIGEV_THREAD timers and message queues, aio, getaddrinfo_a.  No
 * pthread_create of the program's is involved, yet its code runs there, and uses the whole interface.  Prints
 * TAP.
 */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int count, failed;

static void check(int passed, const char *name) {
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++count, name);
    failed += !passed;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t careful = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t nested = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t done;
static int phase, calls, bad, initialised; /* calls of this phase; a timer may ring once more when it is over */
static atomic_int values, destroyed, cleaned;
static pthread_t main_thread;

static void initialise(void) {
    initialised++;
}

static void destroy(void *value) {
    (void)value;
    destroyed++;
}

static void clean(void *arg) {
    (void)arg;
    cleaned++;
}

static void *child(void *arg) {
    return arg;
}

/* Everything that a thread does, in a thread that was made by the libc; says whether all of it was right. */
static int use_everything(void) {
    int wrong = 0;
    pthread_t self = pthread_self();
    wrong |= !pthread_equal(self, pthread_self()) || pthread_equal(self, main_thread);
    pthread_once(&once, initialise);
    wrong |= (pthread_getspecific(key) != NULL) << 1;
    values++;
    wrong |= (pthread_setspecific(key, &key) != 0 || pthread_getspecific(key) != &key) << 2;
    wrong |= (pthread_mutex_lock(&careful) != 0 || pthread_mutex_lock(&careful) != EDEADLK ||
              pthread_mutex_unlock(&careful) != 0 || pthread_mutex_unlock(&careful) != EPERM)
             << 3;
    wrong |= (pthread_mutex_lock(&nested) != 0 || pthread_mutex_trylock(&nested) != 0 ||
              pthread_mutex_unlock(&nested) != 0 || pthread_mutex_unlock(&nested) != 0)
             << 4;
    wrong |= (pthread_rwlock_wrlock(&rwlock) != 0 || pthread_rwlock_unlock(&rwlock) != 0 ||
              pthread_rwlock_rdlock(&rwlock) != 0 || pthread_rwlock_unlock(&rwlock) != 0)
             << 5;
    pthread_attr_t attr;
    void *stack = NULL;
    size_t size = 0;
    wrong |= (pthread_getattr_np(self, &attr) != 0 || pthread_attr_getstack(&attr, &stack, &size) != 0 ||
              (char *)&attr < (char *)stack || (char *)&attr >= (char *)stack + size)
             << 6;
    pthread_attr_destroy(&attr);
    int policy;
    struct sched_param param;
    wrong |= (pthread_getschedparam(self, &policy, &param) != 0 || policy != SCHED_OTHER) << 7;
    clockid_t clock;
    struct timespec used;
    wrong |= (pthread_getcpuclockid(self, &clock) != 0 || clock_gettime(clock, &used) != 0) << 8;
    int old;
    wrong |=
        (pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) != 0 || pthread_setcancelstate(old, NULL) != 0)
        << 9;
    pthread_cleanup_push(clean, NULL);
    pthread_cleanup_pop(1);
    pthread_t t;
    void *result = NULL;
    wrong |= (pthread_create(&t, NULL, child, &attr) != 0 || pthread_join(t, &result) != 0 || result != &attr)
             << 10;
    wrong |= (pthread_kill(self, 0) != 0) << 11;
    errno = ENOENT;
    wrong |= (pthread_mutex_lock(&lock) != 0 || pthread_mutex_unlock(&lock) != 0 || errno != ENOENT) << 12;
    return wrong;
}

static void report(int of_phase, int wrong) {
    pthread_mutex_lock(&lock);
    calls += of_phase == phase;
    bad |= wrong;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    sem_post(&done);
}

static void on_event(union sigval value) {
    report(value.sival_int, use_everything());
}

static void on_event_exit(union sigval value) {
    report(value.sival_int, use_everything());
    pthread_exit(NULL);
}

/* A new phase, and how to be told of its events. */
static struct sigevent notify_by(void (*function)(union sigval)) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD};
    event.sigev_notify_function = function;
    pthread_mutex_lock(&lock);
    event.sigev_value.sival_int = ++phase;
    calls = 0;
    pthread_mutex_unlock(&lock);
    return event;
}

/* Waits for so many calls, by condition variable; then takes as many posts from the semaphore. */
static int wait_calls(int n) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 20;
    pthread_mutex_lock(&lock);
    int error = 0;
    while (calls < n && !error)
        error = pthread_cond_timedwait(&changed, &lock, &deadline);
    int wrong = bad;
    bad = 0;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < n; i++)
        sem_timedwait(&done, &deadline);
    if (wrong)
        printf("# wrong: %#x\n", (unsigned)wrong);
    return !error && !wrong;
}

static int all_destroyed(void) {
    for (int i = 0; i < 2000 && destroyed < values; i++)
        usleep(5000);
    return destroyed >= 12 && destroyed == values;
}

static void timers(void (*function)(union sigval), const char *name) {
    struct sigevent event = notify_by(function);
    timer_t timer[3];
    for (int i = 0; i < 3; i++) {
        timer_create(CLOCK_MONOTONIC, &event, &timer[i]);
        struct itimerspec spec = {{0, 0}, {0, 1000000 * (i + 1)}};
        if (i == 2)
            spec.it_interval.tv_nsec = 3000000;
        timer_settime(timer[i], 0, &spec, NULL);
    }
    check(wait_calls(12), name);
    for (int i = 0; i < 3; i++)
        timer_delete(timer[i]);
    check(all_destroyed(), "their thread-specific values are destroyed");
}

static void asynchronous_io(void) {
    char path[] = "aio.XXXXXX", text[4][32] = {""}, back[4][32] = {""};
    int fd = mkstemp(path);
    unlink(path);
    struct sigevent event = notify_by(on_event);
    struct aiocb blocks[4];
    memset(blocks, 0, sizeof blocks);
    for (int i = 0; i < 4; i++) {
        snprintf(text[i], sizeof text[i], "block %d", i);
        blocks[i].aio_fildes = fd;
        blocks[i].aio_buf = text[i];
        blocks[i].aio_nbytes = sizeof text[i];
        blocks[i].aio_offset = i * 32;
        blocks[i].aio_sigevent = event;
        aio_write(&blocks[i]);
    }
    check(wait_calls(4), "aio_write notifies by threads");
    struct aiocb *list[4];
    for (int i = 0; i < 4; i++) {
        aio_return(&blocks[i]);
        blocks[i].aio_buf = back[i];
        blocks[i].aio_lio_opcode = LIO_READ;
        blocks[i].aio_sigevent.sigev_notify = SIGEV_NONE;
        list[i] = &blocks[i];
    }
    int error = lio_listio(LIO_WAIT, list, 4, NULL);
    check(!error && !memcmp(text, back, sizeof text), "lio_listio reads it back");
    aio_read(&blocks[0]);
    const struct aiocb *one[1] = {&blocks[0]};
    while (aio_error(&blocks[0]) == EINPROGRESS)
        aio_suspend(one, 1, NULL);
    check(aio_return(&blocks[0]) == 32, "aio_suspend");
    close(fd);
}

static void names(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    static struct gaicb requests[6];
    static struct gaicb *list[6];
    memset(requests, 0, sizeof requests);
    for (int i = 0; i < 6; i++) {
        requests[i].ar_name = i % 2 ? "127.0.0.1" : "localhost";
        requests[i].ar_service = "80";
        requests[i].ar_request = i % 2 ? &hints : NULL;
        list[i] = &requests[i];
    }
    int error = getaddrinfo_a(GAI_WAIT, list, 6, NULL);
    int found = 0;
    for (int i = 0; i < 6; i++) {
        if (gai_error(&requests[i]) == 0) {
            found++;
            freeaddrinfo(requests[i].ar_result);
            requests[i].ar_result = NULL;
        }
    }
    check(error == 0 && found == 6, "getaddrinfo_a waits for six names");

    struct sigevent event = notify_by(on_event);
    error = getaddrinfo_a(GAI_NOWAIT, list, 6, &event);
    check(error == 0 && wait_calls(1), "getaddrinfo_a notifies by a thread");
    for (int i = 0; i < 6; i++)
        if (gai_error(&requests[i]) == 0)
            freeaddrinfo(requests[i].ar_result);
}

static void queues(void) {
    char name[64];
    snprintf(name, sizeof name, "/odonata-%d", (int)getpid());
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 16};
    mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    if (queue == (mqd_t)-1) {
        printf("ok %d # SKIP no message queues: %s\n", ++count, strerror(errno));
        return;
    }
    mq_unlink(name);
    struct sigevent event = notify_by(on_event);
    int error = mq_notify(queue, &event);
    mq_send(queue, "hello", 5, 0);
    check(error == 0 && wait_calls(1), "mq_notify by a thread");
    mq_close(queue);
}

static void *beside(void *arg) {
    timers(on_event, "timers while a thread of the program waits for them");
    return arg;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    main_thread = pthread_self();
    pthread_key_create(&key, destroy);
    sem_init(&done, 0, 0);
    timers(on_event, "SIGEV_THREAD timers, before the program made a thread");
    timers(on_event_exit, "SIGEV_THREAD timers whose functions end by pthread_exit");
    asynchronous_io();
    names();
    queues();
    pthread_t t;
    pthread_create(&t, NULL, beside, NULL);
    pthread_join(t, NULL);
    check(initialised == 1 && cleaned > 0, "once, and cleanup handlers");
    printf("1..%d\n", count);
    return failed != 0;
}
