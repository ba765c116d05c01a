/* What a process can still do while it ends, and what others see of it: deferred calls, terminate,
 * descriptors, full mailboxes. */
#include "proc_actor.h"
#include "procfs.h"

#include <fcntl.h>
#include <malloc.h>
#include <mn/net.h>
#include <sys/select.h>
#include <sys/socket.h>

static mn_pid server_pid;

static int server(void *arg) {
    (void)arg;
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        if (m->type == MN_MSG_CALL && m->tag != 0)
            mn_reply(m, m->tag, NULL, 0);
        mn_msg_free(m);
    }
}

/* ---- calls in what was deferred */

static int called, lost, received;

static void calls(void *arg) {
    (void)arg;
    struct mn_msg *m;
    called = mn_call_until(server_pid, 7, NULL, 0, NULL, mn_after(50000000000));
    lost = mn_call_until(server_pid + ((mn_pid)1 << 32), 7, NULL, 0, NULL, mn_after(50000000000));
    received = mn_receive_until(&m, mn_after(50000000000));
}

enum { RETURNS, EXITS, IS_KILLED, IS_KILLED_IN_CALL };
static atomic_int begun;

static void await(int n) {
    while (begun < n)
        mn_sleep(100000);
    mn_sleep(2000000); /* until it waits, most likely */
}

static int ends(void *arg) {
    mn_defer(calls, NULL);
    begun = 1;
    switch ((int)(intptr_t)arg) {
    case EXITS: mn_proc_exit(2000);
    case IS_KILLED: mn_sleep(MN_FOREVER); break;
    case IS_KILLED_IN_CALL: mn_call(server_pid, 0, NULL, 0, NULL); break; /* one that is not answered */
    default: break;
    }
    return 0;
}

static void deferred(void) {
    mn_spawn(&server_pid, server, NULL);
    for (int how = RETURNS; how <= IS_KILLED_IN_CALL; how++) {
        called = lost = received = 1;
        begun = 0;
        mn_pid pid = spawn_watched(ends, (void *)(intptr_t)how, 0);
        if (how >= IS_KILLED) {
            await(1);
            mn_exit_signal(pid, MN_REASON_KILL);
        }
        mn_msg_free(next_msg());
        is(called, 0, "a deferred call is answered (%d)", how);
        is(lost, -ESRCH, "or learns that there is nobody");
        is(received, -ECANCELED, "messages do not come any more");
        struct mn_proc_state st;
        is(mn_proc_info(server_pid, &st), 0, "the server lives");
        is(st.relations, 0, "and nothing of the calls is left there");
    }
    mn_exit_signal(server_pid, MN_REASON_KILL);
    await_end(server_pid);
}

/* ---- terminate */

static int terminated;
static int64_t terminated_for;

static int leaves(void *state, struct mn_msg *m) {
    (void)state;
    if (m->tag == 1)
        mn_proc_exit(2001);
    return MN_STOP;
}

static void terminate(void *state, int64_t reason) {
    (void)state;
    terminated++;
    terminated_for = reason;
    mn_yield();
    mn_proc_exit(2002); /* changes nothing */
}

static void handlers(void) {
    static const struct mn_handler h = {.handle_message = leaves, .terminate = terminate};
    for (int by_exit = 0; by_exit < 2; by_exit++) {
        mn_pid pid;
        mn_ref ref;
        terminated = 0;
        mn_spawn_handler(&pid, &h, NULL, 0, NULL);
        mn_monitor(pid, &ref);
        mn_post(pid, (uint64_t)by_exit, NULL, 0);
        ok(comes(MN_MSG_DOWN, pid, by_exit ? 2001 : MN_REASON_NORMAL), "a handler ends");
        is(terminated, 1, "terminate is called once");
        is((long)terminated_for, by_exit ? 2001 : MN_REASON_NORMAL, "with the reason");
    }
}

/* ---- what callbacks defer */

static char ran[20];

static void runs(void *arg) {
    strncat(ran, arg, 1);
    mn_sleep(1000); /* it may block, and a call is answered */
    if (*(char *)arg == 'x')
        mn_proc_exit(2003);
}

