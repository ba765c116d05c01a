/*
 * boundary: functions of the library whose frames may be abandoned when the program's code that they call
 * faults (proc/trap.c).  They are told by their place: each kind is a section of its own.
 *
 *   BOUNDARY   calls the program's code as the thread's function, or when nothing but the thread's end is left
 *              of it: nothing is held, and nobody looks at the frames beyond any more.  A walk ends there
 *   THROUGH    is called by the program's code, or by a BOUNDARY, and calls the program's code again, outside
 *              the runtime, with nothing held
 */
#ifndef MNI_BOUNDARY_H
#define MNI_BOUNDARY_H

#include <stdbool.h>
#include <stdint.h>

#define MNI_BOUNDARY __attribute__((section("mni_boundary")))
#define MNI_THROUGH __attribute__((section("mni_through")))

/* The linker's. */
extern const char __start_mni_boundary[] __attribute__((visibility("hidden")));
extern const char __stop_mni_boundary[] __attribute__((visibility("hidden")));
extern const char __start_mni_through[] __attribute__((visibility("hidden")));
extern const char __stop_mni_through[] __attribute__((visibility("hidden")));

static inline bool mni_is_boundary(uintptr_t pc) {
    return pc >= (uintptr_t)__start_mni_boundary && pc < (uintptr_t)__stop_mni_boundary;
}
static inline bool mni_is_through(uintptr_t pc) {
    return pc >= (uintptr_t)__start_mni_through && pc < (uintptr_t)__stop_mni_through;
}

#endif
