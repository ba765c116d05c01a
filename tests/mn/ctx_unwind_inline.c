/* ctx_unwind.c with the switch as part of the function that blocks. */
/* workers: 1 */
/* not under: asan, tsan, ubsan, clang */
#define INLINE 1
#include "ctx_unwind.c"
