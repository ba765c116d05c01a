/* timeout: 240 */
/* The stress test of condition variables, as in mutex.c. */
#include "../stress/cond.c"
