/*
 * Confinement and credentials are a thread's own: what a thread did to itself (prctl, capset, setfsuid,
 * seccomp, unshare) is not in later threads of an unconfined creator, and what the creator did is in all its
 * later threads: no thread escapes a sandbox that its creator is in.  Each case runs in a forked child.
 */
#include "life.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static void run(void *(*fn)(void *), void *arg) {
    pthread_t t;
    check(pthread_create(&t, NULL, fn, arg) == 0);
    check(pthread_join(t, NULL) == 0);
}

/* Leaves some LWPs parked, where LWPs are parked at all. */
static void park_some(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        check(pthread_create(&t[i], NULL, do_nothing, NULL) == 0);
    for (int i = 0; i < 4; i++)
        check(pthread_join(t[i], NULL) == 0);
}

/* ---- capabilities */
static unsigned long long effective(void) {
    return (unsigned long long)proc_field("/proc/thread-self/status", "CapEff", 16);
}
static void *cap_get(void *arg) {
    *(unsigned long long *)arg = effective();
    return NULL;
}
static void drop_caps(void) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    memset(d, 0, sizeof d);
    check(syscall(SYS_capset, &h, d) == 0);
}
static void *cap_drop(void *arg) {
    drop_caps();
    check(effective() == 0);
    return arg;
}
static int caps_of_former(void) {
    unsigned long long mine = effective(), seen;
    for (int i = 0; i < 3; i++) {
        run(cap_drop, NULL);
        run(cap_get, &seen);
        check(seen == mine);
    }
    return check_failed;
}
static int caps_of_creator(void) {
    unsigned long long seen = 1;
    park_some();
    drop_caps();
    for (int i = 0; i < 6; i++) {
        run(cap_get, &seen);
        check(seen == 0);
    }
    return check_failed;
}
/* A creator that is a thread itself. */
static void *caps_creator_thread(void *arg) {
    caps_of_creator();
    return arg;
}
static int caps_of_creator_thread(void) {
    unsigned long long mine = effective(), seen = 0;
    run(caps_creator_thread, NULL);
    run(cap_get, &seen);
    check(seen == mine);
    return check_failed;
}

/* ---- bounding set, keepcaps, securebits */
static void *bounding_drop(void *arg) {
    check(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) == 0);
    check(prctl(PR_SET_KEEPCAPS, 1) == 0);
    return arg;
}
static void *bounding_get(void *arg) {
    int *v = arg;
    v[0] = prctl(PR_CAPBSET_READ, CAP_SYS_BOOT);
    v[1] = prctl(PR_GET_KEEPCAPS);
    return NULL;
}
static int bounding(void) {
    int v[2];
    if (prctl(PR_CAPBSET_READ, CAP_SYS_BOOT) != 1)
        return 77;
    run(bounding_drop, NULL);
    for (int i = 0; i < 3; i++) {
        run(bounding_get, v);
        check(v[0] == 1 && v[1] == 0);
    }
    check(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) == 0);
    run(bounding_get, v);
    check(v[0] == 0);
    return check_failed;
}

/* ---- fsuid */
static void *fsuid_set(void *arg) {
    setfsuid(4321);
    setfsgid(4322);
    return arg;
}
static void *fsuid_get(void *arg) {
    int *v = arg;
    v[0] = setfsuid((uid_t)-1);
    v[1] = setfsgid((gid_t)-1);
    return NULL;
}
static int fsuid(void) {
    int v[2];
    for (int i = 0; i < 3; i++) {
        run(fsuid_set, NULL);
        run(fsuid_get, v);
        check(v[0] == (int)geteuid() && v[1] == (int)getegid());
    }
    park_some();
    setfsuid(4323);
    for (int i = 0; i < 5; i++) {
        run(fsuid_get, v);
        check(v[0] == 4323);
    }
    setfsuid(geteuid());
    return check_failed;
}

