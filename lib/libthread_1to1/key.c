/*
 * Thread-specific data: pthread_key_create, pthread_key_delete, pthread_getspecific, pthread_setspecific.
 *
 * Guarantee: a value set under a key is seen by its own thread under that key and by nobody else; a key that
 * was deleted and handed out again shows no thread an old value; a destructor is called only with a value that
 * was set under the key it belongs to.  get and set are a few instructions, in any thread of the process.
 *
 * The naive design: a table of { in use, destructor } under a lock and an array of pointers per thread;
 * deleting a key clears the value in every thread.  That needs all threads' memory at delete, and a lock at
 * every get.
 *
 * The design: every key has a sequence number, and every value remembers the number that its key had.
 *
 *   seq even   the key is free
 *   seq odd    the key is in use
 *
 * Create and delete are one compare-and-swap each, seq -> seq + 1.  A value whose number differs from its key's
 * is one of a deleted key: get shows NULL, the destructors' rounds skip it.  The numbers are 64 bits and never
 * wrap.
 *
 * Pairs.  create: swap seq (odd), then store the destructor with release.  A thread that ends: load seq, load
 * the destructor with acquire, load seq again.  If the second load still equals the value's number, the
 * destructor was this key's: a later owner's store of its destructor comes after two changes of seq, so whoever
 * sees that destructor sees the changed seq too.  Without the second look, delete and create between the first
 * two loads would call the new owner's destructor with the old owner's value.  A user who creates a key and
 * uses it in another thread passes the key on with synchronisation of his own, so create's stores are seen by
 * then.
 *
 * Memory: the first KEY_FIRST values lie in the descriptor, which every thread has.  The rest come from mmap
 * and not from malloc, because malloc's replacements call pthread_setspecific from inside their own start-up in
 * each thread (jemalloc, tcmalloc): one that needs malloc to store a pointer recurses.  Arrays of ended threads
 * are kept in a few slots, each emptied and filled by one atomic swap: no lock, so nothing to repair in a
 * fork's child.
 *
 * Foreign threads (life THR_FOREIGN: made by the libc, which does not know our keys): their destructors hang on
 * one real key of the libc.  It is made when the library starts, so that its number is small and the libc
 * stores its value without malloc; a foreign thread sets it when it first sets a value of ours.  Main, foreign
 * as well, has it set from the start: its first value may come from inside malloc's start-up, where we had
 * better not look symbols up.  When main ends by pthread_exit, the libc unwinds it, runs its key's destructor,
 * and so ours; when it returns, POSIX wants none.
 *
 * Limits: a destructor may be called shortly after pthread_key_delete returned, if its thread was already
 * ending: the standard leaves that race to the program.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "fault.h"
#include "sys.h"
#include "thr.h"

struct key {
    uint64_t seq;
    void (*destructor)(void *);
};

static struct key keys[KEY_MAX];
_Static_assert(sizeof(struct key) == sizeof(struct key_value), "pthread_getspecific has one index for both");

static bool in_use(uint64_t seq) {
    return seq & 1;
}

THR_EXPORT int pthread_key_create(pthread_key_t *out, void (*destructor)(void *)) {
    for (unsigned i = 0; i < KEY_MAX; i++) {
        uint64_t seq = a64_load(&keys[i].seq); /* relaxed: the swap decides */
        /* Full: before the store of the destructor. */
        if (in_use(seq) || !a64_cas_full(&keys[i].seq, seq, seq + 1))
            continue;
        /* Release: pairs with the acquire in destructor_of. */
        aptr_store_release(&keys[i].destructor, destructor);
        *out = i;
        return 0;
    }
    return EAGAIN;
}
THR_ALIAS(__pthread_key_create, pthread_key_create);

THR_EXPORT int pthread_key_delete(pthread_key_t key) {
    if (unlikely(key >= KEY_MAX))
        return EINVAL;
    uint64_t seq = a64_load(&keys[key].seq); /* relaxed: the swap decides */
    /* Full: nothing of ours precedes it; as create. */
    if (!in_use(seq) || !a64_cas_full(&keys[key].seq, seq, seq + 1))
        return EINVAL;
    return 0;
}

