/*
 * Faults that are not a process's own affair: the program dies of them, or its handler is called, as without
 * traps; and the report says of which process it was, and why.
 */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mn/in_child.h"
#include "tap.h"

static char *volatile nowhere = (char *)24;
static volatile int zero;
static volatile size_t eight = 8;
static bool trap = true;

/* UndefinedBehaviourSanitizer would find it first. */
#define FAULT __attribute__((noinline, no_sanitize("undefined")))

static FAULT int null_deref(void) {
    *nowhere = 1;
    return zero;
}
static int compare(const void *a, const void *b) {
    (void)a;
    return null_deref() + *(const char *)b;
}
static int once_body(void *arg) {
    (void)arg;
    return null_deref();
}
static void on_signal(int sig) {
    (void)sig;
    null_deref();
}

/* ---- in processes */

static FAULT int in_memcpy(void *arg) {
    (void)arg;
    char bytes[64] = "";
    memcpy(nowhere, bytes, eight * 8);
    return bytes[zero];
}
static int in_qsort(void *arg) {
    (void)arg;
    char bytes[] = "fault";
    qsort(bytes, 5, 1, compare);
    return bytes[zero];
}
static int in_once(void *arg) {
    static struct mn_once once;
    return mn_once_run(&once, once_body, arg) + zero;
}
static int in_runtime(void *arg) {
    (void)arg;
    return mn_post(mn_pid_self(), 1, nowhere, 64) + zero;
}
static int in_handler(void *arg) {
    (void)arg;
    signal(SIGTRAP, on_signal);
    raise(SIGTRAP);
    return zero;
}
static int aborts(void *arg) {
    (void)arg;
    abort();
}
static int sent(void *arg) {
    (void)arg;
    raise(SIGSEGV);
    return zero;
}
static int divides(void *arg) {
    (void)arg;
    __builtin_trap();
}
static int plain(void *arg) {
    (void)arg;
    return null_deref() + zero;
}
/* Where it was called from is overwritten, and what lies above: it returns to nowhere. */
static FAULT int overwrite(size_t words, uintptr_t with) {
    volatile uintptr_t *frame = __builtin_frame_address(0);
    for (size_t i = 0; i < words; i++)
        frame[i] = with;
    return zero;
}
static FAULT int smashed_zero(void *arg) {
    (void)arg;
    return overwrite(12, 0) + zero;
}
static FAULT int smashed(void *arg) {
    (void)arg;
    return overwrite(12, 0x5555) + zero;
}
/* With all that the runtime has there. */
static FAULT int smashed_all(void *arg) {
    (void)arg;
    return overwrite(200, (uintptr_t)&trap) + zero;
}
#ifdef __x86_64__
/* Calls without unwind information; with a frame pointer that would lead past its caller. */
int without_information(int (*fn)(void));
__asm__(".text\n"
        "without_information:\n"
        "    subq $8, %rsp\n"
        "    call *%rdi\n"
        "    addq $8, %rsp\n"
        "    ret\n");
static int unknown_caller(void *arg) {
    (void)arg;
    volatile char *room = __builtin_alloca(eight); /* it has a frame pointer */
    room[0] = 0;
    return without_information(null_deref) + room[0];
}
/* As after a return to an address that was overwritten: what is on the stack now was left by no call. */
static int not_called(void *arg) {
    (void)arg;
    volatile char *room = __builtin_alloca(eight);
    room[0] = 0;
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "xorl %%ecx, %%ecx\n\t"
                     "jmp *%%rcx\n\t"
                     "nop; nop; nop; nop; nop; nop; nop\n"
                     "1:"
                     :
                     :
                     : "rax", "rcx", "memory");
    return room[0];
}
#endif
/* A chain of frames that leads out of the stack. */
static int no_stack(void *arg) {
    (void)arg;
#ifdef __x86_64__
    __asm__ volatile("movq $4096, %%rsp; movq $4096, %%rbp; movq (%%rbp), %%rax" : : : "memory");
#endif
    return null_deref();
}

/* ---- in others */

static void *green(void *arg) {
    (void)arg;
    null_deref();
    return NULL;
}
static void blocking(void *arg) {
    green(arg);
}

