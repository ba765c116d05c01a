/*
 * Libraries with thread-local variables are opened while threads live (and after others have ended, whose
 * stacks and LWPs may serve again): every thread has the initial image, of static TLS and of dynamic, also
 * after they are closed and opened again, also in threads created at the very moment.
 */
#include "life.h"

static char dir[4000];

static void *open_lib(const char *name) {
    char path[4200];
    snprintf(path, sizeof path, "%s/.libs/%s.so", dir, name);
    void *h = dlopen(path, RTLD_NOW);
    if (!h)
        printf("# %s\n", dlerror()), fflush(stdout);
    return h;
}

struct lib {
    void *handle;
    int *(*value)(void);
    long (*look)(void);
    void (*change)(void);
    int (*at_thread_exit)(int *);
};

static int load(struct lib *l, const char *name) {
    memset(l, 0, sizeof *l);
    l->handle = open_lib(name);
    if (!l->handle)
        return 0;
    l->value = (int *(*)(void))dlsym(l->handle, "lib_value");
    l->look = (long (*)(void))dlsym(l->handle, "lib_look");
    l->change = (void (*)(void))dlsym(l->handle, "lib_change");
    l->at_thread_exit = (int (*)(int *))dlsym(l->handle, "lib_at_thread_exit");
    return l->value && l->look && l->change;
}

enum { N = 8 };
static pthread_barrier_t barrier;
static struct lib lib;
static volatile int stop;

/* Lives through several loads; looks between the barriers. */
static void *resident(void *arg) {
    long bad = 0;
    for (;;) {
        pthread_barrier_wait(&barrier); /* the library was loaded, or stop was set */
        if (stop)
            return (void *)bad;
        bad |= lib.look();
        lib.change();
        ((int **)arg)[0] = lib.value();
        pthread_barrier_wait(&barrier); /* and may be unloaded */
    }
}

static void *visitor(void *arg) {
    (void)arg;
    long bad = lib.look();
    lib.change();
    return (void *)bad;
}

/* Creates threads all the time, while others load; counts them. */
static void *creator(void *arg) {
    while (!stop) {
        must_join(must_create(NULL, do_nothing, NULL));
        __atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void with_residents(const char *name, int rounds) {
    pthread_t t[N];
    int *addresses[N];
    long bad = 0;
    int distinct = 1, loaded = 0;
    stop = 0;
    pthread_barrier_init(&barrier, NULL, N + 1);
    for (int i = 0; i < N; i++)
        t[i] = must_create(NULL, resident, &addresses[i]);
    for (int round = 0; round < rounds; round++) {
        /* threads that ended: their stacks and LWPs wait for use */
        pthread_t gone[4];
        for (int i = 0; i < 4; i++)
            gone[i] = must_create(NULL, do_nothing, NULL);
        for (int i = 0; i < 4; i++)
            must_join(gone[i]);
        if (!load(&lib, name)) {
            ok(0, "open %s", name);
            exit(done());
        }
        loaded++;
        bad |= lib.look() << 1;
        lib.change();
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < N; i++) {
            distinct &= addresses[i] != lib.value();
            for (int k = 0; k < i; k++)
                distinct &= addresses[i] != addresses[k];
        }
        for (int i = 0; i < 6; i++)
            bad |= (long)must_join(must_create(NULL, visitor, NULL)) << 2;
        for (int i = 0; i < 4; i++)
            gone[i] = must_create(NULL, visitor, NULL);
        for (int i = 0; i < 4; i++)
            bad |= (long)must_join(gone[i]) << 3;
        dlclose(lib.handle);
    }
    stop = 1;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < N; i++)
        bad |= (long)must_join(t[i]) << 4;
    is(loaded, rounds, "%s loaded %d times while %d threads lived", name, rounds, N);
    is(bad, 0, "%s: every thread had the initial image each time", name);
    ok(distinct, "%s: at an address of its own", name);
    pthread_barrier_destroy(&barrier);
}