/* ---- raw system calls, which only syscall() tells us of */
static void *raw_gid(void *arg) {
    check(syscall(SYS_setresgid, 1234, 1234, 1234) == 0); /* this thread only: the kernel's view */
    return arg;
}
static void *gid_get(void *arg) {
    *(int *)arg = (int)syscall(SYS_getegid);
    return NULL;
}
static int raw_credentials(void) {
    int g;
    for (int i = 0; i < 3; i++) {
        run(raw_gid, NULL);
        run(gid_get, &g);
        check(g == (int)getegid());
    }
    return check_failed;
}

/* ---- no_new_privs */
static void *nnp_set(void *arg) {
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return arg;
}
/* What `get` says in later threads: that they are confined as their creator is. */
static int inherited(void *(*get)(void *)) {
    for (int i = 0; i < 6; i++) {
        int v = -1;
        run(get, &v);
        check(v == 1);
    }
    return check_failed;
}
static void *nnp_get(void *arg) {
    *(int *)arg = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    return NULL;
}
static int nnp_of_former(void) {
    int v;
    for (int i = 0; i < 3; i++) {
        run(nnp_set, NULL);
        v = -1;
        run(nnp_get, &v);
        check(v == 0);
    }
    return check_failed;
}
static int nnp_of_creator(void) {
    park_some();
    nnp_set(NULL);
    return inherited(nnp_get);
}
static int nnp_of_creator_raw(void) {
    park_some();
    check(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return inherited(nnp_get);
}

/* ---- seccomp: a filter that answers getppid with EPERM */
static struct sock_filter code[] = {
    {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
};
static struct sock_fprog program = {4, code};
static void *filter_set(void *arg) {
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (arg)
        check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
    else
        check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    check(syscall(SYS_getppid) == -1);
    return NULL;
}
static void *filter_get(void *arg) {
    *(int *)arg = syscall(SYS_getppid) == -1 && errno == EPERM;
    return NULL;
}
static int seccomp_of_former(void) {
    int v;
    for (int i = 0; i < 4; i++) {
        run(filter_set, i & 1 ? &v : NULL);
        v = -1;
        run(filter_get, &v);
        check(v == 0);
    }
    return check_failed;
}
static int seccomp_of_creator(void) {
    park_some();
    filter_set(NULL);
    return inherited(filter_get);
}
static int seccomp_of_creator_raw(void) {
    int v;
    park_some();
    filter_set(&v);
    return inherited(filter_get);
}
/* Only one thread is confined; another, unconfined, creates: its threads are not. */
static int seccomp_of_one(void) {
    int v = -1;
    run(filter_set, NULL);
    park_some();
    run(filter_get, &v);
    check(v == 0);
    return check_failed;
}
/* A filter for all threads at once (TSYNC) while threads may be parked. */
static int seccomp_tsync(void) {
    park_some();
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
    return inherited(filter_get);
}

#ifdef __x86_64__
/* Confined by a system call that no function of the libc makes: as some sandboxes do. */
static long bare_syscall(long nr, long a, long b, long c, long d, long e) {
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return nr;
}
static int nnp_of_creator_bare(void) {
    park_some();
    check(bare_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return inherited(nnp_get);
}
static int seccomp_of_creator_bare(void) {
    park_some();
    check(bare_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    check(bare_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0) == 0);
    return inherited(filter_get);
}
static void *nnp_set_bare(void *arg) {
    check(bare_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return arg;
}
static int nnp_of_former_bare(void) {
    int v;
    for (int i = 0; i < 3; i++) {
        run(nnp_set_bare, NULL);
        v = -1;
        run(nnp_get, &v);
        check(v == 0);
    }
    return check_failed;
}
/* A second filter, when one is there already: the mode does not change, the confinement does. */
static struct sock_filter allow_code[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
static struct sock_fprog allow_program = {1, allow_code};
static int second_filter_bare(void) {
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &allow_program) == 0);
    park_some();
    check(bare_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0) == 0);
    return inherited(filter_get);
}
#endif
/* A second filter by the libc's calls. */
static int second_filter(void) {
    static struct sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    static struct sock_fprog all = {1, allow};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0);
    park_some();
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    return inherited(filter_get);
}

/* ---- unshare */
static char before[4096], after[4096];
static void *unshare_fs(void *arg) {
    check(unshare(CLONE_FS) == 0);
    check(chdir("/proc") == 0);
    umask(0123);
    return arg;
}
static void *cwd_get(void *arg) {
    check(getcwd(arg, 4096) != NULL);
    return NULL;
}
static int unshare_of_former(void) {
    check(getcwd(before, sizeof before) != NULL);
    for (int i = 0; i < 3; i++) {
        run(unshare_fs, NULL);
        run(cwd_get, after);
        check(!strcmp(before, after));
    }
    return check_failed;
}
static int unshare_fs_of_creator(void) {
    park_some();
    check(unshare(CLONE_FS) == 0);
    check(chdir("/proc") == 0);
    for (int i = 0; i < 6; i++) {
        run(cwd_get, after);
        check(!strcmp("/proc", after));
    }
    return check_failed;
}
static int unshare_files_of_creator(void) {
    park_some();
    check(unshare(CLONE_FILES) == 0);
    int fd = open("/dev/null", O_RDONLY);
    check(fd >= 0);
    pthread_t t;
    check(pthread_create(&t, NULL, do_nothing, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    return check_failed;
}
static void *fd_valid(void *arg) {
    *(int *)arg = fcntl(*(int *)arg, F_GETFD);
    return NULL;
}
static void *unshare_files(void *arg) {
    check(unshare(CLONE_FILES) == 0);
    return arg;
}
static int unshare_files_of_former(void) {
    for (int i = 0; i < 3; i++) {
        run(unshare_files, NULL);
        int fd = open("/dev/null", O_RDONLY), v = fd;
        run(fd_valid, &v);
        check(v == 0);
        close(fd);
    }
    return check_failed;
}
static int files_shared_after_unshare(void) {
    park_some();
    check(unshare(CLONE_FILES) == 0);
    for (int i = 0; i < 5; i++) {
        int fd = open("/dev/null", O_RDONLY), v = fd;
        run(fd_valid, &v);
        check(v == 0);
        close(fd);
    }
    return check_failed;
}
/* A user namespace wants a process of one thread: a task that is parked, or not yet gone, is one too many. */
static int unshare_user(void) {
    for (int i = 0; i < 5; i++)
        park_some();
    settle_tasks(1 + (parked_allowed() ? 20 : 0));
    if (unshare(CLONE_NEWUSER) != 0) {
        fprintf(stderr, "# unshare(CLONE_NEWUSER): %s\n", strerror(errno));
        return 1;
    }
    park_some();
    return check_failed;
}
static int unshare_user_plain(void) {
    return unshare(CLONE_NEWUSER) != 0;
}
static int unshare_user_raw(void) {
    park_some();
    settle_tasks(1 + (parked_allowed() ? 20 : 0));
    check(syscall(SYS_unshare, CLONE_NEWUSER) == 0);
    return check_failed;
}

/* ---- other prctl state */
static void *odd_set(void *arg) {
    check(prctl(PR_SET_TIMERSLACK, 654321) == 0);
    check(prctl(PR_SET_PDEATHSIG, SIGHUP) == 0);
    check(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) == 0);
    return arg;
}
static void *odd_get(void *arg) {
    int *v = arg;
    v[0] = prctl(PR_GET_TIMERSLACK);
    prctl(PR_GET_PDEATHSIG, &v[1]);
    v[2] = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
    return NULL;
}
static int odd_prctl(void) {
    int mine[3], seen[3];
    odd_get(mine);
    for (int i = 0; i < 3; i++) {
        run(odd_set, NULL);
        run(odd_get, seen);
        check(seen[0] == mine[0]);
        check(seen[1] == 0);
        check(seen[2] == mine[2]);
    }
    return check_failed;
}
static int dumpable(void) {
    park_some();
    check(prctl(PR_SET_DUMPABLE, 0) == 0);
    park_some();
    check(prctl(PR_GET_DUMPABLE) == 0);
    check(prctl(PR_SET_DUMPABLE, 1) == 0);
    park_some();
    return check_failed;
}

/* ioprio, by the only way there is */
static void *ioprio_set_idle(void *arg) {
    check(syscall(SYS_ioprio_set, 1, 0, 3 << 13) == 0);
    return arg;
}
static void *ioprio_get(void *arg) {
    *(int *)arg = (int)syscall(SYS_ioprio_get, 1, 0);
    return NULL;
}
static int ioprio(void) {
    int mine, seen;
    ioprio_get(&mine);
    for (int i = 0; i < 3; i++) {
        run(ioprio_set_idle, NULL);
        run(ioprio_get, &seen);
        check(seen == mine);
    }
    return check_failed;
}

static const struct {
    int (*fn)(void);
    const char *what;
    int root;
} cases[] = {
    {caps_of_former, "capabilities dropped by a former thread", 1},
    {caps_of_creator, "capabilities dropped by the creator", 1},
    {caps_of_creator_thread, "capabilities dropped by a thread that creates", 1},
    {bounding, "bounding set and keepcaps", 1},
    {fsuid, "setfsuid, setfsgid", 1},
    {raw_credentials, "group changed by a raw system call", 1},
    {nnp_of_former, "no_new_privs of a former thread", 0},
    {nnp_of_creator, "no_new_privs of the creator", 0},
    {nnp_of_creator_raw, "no_new_privs of the creator, by syscall()", 0},
    {seccomp_of_former, "seccomp filter of a former thread", 0},
    {seccomp_of_creator, "seccomp filter of the creator, by prctl", 0},
    {seccomp_of_creator_raw, "seccomp filter of the creator, by syscall()", 0},
    {seccomp_of_one, "seccomp filter of one thread, another creates", 0},
    {seccomp_tsync, "seccomp filter set for all threads", 0},
    {second_filter, "a second seccomp filter of the creator", 0},
#ifdef __x86_64__
    {nnp_of_creator_bare, "no_new_privs of the creator, by a system call of its own", 0},
    {nnp_of_former_bare, "no_new_privs of a former thread, by a system call of its own", 0},
    {seccomp_of_creator_bare, "seccomp filter of the creator, by a system call of its own", 0},
    {second_filter_bare, "a second seccomp filter of the creator, by a system call of its own", 0},
#endif
    {unshare_of_former, "unshare(CLONE_FS) of a former thread", 0},
    {unshare_fs_of_creator, "unshare(CLONE_FS) of the creator", 0},
    {unshare_files_of_former, "unshare(CLONE_FILES) of a former thread", 0},
    {unshare_files_of_creator, "unshare(CLONE_FILES) of the creator", 0},
    {files_shared_after_unshare, "descriptors opened after unshare(CLONE_FILES) are in new threads", 0},
    {odd_prctl, "timer slack, parent death signal, machine check policy", 0},
    {dumpable, "PR_SET_DUMPABLE", 0},
    {ioprio, "I/O priority", 0},
};

int main(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].root && geteuid() != 0) {
            skip("needs root");
            continue;
        }
        int r = in_child(cases[i].fn);
        if (r == 77)
            skip("not possible here");
        else
            is(r, 0, "%s", cases[i].what);
    }
    if (in_child(unshare_user_plain) == 0) {
        is(in_child(unshare_user), 0, "unshare(CLONE_NEWUSER) after all threads were joined");
        is(in_child(unshare_user_raw), 0, "the same by syscall()");
    } else {
        skip("no user namespaces here");
    }
    return done();
}
