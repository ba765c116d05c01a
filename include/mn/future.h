/* mn/future.h: futures. */
#ifndef MN_FUTURE_H
#define MN_FUTURE_H

#include <mn/thread.h>

#endif