static void terminates(void *state, int64_t reason) {
    (void)state, (void)reason;
    strcat(ran, "t");
}

static atomic_int handled; /* messages whose functions are deferred by now */

enum { AND_GOES_ON, AND_STOPS, AND_EXITS, AND_BLOCKS, AND_UNDEFERS };

static int defers(void *state, struct mn_msg *m) {
    (void)state;
    static char names[] = "abcdx";
    int failed = 0;
    for (int i = 0; i < 3; i++)
        failed += mn_defer(runs, &names[i]) != 0;
    handled++;
    switch (m->tag) {
    case AND_GOES_ON: return failed;
    case AND_EXITS: mn_proc_exit(2001);
    case AND_BLOCKS: mn_sleep(3000000); return MN_GO_ON;
    case AND_UNDEFERS:
        failed += mn_undefer(true) + mn_undefer(false) + mn_undefer(false);
        return mn_undefer(true) == -ENOENT && !failed ? MN_STOP : -EIO;
    default: mn_defer(runs, &names[4]); return MN_STOP;
    }
}

static void callbacks(void) {
    static const struct mn_handler h = {.handle_message = defers, .terminate = terminates};
    static const struct {
        const char *messages, *runs;
        int64_t reason;
    } cases[] = {{"01", "txcbacba", MN_REASON_NORMAL},
                 {"02", "tcbacba", 2001},
                 {"03", "cbacba", MN_REASON_KILLED},
                 {"4", "ct", MN_REASON_NORMAL}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        mn_pid pid, other;
        mn_ref ref;
        ran[0] = 0;
        mn_spawn_handler(&pid, &h, NULL, 0, NULL);
        mn_spawn_handler(&other, &h, NULL, 0, NULL);
        mn_monitor(pid, &ref);
        handled = 0;
        mn_post(other, AND_GOES_ON, NULL, 0);
        for (const char *s = cases[i].messages; *s; s++)
            mn_post(pid, (uint64_t)(*s - '0'), NULL, 0);
        if (cases[i].reason == MN_REASON_KILLED) {
            while (handled < 3)
                mn_yield();
            mn_exit_signal(pid, MN_REASON_KILL);
        }
        ok(comes(MN_MSG_DOWN, pid, cases[i].reason), "a handler whose callbacks defer functions ends");
        ok(strcmp(ran, cases[i].runs) == 0, "they run then: %s", ran);
        ran[0] = 0;
        while (handled < 1 + (int)strlen(cases[i].messages))
            mn_yield(); /* pid's are: so other's is */
        mn_monitor(other, &ref);
        mn_exit_signal(other, 2004);
        ok(comes(MN_MSG_DOWN, other, 2004), "another");
        ok(strcmp(ran, "tcba") == 0, "has its own: %s", ran);
    }
}

/* ---- descriptors */

static int fds[2];

static int owns(void *arg) {
    (void)arg;
    mn_own_fd(fds[0]);
    begun++;
    mn_sleep(MN_FOREVER);
    return 0;
}

static int reads(void *arg) {
    char byte;
    begun++;
    *(int *)arg = (int)mn_read_until(fds[0], &byte, 1, mn_after(50000000000));
    return 0;
}

static void descriptors(void) {
    int r = 1;
    begun = 0;
    is(mn_pipe(fds), 0, "a pipe");
    mn_pid owner, reader = spawn_watched(reads, &r, 0);
    mn_spawn(&owner, owns, NULL);
    await(2);
    mn_exit_signal(owner, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, reader, MN_REASON_NORMAL), "who reads from it goes on");
    is(r, -EBADF, "and knows that it was closed");
    mn_close(fds[1]);
}

static int closes(void *arg) {
    int *fd = arg;
    mn_own_fd(fd[0]);
    mn_own_fd(fd[0]);
    mn_own_fd(fd[1]);
    if (fd[2])
        mn_close(fd[0]);
    struct mn_msg *m;
    return mn_receive(&m);
}

/* Many: some are closed or given up before the end. */
enum { MANY_FDS = 600 };
static int many[MANY_FDS];

