/*
 * What AddressSanitizer and ThreadSanitizer have to be told in builds for them; nothing otherwise.
 * __SANITIZE_ADDRESS__ and __SANITIZE_THREAD__ tell such builds, whichever compiler.
 *
 * AddressSanitizer marks the space between a frame's variables as forbidden, and the function clears the marks
 * as it returns.  Frames that never return leave theirs: those of a thread that was unwound, and those of the
 * threads that a fork did not take along, whose stacks the child uses again.  The tool clears a stack as it
 * learns of a new thread, but asks pthread_getattr_np for its place first, which is ours here, and
 * instrumented.
 *
 * ThreadSanitizer follows descriptors by the libc's calls.  A system call that closes one which the libc made
 * is not seen; the next that gets the number, on another LWP, would be reported.
 */
#ifndef OD_SANITIZER_H
#define OD_SANITIZER_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
void __asan_handle_no_return(void);

/* The stack below the caller's frame holds nothing: down to lowest, or for 8 KiB if that is NULL. */
static inline __attribute__((always_inline)) void sanitizer_stack_is_empty(const char *lowest) {
    const char *here = __builtin_frame_address(0);
    lowest = lowest && lowest < here ? lowest : here - 8192;
    __asan_unpoison_memory_region(lowest, (size_t)(here - lowest));
}

/* The caller's frames will be unwound, and functions be called where they were.  Compilers say so before calls
 * that do not return, where they know of that: not before calls by pointers, or calls that act on a
 * cancellation. */
static inline __attribute__((always_inline)) void sanitizer_unwinds(void) {
    __asan_handle_no_return();
}

/* A stack that nobody uses any more holds nothing. */
static inline void sanitizer_is_free(const void *lowest, size_t bytes) {
    __asan_unpoison_memory_region(lowest, bytes);
}
#else
static inline void sanitizer_stack_is_empty(const char *lowest) {
    (void)lowest;
}
static inline void sanitizer_unwinds(void) {
}
static inline void sanitizer_is_free(const void *lowest, size_t bytes) {
    (void)lowest;
    (void)bytes;
}
#endif

#ifdef __SANITIZE_THREAD__
void __sanitizer_syscall_pre_impl_close(long fd);

/* The caller closes a descriptor, by a system call of its own. */
static inline void sanitizer_closes(int fd) {
    __sanitizer_syscall_pre_impl_close(fd);
}
#else
static inline void sanitizer_closes(int fd) {
    (void)fd;
}
#endif

#endif
