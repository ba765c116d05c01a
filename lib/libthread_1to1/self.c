/* pthread_self, pthread_equal. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