/* ---- values */

/* The slow half of get: keys beyond the descriptor, values of deleted keys. */
static void *__attribute__((noinline)) get_slow(pthread_key_t key) {
    struct key_values *all = &thr_self()->keys;
    struct key_value *v;
    if (key < KEY_FIRST)
        v = &all->first[key];
    else if (key < KEY_MAX && all->more != NULL)
        v = &all->more[key - KEY_FIRST];
    else
        return NULL;
    void *value = v->value;
    if (value != NULL && v->seq != a64_load(&keys[key].seq)) /* relaxed: as in get */
        v->value = value = NULL;
    return value;
}

/* Spelled out for the descriptor, so that the compiler addresses it relative to the thread pointer. */
THR_EXPORT void *pthread_getspecific(pthread_key_t key) {
    if (unlikely(key >= KEY_FIRST))
        return get_slow(key);
    size_t at = key * sizeof(struct key_value);
    struct thr *self = thr_self();
    /* One index into both tables: keeps the compiler from scaling it twice. */
    __asm__("" : "+r"(at), "+r"(self));
    const struct key_value *v = (const struct key_value *)(const void *)((const char *)self->keys.first + at);
    const struct key *k = (const struct key *)(const void *)((const char *)keys + at);
    void *value = v->value;
    /* relaxed: a key that is validly used was created before, and the program has seen to that order */
    if (value == NULL || likely(v->seq == a64_load(&k->seq)))
        return value;
    return get_slow(key);
}
THR_ALIAS(__pthread_getspecific, pthread_getspecific);

enum { SPARE = 16 }; /* arrays of ended threads that are kept; their touched pages stay resident */
static struct key_value *spare[SPARE];

static const size_t more_bytes = (KEY_MAX - KEY_FIRST) * sizeof(struct key_value);

