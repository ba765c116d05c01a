/* Counts for the diagnostic output (ODONATA_VERBOSE) and thread_1to1.h. */
#ifndef THR_STATS_H
#define THR_STATS_H

#include <stdbool.h>

void stats_start(void);          /* start-up; after thr_verbose is known */
void stats_created(bool reused); /* a thread was created; its LWP was a parked one */
void stats_refused(void);        /* pthread_create failed */

#endif
