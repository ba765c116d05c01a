/* tests/stress/cond.c on our objects under ThreadSanitizer. */
/* timeout: 120 */
#include "../stress/cond.c"
