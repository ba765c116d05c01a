/* signals: which LWP gets the program's signals; see signals.c. */
#ifndef MNI_SIGNALS_H
#define MNI_SIGNALS_H

#include <signal.h>

/* Blocks every signal that is sent rather than caused by an instruction; *old: the mask before. */
void mni_signals_block(sigset_t *old);

/* A worker's LWP begins and ends: its alternate stack. */
void mni_signals_worker_start(void);
void mni_signals_worker_end(void);

/* The signal LWP looks for reports to write (progress/report.c).  Contexts: any, signal. */
void mni_signals_ring(void);

/* The signal LWP: 0 or a negative errno.  Its mask is the caller's. */
int mni_signals_start(void);
void mni_signals_stop(void);
/* It blocks these, too, from now on; returns when it does.  Nothing without a runtime. */
void mni_signals_block_more(const sigset_t *set);

#endif
