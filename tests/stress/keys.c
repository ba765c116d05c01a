/*
 * Keys are made, set, read and deleted by several threads at random moments, while others end.
 *
 * A value names the key's owner and generation, so that every wrong one is recognised: a get must show what
 * this thread set under this key, or NULL; a destructor must get a value that was set under its own key.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#include "random.h"
#include "tap.h"

enum { WORKERS = 4, SLOTS = 48, KINDS = 8, SHORT = 6 };

static double seconds = 4;
static int wrong_get, wrong_destructor, wrong_create, lost;
static long destroyed, gets, ends;
static volatile int stop;

static void pause_sometimes(unsigned *seed) {
    unsigned r = random_next(seed) % 64;
    if (r == 0)
        sched_yield();
    for (volatile unsigned i = 0; r < 8 && i < r * 40; i++)
        ;
}

#define COUNT(what) __atomic_add_fetch(&(what), 1, __ATOMIC_RELAXED)

/*
 * Eight destructors, one a kind: a value carries the kind of the key that it was set under.  The next owner of
 * a key's number always takes another kind.
 */
struct value {
    unsigned kind;
    unsigned magic;
};
static void destroy(struct value *v, unsigned kind) {
    if (v->magic != 0x600df00d || v->kind != kind)
        COUNT(wrong_destructor);
    v->magic = 0xdead;
    COUNT(destroyed);
    free(v);
}
#define KIND(n)                                                                                              \
    static void destroy##n(void *v) {                                                                        \
        destroy(v, n);                                                                                       \
    }
KIND(0) KIND(1) KIND(2) KIND(3) KIND(4) KIND(5) KIND(6) KIND(7)
static void (*const destructors[KINDS])(void *) = {destroy0, destroy1, destroy2, destroy3,
                                                   destroy4, destroy5, destroy6, destroy7};

/* A thread that sets a few values, reads them and ends, with some of the keys deleted by then. */
struct shared_key {
    pthread_key_t key;
    unsigned kind;
};
struct life {
    struct shared_key k[SHORT];
    int set; /* its last set is done: what is left is its end */
};

static void *short_life(void *arg) {
    struct life *life = arg;
    const struct shared_key *k = life->k;
    unsigned seed = (unsigned)(uintptr_t)&seed ^ (unsigned)time(NULL);
    for (int i = 0; i < SHORT; i++) {
        struct value *v = malloc(sizeof *v);
        if (pthread_getspecific(k[i].key) != NULL)
            COUNT(wrong_get); /* a new thread has no values, whatever its stack and LWP were before */
        *v = (struct value){k[i].kind, 0x600df00d};
        if (pthread_setspecific(k[i].key, v) != 0)
            free(v);
        else if (pthread_getspecific(k[i].key) != v)
            COUNT(lost);
        pause_sometimes(&seed);
    }
    COUNT(ends);
    __atomic_store_n(&life->set, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void *worker(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg * 2654435761u + 1;
    pthread_key_t key[SLOTS];
    void *mine[SLOTS] = {NULL};
    char made[SLOTS] = {0};
    while (!stop) {
        unsigned i = random_next(&seed) % SLOTS;
        if (!made[i]) {
            if (pthread_key_create(&key[i], NULL) != 0) {
                COUNT(wrong_create);
                continue;
            }
            made[i] = 1;
            mine[i] = NULL;
        }
        if (pthread_getspecific(key[i]) != mine[i])
            COUNT(wrong_get);
        COUNT(gets);
        pause_sometimes(&seed);
        unsigned what = random_next(&seed) % 8;
        if (what < 4) {
            mine[i] = (void *)(uintptr_t)(random_next(&seed) | 1);
            if (pthread_setspecific(key[i], mine[i]) != 0)
                COUNT(lost);
        } else if (what == 4) {
            if (pthread_key_delete(key[i]) != 0)
                COUNT(lost);
            made[i] = 0;
        } else if (what == 5) {
            /* Threads that set and end while we delete and hand out again. */
            struct life life = {.set = 0};
            struct shared_key *k = life.k;
            pthread_t t;
            for (int j = 0; j < SHORT; j++) {
                k[j].kind = random_next(&seed) % KINDS;
                if (pthread_key_create(&k[j].key, destructors[k[j].kind]) != 0)
                    COUNT(wrong_create);
            }
            if (pthread_create(&t, NULL, short_life, &life) != 0)
                continue;
            pthread_key_t again[SHORT];
            while (!__atomic_load_n(&life.set, __ATOMIC_ACQUIRE))
                sched_yield();
            /* Deleting a key while another thread sets its value is the user's fault; while it ends, it is
             * not. */
            for (int j = 0; j < SHORT; j++) {
                pause_sometimes(&seed);
                if (pthread_key_delete(k[j].key) != 0)
                    COUNT(lost);
                if (pthread_key_create(
                        &again[j], destructors[(k[j].kind + 1 + random_next(&seed) % (KINDS - 1)) % KINDS]) !=
                    0)
                    COUNT(wrong_create);
            }
            pthread_join(t, NULL);
            for (int j = 0; j < SHORT; j++)
                pthread_key_delete(again[j]);
        }
    }
    for (int i = 0; i < SLOTS; i++)
        if (made[i])
            pthread_key_delete(key[i]);
    return NULL;
}

int main(void) {
    seconds *= scale();
    pthread_t t[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++)
        if (pthread_create(&t[i], NULL, worker, (void *)(i + 1)) != 0)
            return ok(0, "pthread_create"), done();
    struct timespec span = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&span, NULL);
    stop = 1;
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
    is(wrong_get, 0, "every get was right (%ld)", gets);
    is(wrong_destructor, 0, "every destructor got a value of its key (%ld of %ld threads)", destroyed, ends);
    is(wrong_create, 0, "there was always a key");
    is(lost, 0, "nothing failed");
    ok(destroyed > 0, "destructors ran");
    int n = 0;
    pthread_key_t all[PTHREAD_KEYS_MAX];
    while (n < PTHREAD_KEYS_MAX && pthread_key_create(&all[n], NULL) == 0)
        n++;
    ok(n >= PTHREAD_KEYS_MAX - 8, "no key leaked (%d left)", n);
    return done();
}