static int spawn(int (*fn)(void *)) {
    mn_ref ref;
    const struct mn_spawn_attr opt = {.name = "crasher", .flags = MN_SPAWN_MONITOR, .monitor = &ref};
    struct mn_msg *m;
    mn_attach();
    mn_spawn_opt(NULL, &opt, fn, NULL);
    mn_receive(&m);
    return 50; /* it was trapped */
}
static int first_itself(void *arg) {
    mn_attach();
    return plain(arg);
}
static int a_thread(void *arg) {
    mn_thread t;
    mn_go(&t, green, arg);
    mn_join(t, NULL);
    return 50;
}
static int a_bound_thread(void *arg) {
    const struct mn_attr attr = {.flags = MN_BOUND};
    mn_thread t;
    mn_go_attr(&t, &attr, green, arg);
    mn_join(t, NULL);
    return 50;
}
static int a_foreign_lwp(void *arg) {
    pthread_t t;
    pthread_create(&t, NULL, green, arg);
    mn_park("the end");
    return 50;
}
static int a_blocking_call(void *arg) {
    return mn_block_call(blocking, arg) + 50;
}

static int (*entry)(void *);
static int main_fn(void *arg) {
    (void)arg;
    return spawn(entry);
}

/* ---- children */

static void leave(int sig, siginfo_t *info, void *context) {
    (void)context;
    _exit(info->si_code > 0 && (sig == SIGSEGV || sig == SIGILL) ? 42 : 98);
}

static void dies(void) {
    const int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (int i = 0; i < 4; i++)
        signal(all[i], SIG_DFL); /* a sanitizer has one of its own */
}
static void handles(void) {
    struct sigaction a = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &a, NULL);
    sigaction(SIGILL, &a, NULL);
}

static void (*before)(void);
static int (*begins)(void *);

static int body(void) {
    before();
    return trap && mn_trap_faults(&trap) < 0 ? 97 : mn_run(begins, NULL, NULL);
}

/* How it ends: a signal, or 1000 and an exit status.  What it wrote is in text. */
static int run(void (*prepare)(void), int (*first)(void *), int (*in_process)(void *)) {
    before = prepare;
    begins = first;
    entry = in_process;
    int status = run_child(body, 60);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status);
}

static void in_process(int (*fn)(void *), int sig, const char *why, const char *what) {
    is(run(dies, main_fn, fn), sig, "the program dies: %s", what);
    bool said = why ? strstr(text, "\"crasher\"") && strstr(text, why) : text[0] == 0;
    if (!ok(said, "and says: %s", why ? why : "nothing"))
        fprintf(stderr, "# %s\n", text);
}

static void elsewhere(int (*fn)(void *), const char *what) {
    is(run(dies, fn, NULL), SIGSEGV, "the program dies: %s", what);
}

int main(void) {
    if (mn_trap_faults(&trap) == -ENOTSUP) {
        skip("no libunwind, or a sanitizer that reports faults itself");
        return done();
    }
    is(run(dies, main_fn, plain), 1050, "a process's own fault");
    is((long)strlen(text), 0, "is not the program's");
    in_process(in_memcpy, SIGSEGV, "is not a process's code", "in the libc");
    in_process(in_qsort, SIGSEGV, "is not a process's code", "called by the libc");
    ok(strstr(text, "libc") != NULL, "and names it");
    ok(strstr(text, "#0 ") != NULL, "with a backtrace");
    in_process(in_once, SIGSEGV, "libmn", "called by libmn, which holds something");
    in_process(in_runtime, SIGSEGV, "the runtime is at work", "inside libmn");
    in_process(in_handler, SIGSEGV, "is not a process's code", "in a handler of a signal");
    in_process(aborts, SIGABRT, NULL, "by abort");
    in_process(sent, SIGSEGV, NULL, "by a signal that was sent");
    in_process(smashed_zero, SIGSEGV, "", "its return address is zero");
    in_process(smashed, SIGSEGV, "", "its frames are overwritten");
    is(run(dies, main_fn, smashed_all), SIGSEGV, "the program dies: its whole stack is overwritten");
#ifdef __x86_64__
    in_process(unknown_caller, SIGSEGV, "cannot be followed", "a caller without unwind information");
    in_process(not_called, SIGSEGV, "cannot be followed", "it returned to nowhere");
    is(run(dies, main_fn, no_stack), SIGSEGV, "the program dies: it has left its stack");
#endif
    elsewhere(first_itself, "its first thread");
    elsewhere(a_thread, "a thread that is no process");
    elsewhere(a_bound_thread, "a bound thread");
    elsewhere(a_foreign_lwp, "an LWP of its own");
    elsewhere(a_blocking_call, "a call on an LWP of the pool");
    is(run(handles, main_fn, in_memcpy), 1042, "its handler is called");
    is(run(handles, main_fn, divides), 1050, "not for a process's own fault");
    is(run(handles, a_thread, NULL), 1042, "but for a thread's");
    return done();
}
