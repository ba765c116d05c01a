/*
 * alias: references by which others may send to a process until it takes them back.
 *
 * The process keeps each among its relations.  A message that comes by one is looked up when the process takes
 * it out of its outer queue (signal.c), and dropped there if the alias has gone; so nobody else has to know
 * about aliases, and a late answer is never in the mailbox.  The reference is never used twice.
 */
#include <errno.h>

#include "export.h"
#include "proc/signal.h"

MN_EXPORT int mn_alias(mn_ref *alias, unsigned flags) {
    if (!alias || flags & ~(unsigned)MN_ALIAS_ONCE)
        return -EINVAL;
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    mn_ref ref = mni_ref_make(c);
    struct mni_msg *m = mni_signal_make(c->proc, MNI_R_ALIAS, mni_pid(p), ref);
    if (m) {
        m->bits = flags & MN_ALIAS_ONCE ? MNI_REL_ONCE : 0;
        mni_rel_add(p, mni_as_rel(m));
        if (p->more) {
            p->more->mark = p->tail;
            p->more->mark_ref = ref;
        }
        *alias = ref;
    }
    mni_leave(c);
    return m ? 0 : -ENOMEM;
}

MN_EXPORT int mn_unalias(mn_ref alias) {
    struct mni_cpu *c;
    struct mni_proc *p = mni_proc_begin(&c);
    if (!p)
        return -EPERM;
    struct mni_rel *r = mni_rel_find(p, MNI_R_ALIAS, alias);
    if (r) {
        mni_rel_remove(p, r);
        mni_block_give(c->proc, 0, r);
    }
    mni_leave(c);
    return r ? 0 : -ENOENT;
}
