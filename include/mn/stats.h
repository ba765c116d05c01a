/* mn/stats.h: statistics, dumps, stack report. */
#ifndef MN_STATS_H
#define MN_STATS_H

#include <mn/thread.h>

#endif
