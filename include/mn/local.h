/* mn/local.h: thread-local values. */
#ifndef MN_LOCAL_H
#define MN_LOCAL_H

#include <mn/thread.h>

#endif
