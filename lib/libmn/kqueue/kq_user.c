/* kq_user: EVFILT_USER: events of the program's own. */
#include "kq.h"

static void trigger(struct mni_kq *kq, struct mni_note *n, bool now) {
    if (now)
        n->user.triggered = 1;
    if (n->user.triggered)
        mni_note_activate(kq, n);
}

static int attach(struct mni_kq *kq, struct mni_note *n) {
    bool now = n->ev.fflags & NOTE_TRIGGER;
    n->ev.fflags &= NOTE_FFLAGSMASK;
    trigger(kq, n, now);
    return 0;
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    unsigned given = change->fflags & NOTE_FFLAGSMASK;
    switch (change->fflags & NOTE_FFCTRLMASK) {
    case NOTE_FFAND:
        n->ev.fflags &= given;
        break;
    case NOTE_FFOR:
        n->ev.fflags |= given;
        break;
    case NOTE_FFCOPY:
        n->ev.fflags = given;
        break;
    default:
        break;
    }
    n->ev.data = change->data;
    if (change->flags & EV_CLEAR) {
        n->user.triggered = 0;
        mni_note_calm(kq, n);
    }
    trigger(kq, n, change->fflags & NOTE_TRIGGER);
    return 0;
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    trigger(kq, n, false);
    return 0;
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    (void)kq;
    (void)e;
    if (!n->user.triggered)
        return MNI_REPORT_NO;
    if (n->ev.flags & (EV_CLEAR | EV_DISPATCH))
        n->user.triggered = 0;
    return MNI_REPORT_AGAIN;
}

const struct mni_filter mni_filter_user = {attach, NULL, touch, enable, report, NULL};
