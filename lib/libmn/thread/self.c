/* self: what a thread asks about itself. */
#include "bound.h"
#include "export.h"
#include "sched/sched.h"

MN_EXPORT mn_thread mn_self(void) {
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    mn_thread r = t ? mni_thread_handle(t) : 0;
    if (c)
        mni_leave(c);
    return r;
}

MN_EXPORT int mn_cpu(void) {
    struct mni_cpu *c = mni_enter();
    if (!c)
        return -1;
    int r = (int)c->index;
    mni_leave(c);
    return r;
}

MN_EXPORT const char *mn_name(void) {
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    const char *r = t ? mni_thread_name(t) : NULL;
    if (c)
        mni_leave(c);
    return r;
}

MN_EXPORT void mn_set_name(const char *name) {
    struct mni_cpu *c = mni_enter();
    struct mni_thread *t = c ? c->current : mni_bound_self();
    if (t)
        mni_thread_set_name(t, name);
    if (c)
        mni_leave(c);
}
