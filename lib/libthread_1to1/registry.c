/* The table of all threads that have a handle. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
