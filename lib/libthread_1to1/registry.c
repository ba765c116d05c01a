/*
 * The table of all threads that have a handle.
 *
 * Guarantee: whether a handle names a thread that is not reaped is known without touching the memory that it
 * points to, in any context, signal handlers included (pthread_kill is async-signal-safe).
 *
 * A lock around a list would do that only if every holder blocked signals: two system calls at each create and
 * join.  So look-ups are lock-free: the handles lie in a hash table with open addressing whose slots are
 * written under the lock and read without it.  A table that grows too full is replaced; smaller ones are kept,
 * since a reader may be in there (their sizes add up to less than the current one's); of the same size there
 * are two, which take turns.  A slot is EMPTY, GONE (was in use: a probe goes on), or a handle.
 *
 * What a look-up guarantees is that the handle was live at one moment during the call.  To act on a thread
 * (signal it, read its tid) the caller takes the thread's hold lock as well: the thread takes it before it
 * ends, a reaper before it frees the descriptor.  The owner takes its own hold with signals enabled, everybody
 * else with signals blocked: so a handler never waits for a lock that the code it interrupted holds, except its
 * own thread's, and on its own thread registry_get takes nothing.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fault.h"
#include "libc.h"
#include "sigmask.h"
#include "thr.h"

enum { EMPTY = 0, GONE = 1, FIRST_SLOTS = 512 };

struct table {
    size_t slots; /* a power of two */
    size_t used;  /* slots that are not EMPTY; guarded by the lock */
    uint64_t slot[];
};

static struct lock lock = {0, RANK_REGISTRY};
/* Most programs need no other, and main's is there from the start. */
static struct table first = {.slots = FIRST_SLOTS, .slot = {[FIRST_SLOTS - 1] = EMPTY}};
static struct table *table = &first; /* published with release, read with acquire */
static struct thr *all;                   /* every registered thread; guarded by the lock */
static size_t count;
static struct table *spare;  /* the one before, of the same size, or NULL; guarded by the lock */
static uint32_t generation;  /* of `table`: a look-up that found nothing while it changed looks again */

static size_t hash(uint64_t handle, size_t slots) {
    return (size_t)(handle * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (slots - 1);
}

static struct table *table_make(size_t slots) {
    size_t size = sizeof(struct table) + slots * sizeof(uint64_t);
    struct table *t = fault("mmap")
                          ? MAP_FAILED
                          : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED)
        return NULL;
    t->slots = slots;
    return t;
}

/* Under the lock, or on a table that nobody sees yet. */
static void table_insert(struct table *t, uint64_t handle) {
    size_t i = hash(handle, t->slots);
    uint64_t gone = UINT64_MAX;
    for (;; i = (i + 1) & (t->slots - 1)) {
        uint64_t seen = a64_load(&t->slot[i]); /* relaxed: we are the only writer */
        if (seen == GONE && gone == UINT64_MAX)
            gone = i;
        if (seen == EMPTY) {
            if (gone == UINT64_MAX)
                t->used++;
            else
                i = gone;
            a64_store_release(&t->slot[i], handle); /* pairs with the acquire in registry_has */
            return;
        }
    }
}

/*
 * Twice the size, or the same without the GONE slots if those are what fills it: then two tables take turns,
 * and a reader that was held up in one long enough to see it made anew sees the generation change too.
 */
static int table_grow_locked(void) {
    size_t slots = count * 4 > table->slots ? table->slots * 2 : table->slots;
    struct table *t = spare && slots == table->slots ? spare : table_make(slots);
    if (!t)
        return table->used + 1 < table->slots ? 0 : -EAGAIN; /* fuller than we like: longer probes */
    for (size_t i = 0; t == spare && i < slots; i++)
        a64_store(&t->slot[i], EMPTY); /* relaxed: the generation tells a reader */
    t->used = 0;
    for (struct thr *thr = all; thr; thr = thr->all_next)
        table_insert(t, thr_handle(thr));
    spare = slots == table->slots ? table : NULL;
    aptr_store_release(&table, t);           /* pairs with the acquire in registry_has */
    a32_add_full(&generation, 1);            /* full: after the table, before a later rewrite of the old one */
    return 0;
}

int registry_add(struct thr *thr) {
    int err = 0;
    thr->hold = LOCK_INIT(RANK_THREAD); /* used whether it is registered or not */
    thr->ceiling.lock = LOCK_INIT(RANK_SCHED);
    lock_take(&lock);
    if (!thr->registered) {
        if (table->used * 2 >= table->slots)
            err = table_grow_locked();
        if (!err) {
            thr->registered = true;
            thr->alive = true;
            thr->all_prev = NULL;
            thr->all_next = all;
            if (all)
                all->all_prev = thr;
            all = thr;
            count++;
            table_insert(table, thr_handle(thr));
        }
    }
    lock_drop(&lock);
    return err;
}

