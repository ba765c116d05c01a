/* The first and the last code in a thread; pthread_exit. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
