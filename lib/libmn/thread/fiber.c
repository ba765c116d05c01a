/* fiber: what is rare of fiber.h. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fiber.h"

#include <pthread.h>

#include "stack/memcheck.h"

bool mni_valgrind;

void mni_fiber_start(void) {
    mni_valgrind = RUNNING_ON_VALGRIND != 0;
}

void mni_fiber_register(struct mni_fiber *f, char *stack, size_t bytes) {
    (void)stack, (void)bytes;
    f->stack_id = (unsigned)VALGRIND_STACK_REGISTER(stack, stack + bytes);
}

void mni_fiber_unregister(struct mni_fiber *f) {
    (void)f;
    VALGRIND_STACK_DEREGISTER(f->stack_id);
}

#ifdef MNI_TSAN
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void *__tsan_get_current_fiber(void);

/*
 * ThreadSanitizer's states cost a millisecond each to make: a megabyte is mapped and written.  So those of
 * ended threads are used again, within two bounds:
 *
 *   The tool takes all threads that had one state for one thread, so it sees no race between them.  The oldest goes first,
 *   and only if KEPT others stay behind: that blinds it for threads that ended long before another began.
 *   The tool counts calls and returns, and has room for 65536 calls without a return.  A thread that ends leaves its
 *   calls: at most one for 16 bytes of stack.  So a state serves USES threads, all with stacks of at most STACK.
 *
 * The ring is taken by an exchange that the tool does not see (or all threads would be in order by it), and
 * without waiting: who cannot have it makes a state, or destroys one.
 */
enum { KEPT = 64, RING = 1024, USES = 12, STACK = 64 * 1024 };
_Static_assert(USES * (STACK / 16) < 65536, "calls that did not return");

static struct {
    char taken;
    unsigned first, n;
    struct {
        void *tsan;
        unsigned uses;
    } entry[RING];
} ring;

/* acquire, and release in ring_drop: what is in the ring goes from one to the next who takes it. */
__attribute__((no_sanitize("thread"))) static int ring_take(void) {
    return !__atomic_exchange_n(&ring.taken, 1, __ATOMIC_ACQUIRE);
}

__attribute__((no_sanitize("thread"))) static void ring_drop(void) {
    __atomic_store_n(&ring.taken, 0, __ATOMIC_RELEASE);
}

__attribute__((no_sanitize("thread"))) static void state_begin(struct mni_fiber *f, size_t bytes) {
    f->tsan = NULL;
    f->uses = bytes <= STACK ? 1 : USES;
    if (f->uses == 1 && ring_take()) {
        if (ring.n > KEPT) {
            f->tsan = ring.entry[ring.first].tsan;
            f->uses = ring.entry[ring.first].uses + 1;
            ring.first = (ring.first + 1) % RING;
            ring.n--;
        }
        ring_drop();
    }
    if (!f->tsan)
        f->tsan = __tsan_create_fiber(0);
}

__attribute__((no_sanitize("thread"))) static void state_end(struct mni_fiber *f) {
    if (f->uses < USES && ring_take()) {
        bool room = ring.n < RING;
        if (room) {
            unsigned at = (ring.first + ring.n++) % RING;
            ring.entry[at].tsan = f->tsan;
            ring.entry[at].uses = f->uses;
        }
        ring_drop();
        if (room)
            return;
    }
    __tsan_destroy_fiber(f->tsan);
}
#endif
#ifdef MNI_ASAN
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
#endif

void mni_fiber_begin_watched(struct mni_fiber *f, char *stack, size_t bytes) {
    (void)f, (void)stack, (void)bytes;
#ifdef MNI_ASAN
    __asan_unpoison_memory_region(stack, bytes);
    f->fake = NULL;
    f->bottom = stack;
    f->size = bytes;
#endif
#ifdef MNI_TSAN
    state_begin(f, bytes);
#endif
}

void mni_fiber_end_watched(struct mni_fiber *f) {
    (void)f;
#ifdef MNI_TSAN
    state_end(f);
#endif
}

void mni_fiber_lwp_watched(struct mni_fiber *f) {
    (void)f;
#ifdef MNI_ASAN
    pthread_attr_t attr;
    void *stack = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &stack, &size);
        pthread_attr_destroy(&attr);
    }
    f->fake = NULL;
    f->bottom = stack;
    f->size = size;
#endif
#ifdef MNI_TSAN
    f->tsan = __tsan_get_current_fiber();
#endif
}