void registry_remove(struct thr *thr) {
    lock_take(&lock);
    if (thr->registered) {
        uint64_t handle = thr_handle(thr);
        size_t i = hash(handle, table->slots);
        while (a64_load(&table->slot[i]) != handle) /* relaxed: we are the only writer */
            i = (i + 1) & (table->slots - 1);
        bool last = a64_load(&table->slot[(i + 1) & (table->slots - 1)]) == EMPTY; /* relaxed: as above */
        a64_store(&table->slot[i], last ? EMPTY : GONE); /* relaxed: a reader that misses it raced with us */
        if (last)
            table->used--;
        if (thr->all_next)
            thr->all_next->all_prev = thr->all_prev;
        if (thr->all_prev)
            thr->all_prev->all_next = thr->all_next;
        else
            all = thr->all_next;
        thr->registered = false;
        count--;
    }
    lock_drop(&lock);
}

bool registry_has(pthread_t t) {
    if ((uint64_t)t <= GONE)
        return false;
    uint32_t before;
    do {
        before = a32_load_acquire(&generation);       /* pairs with the add in table_grow_locked */
        struct table *tab = aptr_load_acquire(&table); /* pairs with the release there */
        for (size_t i = hash(t, tab->slots), n = 0; n < tab->slots; i = (i + 1) & (tab->slots - 1), n++) {
            uint64_t seen = a64_load_acquire(&tab->slot[i]); /* pairs with the release in table_insert */
            if (seen == (uint64_t)t)
                return true;
            if (seen == EMPTY)
                break;
        }
        fence_acquire(); /* the slots before the generation */
    } while (a32_load(&generation) != before);
    return false;
}

struct thr *registry_get(pthread_t t) {
    struct thr *self = thr_self();
    if (thr_of(t) == self)
        return self;
    if (!registry_has(t))
        return NULL;
    uint64_t old = sigmask_block();
    struct thr *thr = thr_of(t);
    lock_take(&thr->hold);
    self->held_mask = old;
    return thr;
}

void registry_put(struct thr *thr) {
    struct thr *self = thr_self();
    if (thr == self)
        return;
    uint64_t old = self->held_mask;
    lock_drop(&thr->hold);
    sigmask_set(old);
}

int registry_each(int (*fn)(struct thr *thr, void *arg), void *arg) {
    int r = 0;
    lock_take(&lock);
    for (struct thr *thr = all; thr && r == 0; thr = thr->all_next)
        r = fn(thr, arg);
    lock_drop(&lock);
    return r;
}

/* ---- threads of others */

static pthread_key_t foreign_key; /* one of the libc's: its destructor runs in threads that the libc made */
static bool foreign_key_made;

static void foreign_ends(void *arg) {
    struct thr *self = arg;
    lock_take(&self->hold);
    self->alive = false;
    lock_drop(&self->hold);
    registry_remove(self);
}

void registry_adopt(struct thr *self) {
    if (self->registered || self->life != THR_FOREIGN)
        return;
    /* A handler of a signal that arrived now would come here too. */
    uint64_t old = sigmask_block();
    bool added = registry_add(self) == 0;
    sigmask_set(old);
    if (!added)
        return; /* its handle works for itself; others get ESRCH */
    if (thr_tid() == (uint32_t)sys(SYS_getpid))
        return; /* main's handle lives as long as the process */
    if (foreign_key_made)
        libc_real(pthread_setspecific)(foreign_key, self);
}

void registry_init(void) {
    foreign_key_made = libc_real(pthread_key_create)(&foreign_key, foreign_ends) == 0;
    registry_adopt(thr_self());
}

/* ---- fork */

void registry_lock_for_fork(void) {
    lock_take(&lock);
}

void registry_unlock_after_fork(void) {
    lock_drop(&lock);
}

/* Before registry_reset: fn sees the parent's threads. */
void registry_each_in_child(int (*fn)(struct thr *thr, void *arg), void *arg) {
    for (struct thr *thr = all, *next; thr; thr = next) {
        next = thr->all_next;
        fn(thr, arg);
    }
}

void registry_reset(void) {
    struct thr *self = thr_self();
    lock_drop(&lock); /* taken by registry_lock_for_fork in the parent, by this thread */
    memset(table->slot, 0, table->slots * sizeof table->slot[0]);
    table->used = 0;
    all = NULL;
    count = 0;
    self->registered = false;
    registry_add(self);
}
