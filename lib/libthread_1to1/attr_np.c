/* pthread_getattr_np and the default attributes. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
