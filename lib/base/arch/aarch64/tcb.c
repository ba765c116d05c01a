#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "tcb.h"

uintptr_t tcb_below;
