/* tests/stress/rwlock.c on our objects under ThreadSanitizer. */
/* timeout: 120 */
#include "../stress/rwlock.c"
