/* LWPs made by our own clone3. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
