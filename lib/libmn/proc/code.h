/* code: which code is processes' (code.c). */
#ifndef MNI_CODE_H
#define MNI_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether an instruction lies in a registered module.  Signal safe. */
bool mni_code_is(uintptr_t pc);

/* Whether size bytes can be read: code, unwind tables and data of registered modules, and of libmn.
 * Signal safe. */
bool mni_code_readable(uintptr_t at, uintptr_t size);

#endif
