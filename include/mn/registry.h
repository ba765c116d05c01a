/*
 * mn/registry.h: names for processes, and groups of processes.
 *
 * Both forget a process when it ends; a pid that is looked up may be that of a process which ends at this
 * moment, and a message to it is dropped, as always.  Names are strings of 1 to 255 bytes; they are copied.
 */
#ifndef MN_REGISTRY_H
#define MN_REGISTRY_H

#include <mn/proc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names: each is one process's; a process may have several */

/*
 * Gives a process a name.
 *   -EEXIST   another process has it, or it has it already
 *   -ESRCH    there is no such process
 *   -EINVAL   no name, or one that is too long
 *   -ENOMEM; -EPERM: no runtime runs
 * Contexts: any.
 */
int mn_register(const char *name, mn_pid pid);

/* Takes the name away, whose ever it is.  -ENOENT: nobody has it.  Contexts: any. */
int mn_unregister(const char *name);

/* Whose name it is; 0: nobody's.  Contexts: any. */
mn_pid mn_whereis(const char *name);

/* One name and its process. */
struct mn_name_info {
    mn_pid pid;
    char name[256];
};

/* Fills in at most n names, in no order, and returns how many there are.  Contexts: any. */
int64_t mn_registered(struct mn_name_info *names, size_t n);

/* The same with the names of one process. */
int64_t mn_names_of(mn_pid pid, struct mn_name_info *names, size_t n);

/* As mn_post, mn_post_until, mn_call_until and mn_monitor, to whom has the name now.  -ENOENT: nobody;
 * mn_monitor_name then tells by a DOWN message. */
int mn_post_name(const char *name, uint64_t tag, const void *data, size_t size);
int mn_post_name_until(const char *name, uint64_t tag, const void *data, size_t size, int64_t deadline);
int mn_call_name(const char *name, uint64_t tag, const void *data, size_t size, struct mn_msg **reply,
                 int64_t deadline);
int mn_monitor_name(const char *name, mn_ref *ref);

/* Of a DOWN message: by which name the process was monitored, as long as the message is there.  NULL: by none;
 * another message.  Contexts: any. */
const char *mn_msg_name(const struct mn_msg *msg);

/* ---- groups: a group exists as long as it has members, or somebody watches it */

/*
 * Makes a process a member; as often as that is done, it has to leave.
 *   -ESRCH, -EINVAL, -ENOMEM, -EPERM   as mn_register
 * Contexts: any.
 */
int mn_group_join(const char *group, mn_pid pid);

/* Takes one membership back.  -ENOENT: there is none.  Contexts: any. */
int mn_group_leave(const char *group, mn_pid pid);

/* Fills in at most n members, the oldest first, and returns how many there are; 0 also without a group.
 * Contexts: any. */
int64_t mn_group_members(const char *group, mn_pid *pids, size_t n);

/*
 * Sends a message, as mn_post, to each member in turn, and returns how many there were.  A full mailbox that
 * blocks senders holds up those after it; the second form says for how long, for all together.
 *   -ETIMEDOUT   some had no room by the deadline, and did not get it; all others did
 *   -ECANCELED   while a member blocked it: those before that one have got it
 *   -ENOMEM      without the memory for the list nothing was sent; without that for a message, not to all
 * Contexts: any.
 */
int64_t mn_group_post(const char *group, uint64_t tag, const void *data, size_t size);
int64_t mn_group_post_until(const char *group, uint64_t tag, const void *data, size_t size, int64_t deadline);

/*
 * From now on the caller gets a message of type MN_MSG_JOINED or MN_MSG_LEFT with this reference for each
 * process that joins or leaves (or ends), `from` saying which.  mn_group_unwatch: no more; those that wait in
 * the mailbox stay.  -ENOENT.
 *   -EPERM   the caller is no process
 *   -EINVAL, -ENOMEM
 * Contexts: green.
 */
int mn_group_watch(const char *group, mn_ref *ref);
int mn_group_unwatch(mn_ref ref);

#ifdef __cplusplus
}
#endif

#endif