static int owns_many(void *arg) {
    int wrong = 0;
    (void)arg;
    for (int i = 0; i < MANY_FDS; i++)
        wrong += mn_own_fd(many[i]) != 0 || mn_put((uint64_t)many[i], &many[i]) != 0;
    for (int i = 0; i < MANY_FDS; i++)
        if (i % 3 == 0)
            wrong += mn_disown_fd(many[i]) != 0 || mn_disown_fd(many[i]) != -EBADF ||
                     mn_put((uint64_t)many[i], NULL) != 0;
        else if (i % 3 == 1)
            wrong += mn_close(many[i]) != 0 || mn_disown_fd(many[i]) != -EBADF;
    for (int i = 0; i < MANY_FDS; i++)
        wrong += mn_get((uint64_t)many[i]) != (i % 3 ? &many[i] : NULL);
    return wrong ? -wrong : 0;
}

static void many_owned(void) {
    int wrong = 0;
    for (int i = 0; i < MANY_FDS; i++)
        wrong += (many[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0;
    is(wrong, 0, "%d descriptors", MANY_FDS);
    mn_pid pid = spawn_watched(owns_many, NULL, 0);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "a process owns them, closes some and gives some up");
    for (int i = 0; i < MANY_FDS; i++)
        wrong += (fcntl(many[i], F_GETFD) >= 0) != (i % 3 == 0);
    is(wrong, 0, "those that it has given up are open after its end, and no others");
    for (int i = 0; i < MANY_FDS; i += 3)
        mn_close(many[i]);
}

static void reused(void) {
    for (int by_owner = 0; by_owner < 2; by_owner++) {
        int fd[3], other[2];
        mn_pipe(fd);
        fd[2] = by_owner;
        mn_pid owner = spawn_watched(closes, fd, 0);
        until_waits(owner, "message");
        if (!by_owner)
            mn_close(fd[0]);
        mn_pipe(other);
        is(other[0], fd[0], "a number is used again");
        mn_exit_signal(owner, MN_REASON_KILL);
        ok(comes(MN_MSG_DOWN, owner, MN_REASON_KILLED), "its former owner ends");
        is(mn_write(other[1], "x", 1), 1, "and does not close it");
        is(mn_write(fd[1], "x", 1), -EBADF, "but the other one");
        mn_close(other[0]);
        mn_close(other[1]);
    }
    int fd[2];
    mn_pipe(fd);
    is(mn_own_fd(fd[0]), 0, "mn_own_fd");
    is(mn_adopt(fd[0]), 0, "before mn_adopt");
    is(mn_disown_fd(fd[0]), 0, "mn_disown_fd after it");
    is(mn_disown_fd(fd[0]), -EBADF, "once");
    is(mn_own_fd(-1), -EBADF, "mn_own_fd of what is none");
    is(mn_own_fd(1 << 20), -EBADF, "of a number that is not open");
    mn_close(fd[0]);
    mn_close(fd[1]);
}

/* ---- mailboxes */

static int selects(void *arg) {
    (void)arg;
    struct mn_msg *m;
    int r = mn_receive_match_until(&m, &(struct mn_match){.fields = MN_MATCH_TAG, .tag = 99},
                                   mn_after(50000000000));
    return r < 0 ? r : 0;
}

static int to_itself(void *arg) {
    int *r = arg;
    r[0] = mn_post(mn_pid_self(), 1, NULL, 0);
    r[1] = mn_post_until(mn_pid_self(), 1, NULL, 0, mn_after(50000000000));
    return 0;
}

static void mailboxes(void) {
    mn_pid pid;
    mn_ref ref;
    mn_spawn_opt(&pid, &(struct mn_spawn_attr){.mailbox = 4, .policy = MN_MAILBOX_DROP_OLD}, selects, NULL);
    mn_monitor(pid, &ref);
    for (int i = 0; i < 20; i++) {
        mn_sleep(100000); /* it looks in between */
        for (int k = 0; k < 7; k++)
            mn_post(pid, 1, NULL, 0);
    }
    struct mn_proc_state st; /* where it does not look in time, the sender's is the one that goes */
    while (mn_proc_info(pid, &st) == 0 && (mn_post(pid, 99, NULL, 0), true))
        mn_sleep(100000);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "a message is found where those before it were dropped");

    int r[2] = {1, 1};
    mn_spawn_opt(&pid, &(struct mn_spawn_attr){.mailbox = 1}, to_itself, r);
    mn_monitor(pid, &ref);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_NORMAL), "one that sends to itself ends");
    is(r[0], 0, "there was room for one");
    is(r[1], -EDEADLK, "and nobody makes more");
}

