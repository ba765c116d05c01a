/* pthread_mutex_*: lock, unlock and their timed and try forms. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
