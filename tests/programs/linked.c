/* An ordinary C program that is linked with the library: one of everything that such programs use.  Prints
 * TAP. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static int count, failed;

static void check(int passed, const char *name) {
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++count, name);
    failed += !passed;
}

enum { THREADS = 8, TURNS = 5000, PLACES = 4 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_barrier_t barrier;
static pthread_spinlock_t spin;
static pthread_key_t key;
static sem_t room;
static long total, spun, table[2];
static int ring[PLACES], head, tail, used, initialised;
static atomic_long torn, drained, destroyed, cleaned;

static void initialise(void) {
    initialised++;
}

static void destroy(void *value) {
    destroyed += (long)value;
}

static void *count_up(void *arg) {
    long me = (long)arg;
    pthread_once(&once, initialise);
    pthread_setspecific(key, arg);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&lock);
        total++;
        pthread_mutex_unlock(&lock);
        pthread_spin_lock(&spin);
        spun++;
        pthread_spin_unlock(&spin);
        sem_wait(&room);
        sem_post(&room);
        if (me == 1) {
            pthread_rwlock_wrlock(&table_lock);
            table[0]++;
            table[1]++;
        } else {
            pthread_rwlock_rdlock(&table_lock);
            torn += table[0] != table[1];
        }
        pthread_rwlock_unlock(&table_lock);
    }
    return pthread_getspecific(key);
}

static void *produce(void *arg) {
    for (int i = 1; i <= TURNS; i++) {
        pthread_mutex_lock(&lock);
        while (used == PLACES)
            pthread_cond_wait(&emptied, &lock);
        ring[head++ % PLACES] = i;
        used++;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void *consume(void *arg) {
    for (int i = 1; i <= TURNS; i++) {
        pthread_mutex_lock(&lock);
        while (used == 0)
            pthread_cond_wait(&filled, &lock);
        drained += ring[tail++ % PLACES];
        used--;
        pthread_cond_signal(&emptied);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void clean(void *arg) {
    cleaned += (long)arg;
}

static void *wait_for_ever(void *arg) {
    pthread_cleanup_push(clean, arg);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static int c11(void *arg) {
    mtx_t *m = arg;
    mtx_lock(m);
    mtx_unlock(m);
    return 11;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    Dl_info where;
    dladdr((void *)pthread_create, &where);
    printf("# pthread_create is in %s\n", where.dli_fname);

    pthread_t t[THREADS], other;
    pthread_key_create(&key, destroy);
    pthread_barrier_init(&barrier, NULL, THREADS);
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    sem_init(&room, 0, 2);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, count_up, (void *)(i + 1));
    long sum = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(t[i], &result);
        sum += (long)result;
    }
    check(sum == THREADS * (THREADS + 1) / 2, "results of joined threads");
    check(total == THREADS * TURNS, "mutex");
    check(spun == THREADS * TURNS, "spin lock");
    check(torn == 0 && table[0] == TURNS, "rwlock");
    check(initialised == 1, "once");
    check(destroyed == sum, "destructors of thread-specific values");

    pthread_create(&other, NULL, produce, NULL);
    consume(NULL);
    pthread_join(other, NULL);
    check(drained == (long)TURNS * (TURNS + 1) / 2, "condition variables");

    void *result;
    pthread_create(&other, NULL, wait_for_ever, (void *)3L);
    usleep(10000);
    pthread_cancel(other);
    pthread_join(other, &result);
    check(result == PTHREAD_CANCELED && cleaned == 3, "cancellation and cleanup handler");

    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec -= 1;
    pthread_mutex_lock(&lock);
    check(pthread_cond_timedwait(&filled, &lock, &soon) == ETIMEDOUT, "timed wait");
    pthread_mutex_unlock(&lock);

    mtx_t m;
    thrd_t thread;
    int code = 0;
    mtx_init(&m, mtx_plain);
    thrd_create(&thread, c11, &m);
    thrd_join(thread, &code);
    check(code == 11, "C11 threads");

    char name[16];
    pthread_setname_np(pthread_self(), "named");
    pthread_getname_np(pthread_self(), name, sizeof name);
    check(!strcmp(name, "named"), "names");
    printf("1..%d\n", count);
    return failed != 0;
}
