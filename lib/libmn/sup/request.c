/*
 * request: what others ask of a supervisor: calls of mn/proc.h, whose bytes are below; the reply's tag is the
 * result.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "fault.h"
#include "freed.h"
#include "sup/sup.h"

/* Then id_size bytes, the zero included, and init_size more. */
struct request {
    enum mni_sup_op op;
    uint32_t id_size;
    uint64_t init_size; /* of a list: how many entries */
    mn_pid pid;
    struct mn_child spec;
};

/* ---- the caller's side */

static int ask_with(mn_pid sup, struct request *q, const char *id, const void *init, struct mn_msg **reply,
                    int64_t deadline) {
    size_t id_size = id ? strlen(id) + 1 : 0, init_size = init ? q->init_size : 0;
    if (id_size > MNI_SUP_ID_MOST + 1 || init_size > UINT32_MAX / 2)
        return -EINVAL;
    char *bytes MNI_FREED =
        fault("malloc") ? NULL : malloc(sizeof *q + id_size + init_size);
    if (!bytes)
        return -ENOMEM;
    q->id_size = (uint32_t)id_size;
    memcpy(bytes, q, sizeof *q);
    if (id)
        memcpy(bytes + sizeof *q, id, id_size);
    if (init_size)
        memcpy(bytes + sizeof *q + id_size, init, init_size);
    return mn_call_until(sup, MNI_SUP_TAG, bytes, sizeof *q + id_size + init_size, reply, deadline);
}

static int64_t ask(mn_pid sup, struct request *q, const char *id, const void *init, mn_pid *pid,
                   int64_t deadline) {
    struct mn_msg *reply;
    int r = ask_with(sup, q, id, init, &reply, deadline);
    if (r < 0)
        return r;
    int64_t result = (int64_t)reply->tag;
    if (result >= 0 && pid && reply->size == sizeof *pid)
        memcpy(pid, reply->data, sizeof *pid);
    mn_msg_free(reply);
    return result;
}

static int ask_id(mn_pid sup, enum mni_sup_op op, const char *id, mn_pid *pid, int64_t deadline) {
    return id ? (int)ask(sup, &(struct request){.op = op}, id, NULL, pid, deadline) : -EINVAL;
}

MN_EXPORT int mn_sup_start_child_until(mn_pid sup, const struct mn_child *child, mn_pid *pid,
                                       int64_t deadline) {
    if (!child || (child->init_size && !child->init))
        return -EINVAL;
    struct request q = {.op = MNI_SUP_START, .init_size = child->init_size, .spec = *child};
    return (int)ask(sup, &q, child->id, child->init, pid, deadline);
}

MN_EXPORT int mn_sup_start_child(mn_pid sup, const struct mn_child *child, mn_pid *pid) {
    return mn_sup_start_child_until(sup, child, pid, MN_FOREVER);
}

MN_EXPORT int mn_sup_stop_child_until(mn_pid sup, const char *id, int64_t deadline) {
    return ask_id(sup, MNI_SUP_STOP_ID, id, NULL, deadline);
}

MN_EXPORT int mn_sup_stop_child(mn_pid sup, const char *id) {
    return mn_sup_stop_child_until(sup, id, MN_FOREVER);
}

MN_EXPORT int mn_sup_stop_pid_until(mn_pid sup, mn_pid child, int64_t deadline) {
    return (int)ask(sup, &(struct request){.op = MNI_SUP_STOP_PID, .pid = child}, NULL, NULL, NULL, deadline);
}

MN_EXPORT int mn_sup_stop_pid(mn_pid sup, mn_pid child) {
    return mn_sup_stop_pid_until(sup, child, MN_FOREVER);
}

MN_EXPORT int mn_sup_restart_child_until(mn_pid sup, const char *id, mn_pid *pid, int64_t deadline) {
    return ask_id(sup, MNI_SUP_RESTART, id, pid, deadline);
}

MN_EXPORT int mn_sup_restart_child(mn_pid sup, const char *id, mn_pid *pid) {
    return mn_sup_restart_child_until(sup, id, pid, MN_FOREVER);
}

MN_EXPORT int mn_sup_delete_child_until(mn_pid sup, const char *id, int64_t deadline) {
    return ask_id(sup, MNI_SUP_DELETE, id, NULL, deadline);
}

MN_EXPORT int mn_sup_delete_child(mn_pid sup, const char *id) {
    return mn_sup_delete_child_until(sup, id, MN_FOREVER);
}

MN_EXPORT int64_t mn_sup_children_until(mn_pid sup, struct mn_child_info *info, size_t n, int64_t deadline) {
    struct request q = {.op = MNI_SUP_LIST, .init_size = info ? n : 0};
    struct mn_msg *reply;
    int64_t r = ask_with(sup, &q, NULL, NULL, &reply, deadline);
    if (r < 0)
        return r;
    r = (int64_t)reply->tag;
    if (reply->size)
        memcpy(info, reply->data, reply->size);
    mn_msg_free(reply);
    return r;
}

