/* Start-up. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "sys.h"
#include "thr.h"

__thread struct thr thr_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

int thr_verbose;

uint32_t thr_tid_slow(void) {
    return thr_self()->tid = (uint32_t)sys(SYS_gettid);
}
