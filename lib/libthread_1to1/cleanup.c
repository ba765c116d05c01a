/* Cleanup handlers: the functions behind pthread_cleanup_push. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
