/* Interposed calls that make an LWP unfit for reuse. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
