/* atomic.h over libatomic_ops. */
#ifndef OD_ATOMIC_AO_H
#define OD_ATOMIC_AO_H

#include <atomic_ops.h>

_Static_assert(sizeof(AO_t) == sizeof(uint64_t), "libatomic_ops: AO_t is 64 bits wide");
_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "libatomic_ops: unsigned is 32 bits wide");

#define OD_ATOMIC_AO(width, ctype, ao)                                                                       \
    static inline uint##width##_t a##width##_load(const uint##width##_t *p) {                                \
        return ao##_load((const volatile ctype *)p);                                                         \
    }                                                                                                        \
    static inline uint##width##_t a##width##_load_acquire(const uint##width##_t *p) {                        \
        return ao##_load_acquire((const volatile ctype *)p);                                                 \
    }                                                                                                        \
    static inline void a##width##_store(uint##width##_t *p, uint##width##_t v) {                             \
        ao##_store((volatile ctype *)p, v);                                                                  \
    }                                                                                                        \
    static inline void a##width##_store_release(uint##width##_t *p, uint##width##_t v) {                     \
        ao##_store_release((volatile ctype *)p, v);                                                          \
    }                                                                                                        \
    static inline bool a##width##_cas(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {            \
        return ao##_compare_and_swap((volatile ctype *)p, o, n);                                             \
    }                                                                                                        \
    static inline bool a##width##_cas_acquire(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {    \
        return ao##_compare_and_swap_acquire((volatile ctype *)p, o, n);                                     \
    }                                                                                                        \
    static inline bool a##width##_cas_release(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {    \
        return ao##_compare_and_swap_release((volatile ctype *)p, o, n);                                     \
    }                                                                                                        \
    static inline bool a##width##_cas_full(uint##width##_t *p, uint##width##_t o, uint##width##_t n) {       \
        return ao##_compare_and_swap_full((volatile ctype *)p, o, n);                                        \
    }                                                                                                        \
    static inline uint##width##_t a##width##_fetch_cas_acquire(uint##width##_t *p, uint##width##_t o,        \
                                                               uint##width##_t n) {                          \
        return ao##_fetch_compare_and_swap_acquire((volatile ctype *)p, o, n);                               \
    }                                                                                                        \
    static inline uint##width##_t a##width##_fetch_cas_full(uint##width##_t *p, uint##width##_t o,           \
                                                            uint##width##_t n) {                             \
        return ao##_fetch_compare_and_swap_full((volatile ctype *)p, o, n);                                  \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add(uint##width##_t *p, uint##width##_t v) {                    \
        return ao##_fetch_and_add((volatile ctype *)p, v);                                                   \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add_acquire(uint##width##_t *p, uint##width##_t v) {            \
        return ao##_fetch_and_add_acquire((volatile ctype *)p, v);                                           \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add_release(uint##width##_t *p, uint##width##_t v) {            \
        return ao##_fetch_and_add_release((volatile ctype *)p, v);                                           \
    }                                                                                                        \
    static inline uint##width##_t a##width##_add_full(uint##width##_t *p, uint##width##_t v) {               \
        return ao##_fetch_and_add_full((volatile ctype *)p, v);                                              \
    }
OD_ATOMIC_AO(32, unsigned, AO_int)
OD_ATOMIC_AO(64, AO_t, AO)
#undef OD_ATOMIC_AO

static inline uint8_t a8_load(const uint8_t *p) {
    return AO_char_load(p);
}
static inline void a8_store(uint8_t *p, uint8_t v) {
    AO_char_store(p, v);
}

static inline void fence_full(void) {
    AO_nop_full();
}
static inline void fence_acquire(void) {
    AO_nop_read();
}
static inline void fence_release(void) {
    AO_nop_write();
}
/* Orders against the compiler only: for data shared with a signal handler of the same thread. */
static inline void fence_signal(void) {
    AO_compiler_barrier();
}

#endif
