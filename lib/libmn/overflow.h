/* overflow: saying which thread ran out of stack (overflow.c). */
#ifndef MNI_OVERFLOW_H
#define MNI_OVERFLOW_H

/* The runtime starts and has ended: the handler of SIGSEGV and SIGBUS.  Where it cannot be had there are no reports. */
void mni_overflow_start(void);
void mni_overflow_end(void);

/* An LWP begins and ends to run green threads: its alternate stack. */
void mni_overflow_worker_start(void);
void mni_overflow_worker_end(void);

#endif