static void while_creating(const char *name) {
    pthread_t c[2];
    int created[2] = {0, 0};
    long bad = 0;
    stop = 0;
    for (int i = 0; i < 2; i++)
        c[i] = must_create(NULL, creator, &created[i]);
    /* On a busy machine they may be slow to begin. */
    for (int i = 0; i < 50 || (i < 50000 && (__atomic_load_n(&created[0], __ATOMIC_RELAXED) < 20 ||
                                             __atomic_load_n(&created[1], __ATOMIC_RELAXED) < 20));
         i++) {
        if (!load(&lib, name)) {
            bad = 99;
            break;
        }
        bad |= lib.look();
        bad |= (long)must_join(must_create(NULL, visitor, NULL));
        dlclose(lib.handle);
    }
    stop = 1;
    for (int i = 0; i < 2; i++) {
        must_join(c[i]);
        bad |= (created[i] < 20) << 8;
    }
    is(bad, 0, "%s: loaded 50 times while two threads create others", name);
}

/* Loaded by a thread; used by its creator after the thread has ended. */
static void *loader(void *arg) {
    return (void *)(uintptr_t)load(&lib, arg);
}
static void by_thread(const char *name) {
    is((long)(uintptr_t)must_join(must_create(NULL, loader, (void *)(uintptr_t)name)), 1,
       "%s loaded by a thread", name);
    is(lib.look(), 0, "%s: the image in main", name);
    is((long)must_join(must_create(NULL, visitor, NULL)), 0, "%s: and in another thread", name);
    dlclose(lib.handle);
}

static int counter;
static struct event gate = EVENT_INIT;
static sem_t ready;
static void *ends_after_close(void *arg) {
    lib.at_thread_exit(&counter);
    sem_post(&ready);
    event_wait(&gate);
    return arg;
}

static void closed_before_thread_ends(void) {
    sem_init(&ready, 0, 0);
    ok(load(&lib, "dlopen_gd"), "a library that registers for the thread's end");
    pthread_t t = must_create(NULL, ends_after_close, NULL);
    while (sem_wait(&ready))
        ;
    is(dlclose(lib.handle), 0, "is closed while the thread lives");
    is(counter, 0, "its function has not run yet");
    event_set(&gate);
    must_join(t);
    is(counter, 1, "and runs at the thread's end");
    char path[4200];
    snprintf(path, sizeof path, "%s/.libs/dlopen_gd.so", dir);
    void *h = dlopen(path, RTLD_NOW | RTLD_NOLOAD); /* it may be loaded still, until the next close */
    if (h)
        dlclose(h);
    ok(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL || sanitized(),
       "after which the library is not held any more");
    dlerror();
}

/* dlopen from a thread with a small stack, dlerror of its own. */
static void *failing_open(void *arg) {
    (void)arg;
    void *h = dlopen("/nowhere/libnone.so", RTLD_NOW);
    const char *e = dlerror();
    return (void *)(uintptr_t)(h == NULL && e && strstr(e, "libnone"));
}

int main(void) {
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    if (n <= 0)
        abort();
    dir[n] = 0;
    char *slash = strrchr(dir, '/');
    *slash = 0;
    /* a libtool wrapper runs .libs/lt-NAME or .libs/NAME */
    slash = strrchr(dir, '/');
    if (slash && !strcmp(slash, "/.libs"))
        *slash = 0;
    /* First the static kind: the room for it is limited, and a used one may not be had again. */
    with_residents("dlopen_ie", 3);
    with_residents("dlopen_gd", 5);
    while_creating("dlopen_ie");
    while_creating("dlopen_gd");
    by_thread("dlopen_ie");
    by_thread("dlopen_gd");
    closed_before_thread_ends();
    is((long)(uintptr_t)must_join(must_create(NULL, failing_open, NULL)), 1, "dlerror in a thread");
    ok(dlerror() == NULL, "is not main's");

    /* Dynamic TLS of threads that ended is freed. */
    ok(load(&lib, "dlopen_gd"), "open once more");
    for (int i = 0; i < 200; i++)
        must_join(must_create(NULL, visitor, NULL));
    long rss = rss_kib(), bad = 0;
    for (int i = 0; i < 2000; i++)
        bad |= (long)must_join(must_create(NULL, visitor, NULL));
    is(bad, 0, "2000 threads had the image");
    if (!sanitized())
        ok(rss_kib() - rss < 512, "and their dynamic blocks are freed (%ld KiB more)", rss_kib() - rss);
    return done();
}
