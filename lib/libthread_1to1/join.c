/* pthread_join and its timed and try forms; pthread_detach. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
