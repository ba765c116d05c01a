/* pthread_mutexattr_*. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
