/* crash: faults of the program's code (crash.c). */
#ifndef MNI_CRASH_H
#define MNI_CRASH_H

#include <stdbool.h>
#include <stddef.h>

struct mni_thread;

/* The runtime starts and has ended: the handler.  Where it cannot be had there are no reports. */
void mni_crash_start(void);
void mni_crash_end(void);

/* Faults of processes are trapped from now on: the handler is for SIGFPE and SIGILL, too. */
void mni_crash_trap(void);

/* An LWP begins and ends to run green threads: its alternate stack. */
void mni_crash_worker_start(void);
void mni_crash_worker_end(void);

/* crash_report.c, signal safe: whether the address of a fault lies in the guard of the thread's stack, and the
 * report of that. */
bool mni_overflowed(const struct mni_thread *t, const void *address);
void mni_overflow_report(const struct mni_thread *t, const void *address, const void *context);

/* On standard error: what snprintf made, n being what it returned; cut at size. */
void mni_crash_line(const char *line, size_t size, int n);

#endif
