/* not under: asan, tsan */
/*
 * The layout of the objects that programs hold: sizes, alignments, the bytes of static initialisers, and the
 * fields that a compiled program or another libc's process may look at.  They are the platform's ABI, x86-64
 * and aarch64 differ.  The second half runs twice, on the libc's functions and on ours, and compares what the
 * init functions write.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <threads.h>

#include "tap.h"

#if defined(__x86_64__)
enum { MUTEX = 40, COND = 48, RWLOCK = 56, BARRIER = 32, SEM = 32, ATTR = 56, MATTR = 4, CATTR = 4, BATTR = 4 };
#elif defined(__aarch64__)
enum { MUTEX = 48, COND = 48, RWLOCK = 56, BARRIER = 32, SEM = 32, ATTR = 64, MATTR = 8, CATTR = 8, BATTR = 8 };
#endif

#define size(type, n) is(sizeof(type), n, "sizeof(" #type ")")
#define align(type, n) is(_Alignof(type), n, "_Alignof(" #type ")")

static void sizes(void) {
    size(pthread_t, 8);
    size(pthread_mutex_t, MUTEX);
    size(pthread_cond_t, COND);
    size(pthread_rwlock_t, RWLOCK);
    size(pthread_barrier_t, BARRIER);
    size(sem_t, SEM);
    size(pthread_attr_t, ATTR);
    size(pthread_mutexattr_t, MATTR);
    size(pthread_condattr_t, CATTR);
    size(pthread_rwlockattr_t, 8);
    size(pthread_barrierattr_t, BATTR);
    size(pthread_once_t, 4);
    size(pthread_key_t, 4);
    size(pthread_spinlock_t, 4);
    size(mtx_t, MUTEX);
    size(cnd_t, COND);
    size(thrd_t, 8);
    size(tss_t, 4);
    size(once_flag, 4);
    align(pthread_mutex_t, 8);
    align(pthread_cond_t, 8);
    align(pthread_rwlock_t, 8);
    align(pthread_barrier_t, 8);
    align(sem_t, 8);
    align(pthread_attr_t, 8);
    align(pthread_once_t, 4);
    align(pthread_spinlock_t, 4);
    align(mtx_t, 8);
    align(cnd_t, 8);
}

/* All bytes are zero but the 32-bit word at `at`, which is `value` (at < 0: none). */
static void bytes(const void *object, size_t n, int at, unsigned value, const char *what) {
    const unsigned char *p = object;
    int good = 1;
    for (size_t i = 0; i < n; i++) {
        unsigned want =
            at >= 0 && i >= (size_t)at && i < (size_t)at + 4 ? value >> 8 * (i - (size_t)at) & 255 : 0;
        if (p[i] != want) {
            printf("#   byte %zu is %u, not %u\n", i, p[i], want);
            good = 0;
        }
    }
    fflush(stdout);
    ok(good, "%s", what);
}

static void initialisers(void) {
    static const pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    static const pthread_mutex_t errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    static const pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    static const pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    static const pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    static const pthread_rwlock_t writer = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    static const pthread_once_t once = PTHREAD_ONCE_INIT;
    static const once_flag flag = ONCE_FLAG_INIT;
    bytes(&plain, sizeof plain, -1, 0, "PTHREAD_MUTEX_INITIALIZER is all zero");
    bytes(&recursive, sizeof recursive, 16, 1, "PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP: kind 1 at byte 16");
    bytes(&errorcheck, sizeof errorcheck, 16, 2, "PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP: kind 2 at byte 16");
    bytes(&adaptive, sizeof adaptive, 16, 3, "PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP: kind 3 at byte 16");
    bytes(&cond, sizeof cond, -1, 0, "PTHREAD_COND_INITIALIZER is all zero");
    bytes(&rwlock, sizeof rwlock, -1, 0, "PTHREAD_RWLOCK_INITIALIZER is all zero");
    bytes(&writer, sizeof writer, 48, 2,
          "PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP: kind 2 at byte 48");
    bytes(&once, sizeof once, -1, 0, "PTHREAD_ONCE_INIT is zero");
    bytes(&flag, sizeof flag, -1, 0, "ONCE_FLAG_INIT is zero");
}

