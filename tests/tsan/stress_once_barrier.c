/* tests/stress/once_barrier.c on our objects under ThreadSanitizer. */
/* timeout: 120 */
#include "../stress/once_barrier.c"
