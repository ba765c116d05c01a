/* pthread_cancel, pthread_setcancelstate, pthread_setcanceltype, pthread_testcancel. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
