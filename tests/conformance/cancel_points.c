/* not under: asan */ /* it does not clear the marks of frames that the libc unwinds, and finds them later */
/*
 * Every cancellation point, twice: a request that is there before the call must end the thread though the call
 * could succeed at once; a request to a thread that sleeps in the call must end it.  Then the same calls
 * without a request: their results.
 */
#include <aio.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "cancel.h"

/* What the calls work on: an `idle` thing blocks its reader, a `full` one its writer, a `ready` one nobody. */
static int idle_pipe[2], full_pipe[2], ready_pipe[2], idle_sock[2], ready_sock[2], full_sock[2];
static int listener, file, locked_file, epoll_fd, pty;
static mqd_t idle_mq, full_mq;
static int idle_msg, full_msg;
static char fifo[64], name[32], lock_name[64];
static struct sockaddr_un address;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static char buf[1 << 17];
static struct iovec iov = {buf, 1}, big_iov = {buf, sizeof buf};
static struct timespec hour = {3600, 0}, now_ts = {0, 1};
static pthread_t forever;
static pid_t child;
static struct {
    long type;
    char text[64];
} message = {1, ""};

static struct msghdr header(void) {
    struct msghdr h;
    memset(&h, 0, sizeof h);
    h.msg_iov = &iov;
    h.msg_iovlen = 1;
    return h;
}
static sigset_t usr1(void) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    return s;
}
static sigset_t no_signals(void) {
    sigset_t s;
    sigemptyset(&s);
    return s;
}
static struct timespec deadline(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 3600;
    return t;
}
static struct flock whole_file(void) {
    struct flock l;
    memset(&l, 0, sizeof l);
    l.l_type = F_WRLCK;
    return l;
}
static void unlock(void *m) {
    pthread_mutex_unlock(m);
}

extern int xpg_sigpause(int sig) __asm__("__xpg_sigpause"); /* not deprecated by this name */

/* Each body is one call.  B: also blocks forever when there is no request.  P: only with a request pending. */
#define BODY(fn, ...)                                                                                        \
    static void fn(void) {                                                                                   \
        __VA_ARGS__;                                                                                         \
    }
#define USE(x)                                                                                               \
    do {                                                                                                     \
        if ((long)(x) == -4711)                                                                              \
            abort();                                                                                         \
    } while (0)

