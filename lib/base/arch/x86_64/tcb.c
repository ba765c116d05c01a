/* Nothing: on this architecture the thread pointer is the pthread_t. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "tcb.h"
