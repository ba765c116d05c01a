/* C11 <threads.h>: thrd_, mtx_, cnd_, tss_. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
