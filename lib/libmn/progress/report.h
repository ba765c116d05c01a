/* report: what sysmon has found is written by the signal LWP; see report.c. */
#ifndef MNI_REPORT_H
#define MNI_REPORT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct mni_runtime;

enum { MNI_REPORT_DEADLOCK = 1, MNI_REPORT_STALL = 2, MNI_REPORT_QUOTA = 4 };

/* Has the signal LWP do it soon.  Contexts: any, signal. */
void mni_report_ring(unsigned what);

/* On the signal LWP: does what was asked for; false: nothing was. */
bool mni_report_run(void);

/* deadlock.c.  Whether it seems that nothing will ever run: cheap; all workers sleep. */
bool mni_deadlock_seems(const struct mni_runtime *rt);
/* Makes sure, and reports it.  Called by the signal LWP. */
void mni_deadlock_check(void);
/* A check was asked for, and could not say yes: MN time when the next is worth while; MN_FOREVER: never, as
 * things are. */
int64_t mni_deadlock_again(void);
void mni_deadlock_start(const struct mni_runtime *rt);

/* quota_watch.c. */
void mni_quota_watch(void);

/* stall.c.  sysmon's: `most` ns have passed since the last look, at most. */
void mni_stall_look(const struct mni_runtime *rt, int64_t passed);
/* Threads may be running on LWPs that have no cpu, and are watched: ns until the next look; 0: no need. */
int64_t mni_stall_wants(void);
void mni_stall_report(void);
bool mni_stall_handler(const struct sigaction *a); /* it is ours */
void mni_stall_start(const struct mni_runtime *rt);
uint64_t mni_stalls(void);

#endif