static struct key_value *more_take(void) {
    for (int i = 0; i < SPARE; i++)
        if (aptr_load(&spare[i]) != NULL) { /* relaxed: a hint, the swap decides */
            /* Full: its acquire pairs with more_give's swap. */
            struct key_value *m = aptr_swap_full(&spare[i], NULL);
            if (m != NULL)
                return m;
        }
    if (fault("mmap"))
        return NULL;
    long m = sys(SYS_mmap, NULL, more_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return m < 0 && m > -4096 ? NULL : (struct key_value *)m;
}

/* Takes an array whose values are all NULL. */
static void more_give(struct key_value *m) {
    for (int i = 0; i < SPARE; i++)
        if (aptr_load(&spare[i]) == NULL &&       /* relaxed: a hint */
            aptr_cas_release(&spare[i], NULL, m)) /* release: that it is cleared; pairs with more_take's swap */
            return;
    (void)sys(SYS_munmap, m, more_bytes);
}

/* ---- foreign threads */

static uint32_t libc_key; /* the libc's key that ends foreign threads, plus one; 0: not made yet */

/* The libc's own function.  By dlsym alone: this runs in a constructor that comes before the libc's, where
 * dlopen would start the libc's too early, and inside malloc. */
static void *libc_next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

static void foreign_ends(void *unused) {
    (void)unused;
    key_run_destructors();
}

/* The libc's key plus one; 0 if the libc has no key left. */
static uint32_t libc_key_get(void) {
    uint32_t have = a32_load_acquire(&libc_key); /* acquire: pairs with the swap below */
    if (have != 0)
        return have;
    __typeof__(pthread_key_create) *create = libc_next("pthread_key_create");
    pthread_key_t k;
    if (create == NULL || create(&k, foreign_ends) != 0)
        return 0;
    if (a32_cas_full(&libc_key, 0, k + 1)) /* full: the key exists before its number is seen */
        return k + 1;
    __typeof__(pthread_key_delete) *delete = libc_next("pthread_key_delete");
    if (delete != NULL)
        delete(k); /* another thread was faster */
    return a32_load_acquire(&libc_key); /* acquire: as above */
}

/* Has the libc call foreign_ends when the calling thread ends; 0 or -ENOMEM. */
static int arm(void) {
    uint32_t k = libc_key_get();
    __typeof__(pthread_setspecific) *set = libc_next("pthread_setspecific");
    return k != 0 && set != NULL && set(k - 1, &libc_key) == 0 ? 0 : -ENOMEM;
}

__attribute__((constructor)) static void arm_main(void) {
    int saved = errno;
    (void)arm(); /* it has a key for us so early */
    errno = saved;
}

/* The calling thread sets its first value: sees to it that its destructors will run.  0 or -ENOMEM. */
static int __attribute__((noinline, cold)) first_use(struct thr *self) {
    if (self->life == THR_FOREIGN && sys(SYS_gettid) != sys(SYS_getpid) && arm() != 0)
        return -ENOMEM;
    self->keys.used = 1;
    return 0;
}

/* The slot of a key at or above KEY_FIRST, made if need be; NULL: no memory. */
static struct key_value *__attribute__((noinline)) more_slot(struct key_values *all, unsigned index) {
    if (all->more == NULL)
        all->more = more_take();
    if (all->more == NULL)
        return NULL;
    if (index >= all->more_high)
        all->more_high = index + 1;
    return &all->more[index];
}

THR_EXPORT int pthread_setspecific(pthread_key_t key, const void *value) {
    struct thr *self = thr_self();
    struct key_values *all = &self->keys;
    struct key_value *v;
    if (unlikely(key >= KEY_MAX))
        return EINVAL;
    uint64_t seq = a64_load(&keys[key].seq); /* relaxed: as in get */
    if (unlikely(!in_use(seq)))
        return EINVAL;
    if (likely(key < KEY_FIRST)) {
        v = &all->first[key];
    } else {
        if (value == NULL && all->more == NULL)
            return 0;
        v = more_slot(all, key - KEY_FIRST);
        if (v == NULL)
            return ENOMEM;
    }
    if (value != NULL && unlikely(!all->used) && first_use(self) != 0)
        return ENOMEM;
    if (unlikely(v->seq != seq)) {
        /* A signal handler that interrupts here must see neither the old value as the new key's nor lose
         * one. */
        v->value = NULL;
        fence_signal();
        v->seq = seq;
        fence_signal();
    }
    v->value = (void *)(uintptr_t)value;
    return 0;
}
THR_ALIAS(__pthread_setspecific, pthread_setspecific);

/* ---- the end of a thread */

/* The destructor of the key that had this number; NULL: it has none, or the key was deleted. */
static void (*destructor_of(const struct key *k, uint64_t seq))(void *) {
    if (a64_load_acquire(&k->seq) != seq) /* acquire: before the load of the destructor */
        return NULL;
    void (*d)(void *) = aptr_load_acquire(&k->destructor); /* acquire: pairs with create's release */
    return a64_load(&k->seq) == seq ? d : NULL;            /* relaxed: after the acquire above; see the essay */
}

/* Calls the destructors of n values of the keys from k on; whether there was any to call. */
static bool run_some(struct key_value *v, uint32_t n, const struct key *k) {
    bool ran = false;
    for (uint32_t i = 0; i < n; i++) {
        void *value = v[i].value;
        if (value == NULL)
            continue;
        v[i].value = NULL;
        void (*destructor)(void *) = destructor_of(&k[i], v[i].seq);
        if (destructor != NULL) {
            destructor(value);
            ran = true;
        }
    }
    return ran;
}

void key_run_destructors(void) {
    struct key_values *all = &thr_self()->keys;
    if (!all->used)
        return;
    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
        bool ran = run_some(all->first, KEY_FIRST, keys);
        /* A destructor may make the array, and raise its mark while we walk. */
        for (uint32_t i = 0; all->more != NULL && i < all->more_high; i++)
            ran |= run_some(&all->more[i], 1, &keys[KEY_FIRST + i]);
        if (!ran)
            break;
    }
    /* What destructors have set again in the last round is forgotten. */
    memset(all->first, 0, sizeof all->first);
    struct key_value *more = all->more;
    if (more != NULL) {
        memset(more, 0, all->more_high * sizeof *more);
        all->more = NULL;
        all->more_high = 0;
        more_give(more);
    }
    all->used = 0;
}
