/* pthread_kill, pthread_sigqueue, pthread_sigmask. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
