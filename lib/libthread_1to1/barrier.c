/* pthread_barrier_* and pthread_barrierattr_*. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
