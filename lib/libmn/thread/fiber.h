/*
 * fiber: what tools that watch a program are told of green threads and of switches between them.
 *
 *   ThreadSanitizer     has a state for each thread (a fiber), and has to know which one goes on.  A switch counts as a
 *                       synchronisation of the two threads, since the scheduler's own state is handed on by it: so the tool
 *                       does not see a race of two threads while they run one after the other on one worker.  Nor one
 *                       of a thread and another that has the state of the first, long after (fiber.c).
 *   AddressSanitizer    keeps the bounds of the stack and the frames that it moved to the heap (fake frames).  Marks that
 *                       the frames of an ended thread left are removed when the stack is used again.
 *   valgrind            has to know that each slot is a stack of its own.  It is found at run time, so in all builds where its
 *                       header was there; it sees switches by itself.
 *
 * In ordinary builds all of this is nothing, but for one flag that is looked at when a thread starts and ends.
 *
 * The call before a switch stands in the function that switches, next to it: the tools count its entry and its
 * return.
 */
#ifndef MNI_FIBER_H
#define MNI_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MNI_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define MNI_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MNI_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define MNI_TSAN 1
#endif

#if defined MNI_ASAN || defined MNI_TSAN
enum { MNI_FIBERS = 1 };
#else
enum { MNI_FIBERS = 0 };
#endif

/* Of a thread, or of a worker's own loop. */
struct mni_fiber {
    unsigned stack_id; /* valgrind's */
#ifdef MNI_TSAN
    void *tsan;
    unsigned uses; /* threads that had it, this one included */
#endif
#ifdef MNI_ASAN
    void *fake;
    const void *bottom;
    size_t size;
#endif
};

extern bool mni_valgrind; /* the program runs under it; written as the runtime starts */

void mni_fiber_start(void);
void mni_fiber_register(struct mni_fiber *f, char *stack, size_t bytes);
void mni_fiber_unregister(struct mni_fiber *f);
void mni_fiber_begin_watched(struct mni_fiber *f, char *stack, size_t bytes);
void mni_fiber_end_watched(struct mni_fiber *f);
void mni_fiber_lwp_watched(struct mni_fiber *f);

#ifdef MNI_TSAN
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif
#ifdef MNI_ASAN
void __sanitizer_start_switch_fiber(void **fake_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_save, const void **old_bottom, size_t *old_size);
#endif

/* A thread has got its stack, which another may have had before. */
static inline void mni_fiber_begin(struct mni_fiber *f, char *stack, size_t bytes) {
    if (__builtin_expect(mni_valgrind, 0))
        mni_fiber_register(f, stack, bytes);
    if (MNI_FIBERS)
        mni_fiber_begin_watched(f, stack, bytes);
}

/* A thread has ended and is off its stack. */
static inline void mni_fiber_end(struct mni_fiber *f) {
    if (__builtin_expect(mni_valgrind, 0))
        mni_fiber_unregister(f);
    if (MNI_FIBERS)
        mni_fiber_end_watched(f);
}

/* A worker's loop begins, on its LWP. */
static inline void mni_fiber_lwp(struct mni_fiber *f) {
    if (MNI_FIBERS)
        mni_fiber_lwp_watched(f);
}

/* The next thing is a switch; from == NULL: the thread that is left has ended. */
static inline __attribute__((always_inline)) void mni_fiber_leave(struct mni_fiber *from,
                                                                  struct mni_fiber *to) {
    (void)from, (void)to;
#ifdef MNI_ASAN
    __sanitizer_start_switch_fiber(from ? &from->fake : NULL, to->bottom, to->size);
#endif
#ifdef MNI_TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* The first thing after a switch, on the stack of `self`. */
static inline __attribute__((always_inline)) void mni_fiber_arrive(struct mni_fiber *self) {
    (void)self;
#ifdef MNI_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(self->fake, &bottom, &size);
#endif
}

#endif
