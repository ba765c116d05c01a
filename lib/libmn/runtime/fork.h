/* fork: the runtime in the child of a fork; see fork.c. */
#ifndef MNI_FORK_H
#define MNI_FORK_H

#include <stdbool.h>

/* The caller was a green or a bound thread, whose process forked there: its stack, and nothing else of it,
 * is left. */
bool mni_orphaned(void);
/* Ends the process, if so: its only thread has come to its end. */
void mni_orphan_end(int status);

/* Each part forgets what it had. */
void mni_run_forked(void);
void mni_workers_forked(void);
void mni_idle_forked(void);
void mni_table_forked(void);
void mni_procs_forked(void);
void mni_bound_forked(void);
void mni_kq_forked(void);
/* own: the LWP was one of the runtime's, and gets the program's mask back. */
void mni_signals_forked(bool own);

#endif
