/* sem_open, sem_close, sem_unlink. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"
