/* workers: 1 2 64 */
/*
 * The same as stress_sched, while cpus are taken from their workers at random (MN_SHAKE,
 * lib/libmn/sched/shake.c).  Threads stay in their own code for longer: that is where a cpu can be taken.
 */
#define SPIN 100000
#define PREPARE() setenv("MN_SHAKE", "3", 0)
#include "stress_sched.c"
