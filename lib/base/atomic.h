/*
 * Atomic operations, typed, with the memory order in the name.
 *
 * Everything goes through libatomic_ops (header only; libatomic_ops_gpl is never linked).  Built for
 * ThreadSanitizer the compiler's builtins take their place, because the tool sees only those.
 *
 *   a8_*    uint8_t: load and store, for what others read as a hint
 *   a32_*   uint32_t: futex words, state words
 *   a64_*   uint64_t / unsigned long: counters, packed states
 *   aptr_*  pointers
 *
 * No suffix means relaxed: atomic, but ordering nothing.  _acquire, _release and _full order as usual;
 * _full is sequentially consistent.  cas() returns whether it stored; fetch_cas() the value it saw;
 * add(), or(), and(), swap() return the old value.
 *
 * Contexts: any, signal handlers included.
 */
#ifndef OD_ATOMIC_H
#define OD_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define OD_ATOMIC_BUILTINS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OD_ATOMIC_BUILTINS 1
#endif
#endif

#ifdef OD_ATOMIC_BUILTINS
#include "atomic_builtin.h"
#else
#include "atomic_ao.h"
#endif

/* A pointer is an AO_t by size on every platform that libatomic_ops knows. */
#define aptr_load(p) ((__typeof__(*(p)))a64_load((const uint64_t *)(const void *)(p)))
#define aptr_load_acquire(p) ((__typeof__(*(p)))a64_load_acquire((const uint64_t *)(const void *)(p)))
#define aptr_store(p, v) a64_store((uint64_t *)(void *)(p), (uint64_t)(uintptr_t)(v))
#define aptr_store_release(p, v) a64_store_release((uint64_t *)(void *)(p), (uint64_t)(uintptr_t)(v))
#define aptr_cas_acquire(p, old, new)                                                                        \
    a64_cas_acquire((uint64_t *)(void *)(p), (uint64_t)(uintptr_t)(old), (uint64_t)(uintptr_t)(new))
#define aptr_cas_release(p, old, new)                                                                        \
    a64_cas_release((uint64_t *)(void *)(p), (uint64_t)(uintptr_t)(old), (uint64_t)(uintptr_t)(new))
#define aptr_cas_full(p, old, new)                                                                           \
    a64_cas_full((uint64_t *)(void *)(p), (uint64_t)(uintptr_t)(old), (uint64_t)(uintptr_t)(new))
#define aptr_swap_full(p, v)                                                                                 \
    ((__typeof__(*(p)))a64_swap_full((uint64_t *)(void *)(p), (uint64_t)(uintptr_t)(v)))

/* Read-modify-write operations that libatomic_ops lacks, from its compare-and-swap. */
#define OD_ATOMIC_RMW(width, name, expr)                                                                     \
    static inline uint##width##_t a##width##_##name##_full(uint##width##_t *p, uint##width##_t v) {          \
        uint##width##_t old = a##width##_load(p);                                                            \
        for (;;) {                                                                                           \
            uint##width##_t seen = a##width##_fetch_cas_full(p, old, (expr));                                \
            if (seen == old)                                                                                 \
                return old;                                                                                  \
            old = seen;                                                                                      \
        }                                                                                                    \
    }
OD_ATOMIC_RMW(32, swap, v)
OD_ATOMIC_RMW(32, or, old | v)
OD_ATOMIC_RMW(32, and, old & v)
OD_ATOMIC_RMW(64, swap, v)
OD_ATOMIC_RMW(64, or, old | v)
OD_ATOMIC_RMW(64, and, old & v)
#undef OD_ATOMIC_RMW

#endif
