/* What fork means for us. */
#ifndef THR_FORK_H
#define THR_FORK_H

void fork_init(void);

/* atfork.c: pthread_atfork for this library itself */
int thr_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* init.c */
void thr_init_lock_for_fork(void);
void thr_init_unlock_after_fork(void);
void thr_init_in_child(void);

#endif
