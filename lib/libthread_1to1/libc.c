/* What is known of the libc's inside. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
