/* tests/stress/sem.c on our objects under ThreadSanitizer. */
/* timeout: 120 */
#include "../stress/sem.c"