/* ---- a sender that is killed while it waits */

static mn_pid full;
static int made, released;

static void release(void *data) {
    (void)data;
    released++;
}

static int waits(void *arg) {
    (void)arg;
    mn_sleep(MN_FOREVER);
    return 0;
}

static int sends(void *arg) {
    (void)arg;
    for (made = 1; mn_post_ref(full, 1, &made, 1, release) == 0; made++)
        continue;
    return -EIO;
}

static void senders(void) {
    mn_spawn_opt(&full, &(struct mn_spawn_attr){.mailbox = 2}, waits, NULL);
    mn_pid pid = spawn_watched(sends, NULL, 0);
    mn_sleep(2000000);
    mn_exit_signal(pid, MN_REASON_KILL);
    ok(comes(MN_MSG_DOWN, pid, MN_REASON_KILLED), "a sender is killed");
    mn_exit_signal(full, MN_REASON_KILL);
    await_end(full);
    is(released, made, "all that it sent, or wanted to, is released");
}

/* ---- a supervisor that stops many at once, some of which do not heed it */

static int stubborn(void *arg) {
    (void)arg;
    mn_trap_exit(true);
    for (;;) {
        struct mn_msg *m;
        int r = mn_receive(&m);
        if (r < 0)
            return r;
        mn_msg_free(m);
    }
}

static int heeds(void *state, struct mn_msg *m) {
    (void)state, (void)m;
    return MN_GO_ON;
}

static void supervisors(void) {
    static const struct mn_handler h = {.handle_message = heeds};
    mn_pid sup, pid = 0;
    is(mn_sup_start(&sup, &(struct mn_sup){.strategy = MN_DYNAMIC}), 0, "a dynamic supervisor");
    int failed = 0;
    for (int i = 0; i < 20000; i++)
        failed += mn_sup_start_child(sup, &(struct mn_child){.handler = &h}, NULL) < 0;
    for (int i = 0; i < 6; i++)
        failed +=
            mn_sup_start_child(
                sup,
                &(struct mn_child){.fn = stubborn, .shutdown = i == 5 ? MN_SHUTDOWN_KILL : i * 3000000 + 1},
                &pid) < 0;
    is(failed, 0, "its children");
    is(mn_sup_stop(sup, MN_FOREVER), 0, "stops");
    ok(!mn_alive(pid), "with all of them");
}

/* ---- killed between a call that makes something, and the one that makes it the process's */

static int owns_late(void *arg) {
    (void)arg;
    mn_shield(true);
    mn_exit_signal(mn_pid_self(), MN_REASON_KILL);
    mn_shield(false);
    mn_own_fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    return 0;
}

static int opens(void *arg) {
    while (arg) {
        int fd = mn_open("/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
        if (fd >= 0 && mn_own_fd(fd) == 0)
            mn_close(fd);
    }
    return 0;
}

static int pair[2], file;

static int selects_fds(void *arg) {
    (void)arg;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    return mn_select_fds_until(FD_SETSIZE, &set, NULL, NULL, MN_FOREVER);
}

static int sends_file(void *arg) {
    (void)arg;
    off_t at = 0;
    return (int)mn_sendfile(pair[1], file, &at, 8 << 20);
}

/* Descriptors that come with a message. */
static int receives(void *arg) {
    char byte;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec v = {&byte, 1};
    struct mn_event event = MN_EVENT_INIT;
    for (;;) {
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        if (mn_recvmsg(*(int *)arg, &m, MSG_CMSG_CLOEXEC) < 0)
            return 0;
        int *got = (int *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
        mn_close(got[0]);
        mn_close(got[1]);
        for (int i = 0; i < 1000; i++) /* the slice is over, and the next call that may block ends it */
            mn_event_set(&event);
    }
}

static void sends_fds(int fd) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), (int[]){0, 0}, 2 * sizeof(int));
    if (mn_sendmsg(fd, &m, 0) != 1)
        abort();
}

