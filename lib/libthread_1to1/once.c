/* pthread_once and call_once. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
