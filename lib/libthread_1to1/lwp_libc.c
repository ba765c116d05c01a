/* LWPs made by the libc's own pthread_create. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