MN_EXPORT int64_t mn_sup_children(mn_pid sup, struct mn_child_info *info, size_t n) {
    return mn_sup_children_until(sup, info, n, MN_FOREVER);
}

/* The call is not answered: its end tells the caller. */
MN_EXPORT int mn_sup_stop(mn_pid sup, int64_t deadline) {
    struct mn_msg *reply;
    int r = mn_proc_unlink(sup);
    if (r < 0 && r != -EPERM /* no process: it has no links */)
        return r;
    r = ask_with(sup, &(struct request){.op = MNI_SUP_END}, NULL, NULL, &reply, deadline);
    if (r == 0)
        mn_msg_free(reply);
    return r == -ECONNRESET ? 0 : r;
}

/* ---- the supervisor's side */

/* The caller may wait for it without a deadline: it gets there, if need be when there is memory again. */
static int answer(const struct mn_msg *call, int64_t result, const void *data, size_t size) {
    int r;
    while ((r = mn_reply(call, (uint64_t)result, data, size)) == -ENOMEM && size <= sizeof(mn_pid) &&
           mn_sleep(MNI_SUP_NAP_NS) == 0)
        continue;
    return r;
}

static int start(struct mni_sup *s, struct request *q, const char *id, const void *init, mn_pid *pid) {
    q->spec.id = q->id_size ? id : NULL;
    q->spec.init = q->init_size ? init : NULL;
    int r = mni_child_check(s, &q->spec);
    if (r < 0)
        return r;
    struct mni_child *ch = mni_child_make(&q->spec);
    if (!ch)
        return -ENOMEM;
    mni_child_add(s, ch);
    r = mni_child_start(s, ch);
    *pid = ch->pid;
    if (r < 0)
        mni_child_delete(s, ch);
    else
        mni_child_settle(s, ch);
    return r;
}

static int stop(struct mni_sup *s, struct mni_child *ch) {
    if (!ch)
        return -ENOENT;
    mni_child_stop(s, ch);
    if (ch->spec.restart == MN_TEMPORARY || s->strategy == MN_DYNAMIC)
        mni_child_delete(s, ch);
    return 0;
}

static int restart(struct mni_sup *s, struct mni_child *ch, mn_pid *pid) {
    if (!ch)
        return -ENOENT;
    if (ch->pid || ch->failed)
        return -EBUSY;
    int r = mni_child_start(s, ch);
    *pid = ch->pid;
    return r;
}

static int delete(struct mni_sup *s, struct mni_child *ch) {
    if (!ch)
        return -ENOENT;
    if (ch->pid || ch->failed)
        return -EBUSY;
    mni_child_delete(s, ch);
    return 0;
}

static void list(const struct mni_sup *s, const struct mn_msg *call, size_t most) {
    size_t n = most < s->count ? most : s->count, i = 0;
    struct mn_child_info *info MNI_FREED =
        fault("malloc") ? NULL : calloc(n + 1, sizeof *info);
    if (!info) {
        answer(call, -ENOMEM, NULL, 0);
        return;
    }
    list_each(l, &s->children) {
        const struct mni_child *ch = list_entry(l, struct mni_child, link);
        if (i == n)
            break;
        info[i] = (struct mn_child_info){.pid = ch->pid, .restarts = ch->restarts, .restart = ch->spec.restart,
                                         .supervisor = ch->spec.sup != NULL};
        if (ch->spec.id)
            memcpy(info[i].id, ch->spec.id, strlen(ch->spec.id));
        i++;
    }
    int r = answer(call, (int64_t)s->count, info, n * sizeof *info);
    if (r < 0)
        answer(call, r, NULL, 0);
}

bool mni_sup_request(struct mni_sup *s, const struct mn_msg *call) {
    struct request q;
    if (call->tag != MNI_SUP_TAG || call->size < sizeof q) {
        answer(call, -EINVAL, NULL, 0);
        return true;
    }
    memcpy(&q, call->data, sizeof q);
    const char *id = (const char *)call->data + sizeof q;
    struct mni_child *ch = q.id_size ? mni_child_by_id(s, id) : NULL;
    mn_pid pid = 0;
    int r;
    switch (q.op) {
    case MNI_SUP_START: r = start(s, &q, id, id + q.id_size, &pid); break;
    case MNI_SUP_STOP_ID: r = stop(s, ch); break;
    case MNI_SUP_STOP_PID: r = stop(s, q.pid ? mni_child_by_pid(s, q.pid) : NULL); break;
    case MNI_SUP_RESTART: r = restart(s, ch, &pid); break;
    case MNI_SUP_DELETE: r = delete(s, ch); break;
    case MNI_SUP_LIST: list(s, call, q.init_size); return true;
    case MNI_SUP_END: return false;
    default: r = -EINVAL;
    }
    answer(call, r, pid ? &pid : NULL, pid ? sizeof pid : 0);
    return true;
}