BODY(b_read, USE(read(idle_pipe[0], buf, 1)))
BODY(p_read, USE(read(ready_pipe[0], buf, 1)))
BODY(b_readv, USE(readv(idle_pipe[0], &iov, 1)))
BODY(b_write, USE(write(full_pipe[1], buf, sizeof buf)))
BODY(p_write, USE(write(ready_pipe[1], buf, 1)))
BODY(b_writev, USE(writev(full_pipe[1], &big_iov, 1)))
BODY(p_pread, USE(pread(file, buf, 1, 0)))
BODY(p_pwrite, USE(pwrite(file, buf, 1, 0)))
BODY(p_preadv, USE(preadv(file, &iov, 1, 0)))
BODY(p_pwritev, USE(pwritev(file, &iov, 1, 0)))
BODY(b_open, USE(open(fifo, O_RDONLY)))
BODY(p_open, USE(open(name, O_RDONLY)))
BODY(b_openat, USE(openat(AT_FDCWD, fifo, O_WRONLY)))
BODY(p_creat, USE(creat(name, 0600)))
BODY(p_close, USE(close(-1)))
BODY(p_fsync, USE(fsync(file)))
BODY(p_fdatasync, USE(fdatasync(file)))
BODY(p_msync, USE(msync(NULL, 0, MS_SYNC)))
BODY(b_fcntl, struct flock l = whole_file(); USE(fcntl(locked_file, F_SETLKW, &l)))
BODY(b_lockf, USE(lockf(locked_file, F_LOCK, 0)))
BODY(b_accept, USE(accept(listener, NULL, NULL)))
BODY(b_accept4, USE(accept4(listener, NULL, NULL, SOCK_CLOEXEC)))
BODY(p_connect, USE(connect(-1, (struct sockaddr *)&address, sizeof address)))
BODY(b_recv, USE(recv(idle_sock[0], buf, 1, 0)))
BODY(p_recv, USE(recv(ready_sock[0], buf, 1, 0)))
BODY(b_recvfrom, USE(recvfrom(idle_sock[0], buf, 1, 0, NULL, NULL)))
BODY(b_recvmsg, struct msghdr h = header(); USE(recvmsg(idle_sock[0], &h, 0)))
BODY(b_recvmmsg, struct mmsghdr h = {header(), 0}; USE(recvmmsg(idle_sock[0], &h, 1, 0, NULL)))
BODY(b_send, USE(send(full_sock[0], buf, sizeof buf, 0)))
BODY(p_send, USE(send(ready_sock[1], buf, 1, 0)))
BODY(b_sendto, USE(sendto(full_sock[0], buf, sizeof buf, 0, NULL, 0)))
BODY(b_sendmsg, struct msghdr h = header(); h.msg_iov = &big_iov; USE(sendmsg(full_sock[0], &h, 0)))
BODY(b_poll, struct pollfd f = {idle_pipe[0], POLLIN, 0}; USE(poll(&f, 1, -1)))
BODY(p_poll, USE(poll(NULL, 0, 0)))
BODY(b_ppoll, sigset_t s = no_signals(); USE(ppoll(NULL, 0, &hour, &s)))
BODY(b_select, struct timeval t = {3600, 0}; USE(select(0, NULL, NULL, NULL, &t)))
BODY(b_pselect, sigset_t s = no_signals(); USE(pselect(0, NULL, NULL, NULL, &hour, &s)))
BODY(b_epoll_wait, struct epoll_event e; USE(epoll_wait(epoll_fd, &e, 1, -1)))
BODY(b_epoll_pwait, struct epoll_event e; sigset_t s = no_signals(); USE(epoll_pwait(epoll_fd, &e, 1, -1, &s)))
BODY(b_pause, USE(pause()))
BODY(b_sigsuspend, sigset_t s = no_signals(); USE(sigsuspend(&s)))
BODY(b_sigpause, USE(xpg_sigpause(SIGUSR2)))
BODY(b_sigwait, sigset_t s = usr1(); int sig; USE(sigwait(&s, &sig)))
BODY(b_sigwaitinfo, sigset_t s = usr1(); USE(sigwaitinfo(&s, NULL)))
BODY(b_sigtimedwait, sigset_t s = usr1(); USE(sigtimedwait(&s, NULL, &hour)))
BODY(b_sleep, USE(sleep(3600)))
BODY(b_usleep, USE(usleep(3600000000u)))
BODY(b_nanosleep, USE(nanosleep(&hour, NULL)))
BODY(p_nanosleep, USE(nanosleep(&now_ts, NULL)))
BODY(b_clock_nanosleep, USE(clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL)))
BODY(b_clock_abstime, struct timespec d = deadline();
     USE(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &d, NULL)))
BODY(b_wait, USE(wait(NULL)))
BODY(b_waitpid, USE(waitpid(child, NULL, 0)))
BODY(b_wait4, USE(wait4(child, NULL, 0, NULL)))
BODY(b_waitid, siginfo_t i; USE(waitid(P_PID, (id_t)child, &i, WEXITED)))
BODY(b_msgrcv, USE(msgrcv(idle_msg, &message, sizeof message.text, 0, 0)))
BODY(b_msgsnd, USE(msgsnd(full_msg, &message, sizeof message.text, 0)))
BODY(b_mq_receive, USE(mq_receive(idle_mq, buf, sizeof buf, NULL)))
BODY(b_mq_timedreceive, struct timespec d = deadline();
     USE(mq_timedreceive(idle_mq, buf, sizeof buf, NULL, &d)))
BODY(b_mq_send, USE(mq_send(full_mq, buf, 1, 0)))
BODY(b_mq_timedsend, struct timespec d = deadline(); USE(mq_timedsend(full_mq, buf, 1, 0, &d)))
BODY(p_tcdrain, USE(tcdrain(pty)))
BODY(b_system, USE(system("exec sleep 3600")))
BODY(p_testcancel, pthread_testcancel())
BODY(b_sem_wait, USE(sem_wait(&sem)))
BODY(b_sem_timedwait, struct timespec d = deadline(); USE(sem_timedwait(&sem, &d)))
BODY(b_join, USE(pthread_join(forever, NULL)))
BODY(b_cond_wait, pthread_mutex_lock(&mutex); pthread_cleanup_push(unlock, &mutex); for (;;)
                      pthread_cond_wait(&cond, &mutex);
     pthread_cleanup_pop(1))
