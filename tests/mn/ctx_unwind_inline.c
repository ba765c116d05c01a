/* ctx_unwind.c with the switch as part of the function that blocks. */
/* workers: 1 */
/* not under: asan, tsan, clang */
#define INLINE 1
#include "ctx_unwind.c"
