/* timeout: 240 */
/* The stress test of mutexes: what they guard is plain memory, so a missing order is a race for the tool. */
#include "../stress/mutex.c"