BODY(b_cond_timedwait, struct timespec d = deadline(); pthread_mutex_lock(&mutex);
     pthread_cleanup_push(unlock, &mutex); for (;;) pthread_cond_timedwait(&cond, &mutex, &d);
     pthread_cleanup_pop(1))
/* The requests outlive their threads: nothing comes through that pipe. */
static struct aiocb requests[2];
BODY(b_aio_suspend, struct aiocb *cb = requests[0].aio_buf ? &requests[1] : &requests[0];
     cb->aio_fildes = idle_pipe[0]; cb->aio_buf = buf; cb->aio_nbytes = 1;
     const struct aiocb *list[1] = {cb}; USE(aio_read(cb)); USE(aio_suspend(list, 1, NULL)))

static const struct call {
    const char *name;
    void (*fn)(void);
    int blocks;
} calls[] = {
#define B(call) {#call, b_##call, 1}
#define P(call) {#call " at once", p_##call, 0}
    B(read),
    P(read),
    B(readv),
    B(write),
    P(write),
    B(writev),
    P(pread),
    P(pwrite),
    P(preadv),
    P(pwritev),
    B(open),
    P(open),
    B(openat),
    P(creat),
    P(close),
    P(fsync),
    P(fdatasync),
    P(msync),
    B(fcntl),
    B(lockf),
    B(accept),
    B(accept4),
    P(connect),
    B(recv),
    P(recv),
    B(recvfrom),
    B(recvmsg),
    B(recvmmsg),
    B(send),
    P(send),
    B(sendto),
    B(sendmsg),
    B(poll),
    P(poll),
    B(ppoll),
    B(select),
    B(pselect),
    B(epoll_wait),
    B(epoll_pwait),
    B(pause),
    B(sigsuspend),
    B(sigpause),
    B(sigwait),
    B(sigwaitinfo),
    B(sigtimedwait),
    B(sleep),
    B(usleep),
    B(nanosleep),
    P(nanosleep),
    B(clock_nanosleep),
    B(clock_abstime),
    B(wait),
    B(waitpid),
    B(wait4),
    B(waitid),
    B(msgrcv),
    B(msgsnd),
    B(mq_receive),
    B(mq_timedreceive),
    B(mq_send),
    B(mq_timedsend),
    P(tcdrain),
    B(system),
    P(testcancel),
    B(sem_wait),
    B(sem_timedwait),
    B(join),
    B(cond_wait),
    B(cond_timedwait),
    B(aio_suspend),
};

static volatile int tid, go, cleaned;

static void on_cleanup(void *arg) {
    (void)arg;
    cleaned = 1;
}

static void *blocked(void *arg) {
    const struct call *c = arg;
    pthread_cleanup_push(on_cleanup, NULL);
    set(&tid, (int)syscall(SYS_gettid));
    c->fn();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *pending(void *arg) {
    const struct call *c = arg;
    pthread_cleanup_push(on_cleanup, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    set(&tid, 1);
    wait_for(&go, 1);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    c->fn();
    pthread_cleanup_pop(0);
    return NULL;
}

/* Missing system calls and sandboxes: nothing to test. */
static int available(const struct call *c) {
    if (strncmp(c->name, "mq_", 3) == 0)
        return idle_mq != (mqd_t)-1 && full_mq != (mqd_t)-1;
    if (strncmp(c->name, "msg", 3) == 0)
        return idle_msg >= 0 && full_msg >= 0;
    return 1;
}

static void test(const struct call *c) {
    if (!available(c)) {
        skip(c->name);
        return;
    }
    pthread_t t;
    void *result = NULL;
    tid = go = cleaned = 0;
    pthread_create(&t, NULL, pending, (void *)c);
    wait_for(&tid, 1);
    pthread_cancel(t);
    set(&go, 1);
    int err = join_soon(t, &result);
    if (err)
        _exit((ok(0, "%s: pending request: hangs", c->name), 1));
    ok(result == PTHREAD_CANCELED && cleaned, "%s: pending request", c->name);
    if (!c->blocks)
        return;
    tid = cleaned = 0;
    pthread_create(&t, NULL, blocked, (void *)c);
    while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
        usleep(100);
    if (!wait_asleep(tid))
        ok(0, "%s: does not block", c->name);
    pthread_cancel(t);
    err = join_soon(t, &result);
    if (err)
        _exit((ok(0, "%s: blocked: hangs", c->name), 1));
    ok(result == PTHREAD_CANCELED && cleaned, "%s: blocked", c->name);
}

static void *sleeps_forever(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    for (;;)
        pause();
    return arg;
}

static void fill(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, buf, 4096) > 0)
        ;
    fcntl(fd, F_SETFL, 0);
}

