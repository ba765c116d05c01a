/* Exited LWPs, parked and reused. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