static void constants(void) {
    is(PTHREAD_MUTEX_NORMAL, 0, "PTHREAD_MUTEX_NORMAL");
    is(PTHREAD_MUTEX_RECURSIVE, 1, "PTHREAD_MUTEX_RECURSIVE");
    is(PTHREAD_MUTEX_ERRORCHECK, 2, "PTHREAD_MUTEX_ERRORCHECK");
    is(PTHREAD_MUTEX_ADAPTIVE_NP, 3, "PTHREAD_MUTEX_ADAPTIVE_NP");
    is(PTHREAD_CANCEL_ENABLE, 0, "PTHREAD_CANCEL_ENABLE");
    is(PTHREAD_CANCEL_DISABLE, 1, "PTHREAD_CANCEL_DISABLE");
    is(PTHREAD_CANCEL_DEFERRED, 0, "PTHREAD_CANCEL_DEFERRED");
    is(PTHREAD_CANCEL_ASYNCHRONOUS, 1, "PTHREAD_CANCEL_ASYNCHRONOUS");
    is((long)PTHREAD_CANCELED, -1, "PTHREAD_CANCELED");
    is(PTHREAD_BARRIER_SERIAL_THREAD, -1, "PTHREAD_BARRIER_SERIAL_THREAD");
    is(PTHREAD_CREATE_DETACHED, 1, "PTHREAD_CREATE_DETACHED");
    is(PTHREAD_PROCESS_SHARED, 1, "PTHREAD_PROCESS_SHARED");
    is(thrd_success, 0, "thrd_success");
    is(thrd_busy, 1, "thrd_busy");
    is(thrd_error, 2, "thrd_error");
    is(thrd_nomem, 3, "thrd_nomem");
    is(thrd_timedout, 4, "thrd_timedout");
    is(mtx_recursive, 1, "mtx_recursive");
    is(mtx_timed, 2, "mtx_timed");
}

/* ---- what the functions write: one line of hexadecimal an object */
static FILE *dump_to;
static void dump(const char *what, const void *object, size_t n) {
    const unsigned char *p = object;
    fprintf(dump_to, "%s:", what);
    for (size_t i = 0; i < n; i++)
        fprintf(dump_to, "%s%02x", i % 4 ? "" : " ", p[i]);
    fprintf(dump_to, "\n");
}

static void nothing(void) {
}

