/* pthread_setname_np, pthread_getname_np. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
