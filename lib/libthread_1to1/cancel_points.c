/* The system calls that POSIX makes cancellation points. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
