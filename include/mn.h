/*
 * mn.h: libmn, an N:M runtime: millions of threads on one kernel thread a CPU.
 *
 *     static int hello(void *arg) {
 *         mn_thread t;
 *         mn_go(&t, work, arg);
 *         return mn_join(t, NULL);
 *     }
 *     int main(void) { return mn_run(hello, NULL, NULL); }
 *
 * Words.  A green thread is a thread of this runtime.  An LWP is a kernel thread; a foreign LWP is one that the
 * runtime did not make: the program's main thread before mn_run, a POSIX thread.  Every function says which of
 * them may call it:
 *     contexts: green     green threads
 *     contexts: any       green threads and foreign LWPs, which then block for real
 *     contexts: signal    signal handlers as well
 *
 * Errors are negative errno values; 0 or more is success.  Nothing sets errno.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC in an int64_t.  A function that blocks has a form with a deadline,
 * which is absolute: mn_after(span) makes one, MN_FOREVER is none, and one that has passed makes the call try
 * once and return -ETIMEDOUT.
 *
 * A green thread may continue on another LWP after any call that can block: the address of a __thread variable
 * is not to be kept across such a call.  errno keeps its value; mn.h makes it an expression that compilers do
 * not cache.
 */
#ifndef MN_H
#define MN_H

#include <mn/cancel.h>
#include <mn/chan.h>
#include <mn/errno.h>
#include <mn/file.h>
#include <mn/future.h>
#include <mn/io.h>
#include <mn/local.h>
#include <mn/net.h>
#include <mn/notifier.h>
#include <mn/offload.h>
#include <mn/proc.h>
#include <mn/progress.h>
#include <mn/registry.h>
#include <mn/resolve.h>
#include <mn/run.h>
#include <mn/scope.h>
#include <mn/statem.h>
#include <mn/stats.h>
#include <mn/sup.h>
#include <mn/sync.h>
#include <mn/thread.h>
#include <mn/time.h>

#endif
