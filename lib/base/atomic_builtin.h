/* atomic.h over the compiler's builtins: what ThreadSanitizer can see. */
#ifndef OD_ATOMIC_BUILTIN_H
#define OD_ATOMIC_BUILTIN_H

#define OD_ATOMIC_BUILTIN(width)                                                                             \
    static inline uint##width##_t a##width##_load(const uint##width##_t *p) {                                \
        return __atomic_load_n(p, __ATOMIC_RELAXED);                                                         \
    }                                                                                                        \
    static inline uint##width##_t a##width##_load_acquire(const uint##width##_t *p) {                        \
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                                         \
    }                                                                                                        \
    static inline void a##width##_store(uint##width##_t *p, uint##width##_t v) {                             \
        __atomic_store_n(p, v, __ATOMIC_RELAXED);                                                            \
    }                                                                                                        \
    static inline void a##width##_store_release(uint##width##_t *p, uint##width##_t v) {                     \
        __atomic_store_n(p, v, __ATOMIC_RELEASE);                                                            \
    }                                                                                                        \
    static inline bool a##width##_cas(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {            \
        return __atomic_compare_exchange_n(p, &o, n, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);                 \
    }                                                                                                        \
    static inline bool a##width##_cas_acquire(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {    \
        return __atomic_compare_exchange_n(p, &o, n, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);                 \
    }                                                                                                        \
    static inline bool a##width##_cas_release(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {    \
        return __atomic_compare_exchange_n(p, &o, n, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);                 \
    }                                                                                                        \
    static inline bool a##width##_cas_full(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {       \
        return __atomic_compare_exchange_n(p, &o, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
    }                                                                                                        \
    static inline uint##width##_t a##width##_fetch_cas_acquire(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {\
        __atomic_compare_exchange_n(p, &o, n, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);                        \
        return o;                                                                                            \
    }                                                                                                        \
    static inline uint##width##_t a##width##_fetch_cas_full(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {\
        __atomic_compare_exchange_n(p, &o, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                        \
        return o;                                                                                            \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add(uint##width##_t *p, uint##width##_t v) {                    \
        return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);                                                   \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add_acquire(uint##width##_t *p, uint##width##_t v) {            \
        return __atomic_fetch_add(p, v, __ATOMIC_ACQUIRE);                                                   \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add_release(uint##width##_t *p, uint##width##_t v) {            \
        return __atomic_fetch_add(p, v, __ATOMIC_RELEASE);                                                   \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add_full(uint##width##_t *p, uint##width##_t v) {               \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                   \
    }
OD_ATOMIC_BUILTIN(32)
OD_ATOMIC_BUILTIN(64)
#undef OD_ATOMIC_BUILTIN

static inline uint8_t a8_load(const uint8_t *p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static inline void a8_store(uint8_t *p, uint8_t v) {
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* ThreadSanitizer knows no fences.  A read-modify-write of one word stands for each: it orders more than a
 * fence would (all fences with each other), so an order that only this word gives is a race that the tool
 * misses. */
__attribute__((weak, visibility("hidden"))) uint32_t od_fence_word;
static inline void fence_full(void) {
    __atomic_fetch_add(&od_fence_word, 1, __ATOMIC_SEQ_CST);
}
static inline void fence_acquire(void) {
    __atomic_fetch_add(&od_fence_word, 0, __ATOMIC_ACQ_REL);
}
static inline void fence_release(void) {
    __atomic_fetch_add(&od_fence_word, 0, __ATOMIC_ACQ_REL);
}
static inline void fence_signal(void) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
