/*
 * backtrace: where the calling thread is, for diagnosis.
 *
 * The walk is libunwind's.  Its shared object also exports the _Unwind_* functions and, loaded before libgcc_s,
 * breaks every C++ throw; so it is never linked, but loaded with dlopen and RTLD_LOCAL when a backtrace is
 * first asked for.  Where it is missing there are no backtraces, and backtrace_print() says so.
 */
#ifndef OD_BACKTRACE_H
#define OD_BACKTRACE_H

/*
 * Loads what backtrace_take() needs: 0, or -ENOENT when there is no libunwind.  Calls dlopen, so it allocates
 * and takes the loader's lock: not from a signal handler, and not while a lock of ours is held.  Only the first
 * call does work.
 */
int backtrace_prepare(void);

/*
 * The return addresses of the calling thread, innermost first, without the innermost `skip` (0: the first is in
 * the caller).  Returns how many, at most max; 0 when there is no unwinder.  After backtrace_prepare() it
 * allocates nothing; before it, it calls backtrace_prepare().
 */
int backtrace_take(void **pcs, int max, int skip);

/*
 * The same for a context that does not run, or that a signal interrupted: a ucontext_t whose registers that
 * survive calls, stack pointer and program counter count.  interrupted: the program counter is that of the next
 * instruction and not a return address.  The first address is the context's own.  Memory is looked at before it
 * is read, so a context that makes no sense gives nonsense and no fault.
 */
int backtrace_take_from(const void *ucontext, int interrupted, void **pcs, int max);

/* Writes a line for each address to fd: its number, the address, the nearest symbol and the object it lies in.
 * With n == 0, a line that says why there is none.  Takes the loader's lock. */
void backtrace_print(int fd, void *const *pcs, int n);

#endif
