/* tests/stress/mutex.c on our objects under ThreadSanitizer. */
/* timeout: 120 */
#include "../stress/mutex.c"