/* Its slice ends at the end of a call that has brought some: killed then, it does not come back from it. */
static void killed_receiving(void) {
    int s[2];
    char byte;
    /* The first wait for a descriptor opens some of the runtime's own. */
    if (mn_socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0 ||
        mn_recv_until(s[0], &byte, 1, 0, mn_after(1000000)) != -ETIMEDOUT)
        abort();
    int before = count_fds();
    mn_close(s[0]);
    mn_close(s[1]);
    for (int i = 0; i < 20; i++) {
        mn_pid pid;
        if (mn_socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
            abort();
        for (int n = 0; n < 100; n++)
            sends_fds(s[1]);
        mn_spawn(&pid, receives, &s[0]);
        mn_yield();
        mn_exit_signal(pid, MN_REASON_KILL);
        await_end(pid);
        mn_close(s[0]);
        mn_close(s[1]);
    }
    is(count_fds() + 2, before, "descriptors that came with a message");
}

static int dials(void *arg) {
    return mn_dial_unix(arg);
}

static void killed_dialling(void) {
    long before = count_fds();
    int listener = mn_listen_unix("@mn-proc-ends", 1), dialled[2];
    for (int i = 0; i < 2; i++)
        dialled[i] = mn_dial_unix("@mn-proc-ends");
    for (int i = 0; i < 5; i++) {
        mn_pid pid;
        mn_spawn(&pid, dials, "@mn-proc-ends");
        until_waits(pid, "connect");
        mn_exit_signal(pid, MN_REASON_KILL);
        await_end(pid);
    }
    mn_close(dialled[0]);
    mn_close(dialled[1]);
    mn_close(listener);
    is(count_fds(), before, "descriptors of who is killed while it dials");
}

/* Starts fn and kills it, again and again: how many bytes were left each time. */
static int64_t left_by(int (*fn)(void *), const char *waits) {
    enum { TIMES = 50 };
    size_t before = 0;
    for (int i = 0; i < TIMES + 10; i++) {
        mn_pid pid;
        mn_spawn(&pid, fn, &pid);
        if (waits)
            until_waits(pid, waits);
        else
            mn_sleep(i * 5000);
        mn_exit_signal(pid, MN_REASON_KILL);
        await_end(pid);
        if (i == 9)
            before = mallinfo2().uordblks;
    }
    return ((int64_t)mallinfo2().uordblks - (int64_t)before) / TIMES;
}

static void killed_in_between(void) {
    long before = count_fds();
    for (int i = 0; i < 20; i++) {
        mn_pid pid;
        mn_spawn(&pid, owns_late, NULL);
        await_end(pid);
    }
    is(count_fds(), before, "descriptors that a process that is to end makes its own");
    left_by(opens, NULL);
    is(count_fds(), before, "descriptors that a process did not get any more");
    killed_receiving();
    killed_dialling();
    file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, 8 << 20) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        skip("no file without a name here");
        return;
    }
    int64_t bytes = left_by(selects_fds, "poll");
    ok(bytes < 1000, "killed in mn_select_fds: %ld bytes each", (long)bytes);
    bytes = left_by(sends_file, "writable");
    ok(bytes < 1000, "killed in mn_sendfile: %ld bytes each", (long)bytes);
    close(pair[0]), close(pair[1]), close(file);
}

static int all(void *arg) {
    (void)arg;
    mn_attach();
    deferred();
    killed_in_between();
    handlers();
    callbacks();
    descriptors();
    many_owned();
    reused();
    mailboxes();
    senders();
    supervisors();
    return 0;
}

int main(void) {
    is(mn_run(all, NULL, NULL), 0, "mn_run");
    return done();
}
