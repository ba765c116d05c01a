/* down: monitors that belong to no process: those of names and groups (registry/registry.h). */
#ifndef MNI_DOWN_H
#define MNI_DOWN_H

#include <mn/msg.h>

struct mni_cpu;

/* The process that was monitored has ended.  Inside the runtime; the caller holds no lock. */
void mni_registry_down(struct mni_cpu *c, mn_ref ref);

void mni_registry_stop(void);
void mni_registry_forked(void);

#endif
