/* pthread_rwlockattr_*. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
