/* timeout: 240 */
/* The stress test of mutexes: what they guard is plain memory, so a missing order is a race that the tool sees. */
#include "../stress/mutex.c"
