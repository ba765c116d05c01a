/* What fork means for us. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
