/* Which features ODONATA_DISABLE lists. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "feature.h"

#include <stdlib.h>
#include <string.h>

#include "atomic.h"

enum { KNOWN = 1u << MNI_FEATURES };

static const char *const name[MNI_FEATURES] = {
    [MNI_EPOLL_PWAIT2] = "epoll_pwait2",       [MNI_GUARD] = "guard",
    [MNI_MEMBARRIER] = "membarrier",           [MNI_PIDFD] = "pidfd",
    [MNI_PROCESS_MADVISE] = "process_madvise", [MNI_PROCESS_VM_READV] = "process_vm_readv",
    [MNI_PROC_EVENTS] = "proc_events",         [MNI_QUICK] = "quick",
    [MNI_RESOLVE_CACHED] = "resolve_cached",   [MNI_RWF_NOWAIT] = "rwf_nowait",
};

static uint32_t disabled; /* bits 1 << feature; KNOWN.  Atomic, relaxed: nothing else goes with it */

static bool lists(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == 0))
            return true;
    return false;
}

void mni_features_read(void) {
    const char *list = secure_getenv("ODONATA_DISABLE");
    uint32_t bits = KNOWN;
    for (int i = 0; list && i < MNI_FEATURES; i++)
        bits |= (uint32_t)lists(list, name[i]) << i;
    a32_store(&disabled, bits);
}

bool mni_feature(enum mni_feature feature) {
    if (!a32_load(&disabled))
        mni_features_read();
    return !(a32_load(&disabled) >> feature & 1);
}