static void dump_all(void) {
    static const char *types[] = {"normal", "recursive", "errorcheck", "adaptive"};
    char name[64];
    for (int type = 0; type < 4; type++)
        for (int shared = 0; shared < 2; shared++) {
            pthread_mutexattr_t a;
            pthread_mutex_t m;
            memset(&a, 0, sizeof a);
            memset(&m, 0xee, sizeof m);
            pthread_mutexattr_init(&a);
            pthread_mutexattr_settype(&a, type);
            pthread_mutexattr_setpshared(&a, shared);
            snprintf(name, sizeof name, "mutexattr %s%s", types[type], shared ? " shared" : "");
            dump(name, &a, sizeof a);
            pthread_mutex_init(&m, &a);
            snprintf(name, sizeof name, "mutex %s%s", types[type], shared ? " shared" : "");
            dump(name, &m, sizeof m);
            if (shared) { /* another process may look at it */
                pthread_mutex_lock(&m);
                ((int *)&m)[2] = 0; /* the owner's id differs from run to run */
                dump("  locked", &m, sizeof m);
            }
        }
    struct sched_param level = {1}, none = {0};
    int raised = pthread_setschedparam(pthread_self(), SCHED_FIFO, &level) == 0;
    for (int type = 0; type < 8; type++) {
        pthread_mutexattr_t a;
        pthread_mutex_t m;
        memset(&m, 0xee, sizeof m);
        pthread_mutexattr_init(&a);
        pthread_mutexattr_settype(&a, type % 4);
        pthread_mutexattr_setpshared(&a, type / 4);
        pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
        pthread_mutex_init(&m, &a);
        snprintf(name, sizeof name, "mutex %s%s with a ceiling", types[type % 4], type / 4 ? " shared" : "");
        dump(name, &m, sizeof m);
        int old;
        pthread_mutex_setprioceiling(&m, 77, &old);
        dump("  another", &m, sizeof m);
        if (!raised)
            continue;
        pthread_mutex_lock(&m);
        ((int *)&m)[2] = 0;
        dump("  locked", &m, sizeof m);
    }
    pthread_setschedparam(pthread_self(), SCHED_OTHER, &none);
    for (int shared = 0; shared < 2; shared++) {
        sem_t s;
        memset(&s, 0, sizeof s);
        sem_init(&s, shared, 5);
        dump(shared ? "sem shared" : "sem", &s, sizeof s);
        sem_wait(&s);
        sem_post(&s);
        sem_post(&s);
        dump("  6", &s, sizeof s);
    }
    for (int kind = 0; kind < 3; kind++) {
        pthread_rwlockattr_t a;
        pthread_rwlock_t l;
        pthread_rwlockattr_init(&a);
        pthread_rwlockattr_setkind_np(&a, kind);
        memset(&l, 0xee, sizeof l);
        pthread_rwlock_init(&l, &a);
        snprintf(name, sizeof name, "rwlock kind %d", kind);
        dump(name, (char *)&l + 48, 4); /* the rest is an implementation's own; all zero is valid, too */
    }
    pthread_cond_t c;
    memset(&c, 0xee, sizeof c);
    pthread_cond_init(&c, NULL);
    dump("cond", &c, sizeof c);
    pthread_spinlock_t s = 99;
    pthread_spin_init(&s, 0);
    dump("spin", (const void *)(uintptr_t)&s, sizeof s);
    pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, nothing);
    dump("once", &once, sizeof once);
    mtx_t m;
    memset(&m, 0xee, sizeof m);
    mtx_init(&m, mtx_timed | mtx_recursive);
    dump("mtx", &m, sizeof m);
    cnd_t cnd;
    memset(&cnd, 0xee, sizeof cnd);
    cnd_init(&cnd);
    dump("cnd", &cnd, sizeof cnd);
}

static char *dump_of(const char *self, const char *preload) {
    static char text[2][1 << 16];
    static int turn;
    char command[4400];
    char *t = text[turn++ & 1];
    snprintf(command, sizeof command, "LD_PRELOAD='%s' '%s' dump", preload, self);
    FILE *f = popen(command, "r");
    size_t n = f ? fread(t, 1, sizeof text[0] - 1, f) : 0;
    t[n] = 0;
    ok(f && pclose(f) == 0 && n > 0, "what the init functions write %s", *preload ? "here" : "in the libc");
    return t;
}

static void compare(const char *self) {
    const char *lib = getenv("ODONATA_LIB");
    if (!lib) {
        skip("ODONATA_LIB is not set");
        return;
    }
    char *theirs = dump_of(self, ""), *ours = dump_of(self, lib);
    while (*theirs || *ours) {
        size_t a = strcspn(theirs, "\n"), b = strcspn(ours, "\n");
        int same = a == b && !memcmp(theirs, ours, a);
        ok(same, "%.*s", (int)strcspn(theirs, ":"), theirs);
        if (!same) {
            printf("#   libc %.*s\n#   ours %.*s\n", (int)a, theirs, (int)b, ours);
            fflush(stdout);
        }
        theirs += a + (theirs[a] != 0);
        ours += b + (ours[b] != 0);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "dump")) {
        dump_to = stdout;
        dump_all();
        return 0;
    }
    sizes();
    initialisers();
    constants();
    compare(argv[0]);
    return done();
}
