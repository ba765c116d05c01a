/* The signal by which a thread that computes is asked where it is (progress/stall.c). */
#ifndef MNI_OS_STALL_SIGNAL_H
#define MNI_OS_STALL_SIGNAL_H

#include <signal.h>

enum { MNI_STALL_SIGNAL = SIGSTKFLT }; /* "stack fault on a coprocessor": neither the kernel nor the libc sends it */

#endif