static void setup(void) {
    signal(SIGPIPE, SIG_IGN);
    sigset_t s = usr1();
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    snprintf(name, sizeof name, "/tmp/odonata-points-%d", (int)getpid());
    snprintf(lock_name, sizeof lock_name, "%s-lock", name);
    snprintf(fifo, sizeof fifo, "%s-fifo", name);
    mkfifo(fifo, 0600);
    file = open(name, O_RDWR | O_CREAT, 0600);
    locked_file = open(lock_name, O_RDWR | O_CREAT, 0600);
    unlink(lock_name);
    ok(file >= 0 && locked_file >= 0, "files");
    ok(pipe(idle_pipe) == 0 && pipe(full_pipe) == 0 && pipe(ready_pipe) == 0, "pipes");
    fill(full_pipe[1]);
    fcntl(ready_pipe[1], F_SETPIPE_SZ, 1 << 16);
    ok(write(ready_pipe[1], buf, 100) == 100, "bytes to read");
    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, idle_sock) == 0 &&
           socketpair(AF_UNIX, SOCK_STREAM, 0, full_sock) == 0 &&
           socketpair(AF_UNIX, SOCK_STREAM, 0, ready_sock) == 0,
       "sockets");
    fill(full_sock[0]);
    ok(write(ready_sock[1], buf, 100) == 100, "bytes to receive");
    address.sun_family = AF_UNIX;
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ok(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 && listen(listener, 1) == 0,
       "listen");
    epoll_fd = epoll_create1(0);
    pty = posix_openpt(O_RDWR | O_NOCTTY);
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char mq_name[64];
    snprintf(mq_name, sizeof mq_name, "/odonata-points-%d", (int)getpid());
    idle_mq = mq_open(mq_name, O_RDWR | O_CREAT, 0600, &attr);
    mq_unlink(mq_name);
    full_mq = mq_open(mq_name, O_RDWR | O_CREAT, 0600, &attr);
    mq_unlink(mq_name);
    if (full_mq != (mqd_t)-1)
        mq_send(full_mq, buf, 1, 0);
    idle_msg = msgget(IPC_PRIVATE, 0600);
    full_msg = msgget(IPC_PRIVATE, 0600);
    while (full_msg >= 0 && msgsnd(full_msg, &message, sizeof message.text, IPC_NOWAIT) == 0)
        ;
    sem_init(&sem, 0, 0);
    pthread_create(&forever, NULL, sleeps_forever, NULL);
    /* A child that lives as long as we do and holds the lock. */
    int hold[2], c;
    ok(pipe(hold) == 0, "pipe");
    child = fork();
    if (child == 0) {
        struct flock l = whole_file();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fcntl(locked_file, F_SETLKW, &l);
        if (write(hold[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    ok(read(hold[0], &c, 1) == 1, "a child holds the lock");
}

int main(void) {
    setup();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        test(&calls[i]);
    is(pthread_mutex_trylock(&mutex), 0, "the cancelled waiters have unlocked the mutex");
    kill(child, SIGKILL);
    if (idle_msg >= 0)
        msgctl(idle_msg, IPC_RMID, NULL);
    if (full_msg >= 0)
        msgctl(full_msg, IPC_RMID, NULL);
    unlink(fifo);
    unlink(name);
    return done();
}
