/* trap: a fault as the end of one process (trap.c). */
#ifndef MNI_TRAP_H
#define MNI_TRAP_H

#include <signal.h>
#include <stdbool.h>

struct mni_thread;

/* Before the first fault is trapped: 0, -ENOTSUP. */
int mni_trap_prepare(void);

/*
 * In the handler, on the alternate stack, of a signal that an instruction of thread t has caused; inside: in
 * the runtime. True: when the handler returns, the thread goes on with the end of its process.
 */
bool mni_trap(struct mni_thread *t, bool inside, const siginfo_t *info, void *context);

#endif
