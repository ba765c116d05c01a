/* Scheduling parameters, affinity, concurrency, CPU clocks, yield. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
