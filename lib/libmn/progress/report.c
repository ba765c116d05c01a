/*
 * report: sysmon finds, the signal LWP reports.
 *
 * A report takes the loader's lock, allocates, writes to a pipe that may be full, and calls the program's
 * function.  sysmon must wait for none of these: the thread that holds the lock may be the very one that is to
 * lose its CPU.
 */
#include "report.h"

#include "atomic.h"
#include "sched/signals.h"

static uint32_t asked; /* atomic: MNI_REPORT_* */

void mni_report_ring(unsigned what) {
    /* Full: pairs with the swap below; then the ring. */
    if ((a32_or_full(&asked, what) & what) != what)
        mni_signals_ring();
}

bool mni_report_run(void) {
    /* Full: what the asker wrote before is seen. */
    uint32_t what = a32_swap_full(&asked, 0);
    if (what & MNI_REPORT_DEADLOCK)
        mni_deadlock_check();
    if (what & MNI_REPORT_STALL)
        mni_stall_report();
    if (what & MNI_REPORT_QUOTA)
        mni_quota_watch();
    return what != 0;
}
