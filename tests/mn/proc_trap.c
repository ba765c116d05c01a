/*
 * Faults of processes as their exit reasons: what faults, in which kind of process, what is released and who
 * is told; the others go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <mn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tap.h"

static volatile int zero;
static const int constant = 1;
static char *volatile nowhere = (char *)24;
static void (*volatile null_function)(void);
static void (*volatile wild_function)(void);
static char *gone; /* a mapping behind the end of its file */
static int pair[2];
static atomic_int deferred;

/* UndefinedBehaviourSanitizer would find it first. */
#define FAULT __attribute__((noinline, no_sanitize("undefined")))

/* ---- what goes wrong: each is the innermost function of a process */

static FAULT int null_deref(void) {
    *nowhere = 1;
    return zero;
}
static FAULT int read_noncanonical(void) {
    return *(volatile int *)((uintptr_t)0xdeadbeef << 32);
}
static FAULT int write_const(void) {
    *(volatile int *)(uintptr_t)&constant = 2;
    return zero;
}
static FAULT int divide(void) {
    return 100 / zero;
}
static FAULT int illegal(void) {
    __builtin_trap();
}
static FAULT int behind_file(void) {
    return *(volatile char *)gone;
}
static FAULT int jump_to_null(void) {
    null_function();
    return zero;
}
static FAULT int jump_wild(void) {
    wild_function();
    return zero;
}
static FAULT int recurse(int n) {
    volatile char frame[200];
    frame[n % 200] = (char)n;
    return n < 0 ? n : recurse(n + 1) + frame[n % 200];
}
static FAULT int overflow(void) {
    return recurse(1);
}
static FAULT int x87(void) {
#ifdef __x86_64__
    /* With something on the x87 stack, its exceptions on, and the direction flag set. */
    const unsigned short control = 0x37b;
    const float none = 0;
    __asm__ volatile("std; fld1; fldcw %0; fdivs %1; fwait; cld" : : "m"(control), "m"(none));
#endif
    return zero;
}

/* ---- processes */

static int run_fault(void *arg) {
    int (*fault)(void);
    memcpy(&fault, &arg, sizeof fault);
    int r = fault();
    return r + zero; /* no tail call */
}
static void *of(int (*fault)(void)) {
    void *arg;
    memcpy(&arg, &fault, sizeof arg);
    return arg;
}

/* Waits for the end of what is monitored. */
static int64_t reason_of(mn_ref ref, struct mn_fault *fault) {
    struct mn_msg *m;
    const struct mn_match match = {.fields = MN_MATCH_REF, .ref = ref};
    if (mn_receive_match(&m, &match) < 0)
        return -1;
    int64_t reason = mn_msg_reason(m);
    const struct mn_fault *f = mn_msg_fault(m);
    if (fault)
        *fault = f ? *f : (struct mn_fault){0};
    mn_msg_free(m);
    return reason;
}

static int64_t end_of(int (*fn)(void *), void *arg, enum mn_stack stack, struct mn_fault *fault) {
    mn_ref ref;
    const struct mn_spawn_attr opt = {
        .name = "crasher", .flags = MN_SPAWN_MONITOR, .monitor = &ref, .stack = stack};
    return mn_spawn_opt(NULL, &opt, fn, arg) < 0 ? -1 : reason_of(ref, fault);
}

static void kind(int (*fault)(void), int signal, int64_t reason, const char *what) {
    struct mn_fault f;
    for (int i = 0; i < 2; i++) {
        is(end_of(run_fault, of(fault), MN_STACK_DEFAULT, &f), reason, "%s ends the process", what);
        is(f.signal, signal, "%s: the signal", what);
        ok(f.frames >= 2 && f.frame[0] == f.pc, "%s: %u frames, the first where it happened", what, f.frames);
    }
}

static void kinds(void) {
    struct mn_fault f;
    kind(null_deref, SIGSEGV, MN_REASON_SEGV, "a null pointer");
    kind(read_noncanonical, SIGSEGV, MN_REASON_SEGV, "an impossible address");
    kind(write_const, SIGSEGV, MN_REASON_SEGV, "a constant");
#ifdef __x86_64__
    kind(divide, SIGFPE, MN_REASON_FPE, "a division by zero");
    kind(x87, SIGFPE, MN_REASON_FPE, "an x87 exception");
#endif
    kind(illegal, SIGILL, MN_REASON_ILL, "an illegal instruction");
    kind(behind_file, SIGBUS, MN_REASON_BUS, "a mapping without a file");
    kind(jump_to_null, SIGSEGV, MN_REASON_SEGV, "a jump to null");
    wild_function = (void (*)(void))(uintptr_t)pair; /* data */
    kind(jump_wild, SIGSEGV, MN_REASON_SEGV, "a jump into data");
    wild_function = (void (*)(void))((uintptr_t)0xdeadbeef << 32);
    kind(jump_wild, SIGSEGV, MN_REASON_SEGV, "a jump to an impossible address");
    kind(overflow, SIGSEGV, MN_REASON_STACK, "a recursion");
    is(end_of(run_fault, of(overflow), MN_STACK_16K, &f), MN_REASON_STACK, "so on a stack of 16 KiB");
    is(end_of(run_fault, of(overflow), MN_STACK_1M, &f), MN_REASON_STACK, "and of 1 MiB");
    is(end_of(run_fault, of(null_deref), MN_STACK_DEFAULT, &f), MN_REASON_SEGV, "a null pointer once more");
    ok(f.address == nowhere, "its address");
}

/* ---- what is released */

static void count(void *arg) {
    atomic_fetch_add(&deferred, (int)(intptr_t)arg);
}
static FAULT void faults_too(void *arg) {
    atomic_fetch_add(&deferred, 1);
    *(volatile char *)arg = 1;
}
static void looks(void *arg) {
    atomic_fetch_add(&deferred, *(int *)arg);
}

static int owner(void *arg) {
    int own = 1000;
    mn_defer(looks, &own); /* in a frame that is abandoned */
    mn_own_fd(pair[1]);
    memset(mn_alloc(5000), 1, 5000);
    mn_defer(count, (void *)1);
    mn_defer(faults_too, NULL);
    mn_defer(count, (void *)100);
    mn_start_timer(mn_pid_self(), mn_now() + 1000000000000, 1, NULL);
    return run_fault(arg) + own;
}

static void released(int (*fault)(void), int64_t reason) {
    char byte;
    if (pipe(pair) < 0)
        exit(1);
    deferred = 0;
    is(end_of(owner, of(fault), MN_STACK_DEFAULT, NULL), reason, "a process that owns something faults");
    is(deferred, 1102, "what was deferred has run, also after one that faulted");
    is(mn_read(pair[0], &byte, 1), 0, "its descriptor was closed");
    close(pair[0]);
}

static void uses_x87(void *arg) {
    volatile long double n = 2;
    (void)arg;
    for (int i = 0; i < 10; i++)
        n = n * 3 - n;
    deferred += n == 2048;
}
static int leaves_x87(void *arg) {
    mn_defer(uses_x87, NULL);
    return run_fault(arg);
}

static int normal(void *arg) {
    mn_defer(count, (void *)1);
    mn_defer(faults_too, arg);
    return 0;
}
static int undefer(void *arg) {
    mn_defer(faults_too, arg);
    return mn_undefer(true);
}

/* ---- who is told */

static int linked(void *arg) {
    struct mn_spawn_attr opt = {.flags = MN_SPAWN_LINK};
    mn_spawn_opt(NULL, &opt, run_fault, arg);
    mn_park("its end");
    return 0;
}

static void links(void) {
    struct mn_fault f;
    is(end_of(linked, of(null_deref), MN_STACK_DEFAULT, &f), MN_REASON_SEGV,
       "who is linked ends for the same reason");
    is(f.signal, SIGSEGV, "with what is known of the fault");
    struct mn_spawn_attr opt = {.flags = MN_SPAWN_LINK};
    struct mn_msg *m;
    mn_pid pid;
    mn_trap_exit(true);
    mn_spawn_opt(&pid, &opt, run_fault, of(illegal));
    if (ok(mn_receive(&m) == 0, "who traps exits is told")) {
        ok(m->type == MN_MSG_EXIT && m->from == pid && mn_msg_reason(m) == MN_REASON_ILL && mn_msg_fault(m),
           "by a message");
        mn_msg_free(m);
    }
    mn_trap_exit(false);
}

static int serve(void *arg) {
    struct mn_msg *m;
    mn_receive(&m);
    return run_fault(arg);
}
static int elsewhere(void *arg) {
    mn_yield();
    return run_fault(arg);
}

/* It computes for so long that its CPU is given to another LWP. */
static int computes(void *arg) {
    for (int64_t until = mn_now() + 60000000; mn_now() < until;)
        continue;
    for (volatile unsigned i = 0; i < 30000000; i++)
        continue;
    return run_fault(arg);
}

static struct mn_mutex robust;
static int locks(void *arg) {
    mn_mutex_lock(&robust);
    return run_fault(arg);
}

static void calls(void) {
    mn_pid pid;
    mn_spawn(&pid, serve, of(null_deref));
    is(mn_call(pid, 1, NULL, 0, NULL), -ECONNRESET, "a call of one that faults");
    is(end_of(elsewhere, of(null_deref), MN_STACK_DEFAULT, NULL), MN_REASON_SEGV,
       "after it has been elsewhere");
    mn_pid other;
    mn_spawn(&other, serve, of(null_deref)); /* somebody has to want the CPU */
    is(end_of(computes, of(null_deref), MN_STACK_DEFAULT, NULL), MN_REASON_SEGV, "on an LWP without a CPU");
    mn_exit_signal(other, MN_REASON_KILL);
    mn_mutex_init_robust(&robust);
    is(end_of(locks, of(null_deref), MN_STACK_DEFAULT, NULL), MN_REASON_SEGV, "one that holds a mutex");
    is(mn_mutex_lock(&robust), -EOWNERDEAD, "whose next owner is told");
    mn_mutex_unlock(&robust);
}

/* An ordinary thread becomes a process. */
static void *attached(void *arg) {
    mn_attach();
    run_fault(arg);
    return arg;
}

/* ---- handlers */

static int terminated;
static int h_init(void *state) {
    int (*fault)(void) = *(int (**)(void))state;
    mn_defer(count, (void *)1);
    return fault == write_const ? fault() + zero : 0;
}
static int h_message(void *state, struct mn_msg *m) {
    (void)m;
    return (*(int (**)(void))state)() + zero;
}
static int h_call(void *state, struct mn_msg *m) {
    (void)state;
    mn_reply(m, m->tag, NULL, 0);
    return MN_GO_ON;
}
static int h_timeout(void *state) {
    return (*(int (**)(void))state)() + zero;
}
static void h_terminate(void *state, int64_t reason) {
    (void)state, (void)reason;
    terminated++;
}
static void h_terminate_faults(void *state, int64_t reason) {
    (void)state, (void)reason;
    null_deref();
    terminated++;
}
static const struct mn_handler handler = {.state_size = sizeof(int (*)(void)),
                                          .init = h_init,
                                          .handle_message = h_message,
                                          .handle_call = h_call,
                                          .handle_timeout = h_timeout,
                                          .terminate = h_terminate,
                                          .name = "handler"};
static int stops(void *state, struct mn_msg *m) {
    (void)state, (void)m;
    return MN_STOP;
}
static const struct mn_handler bad_end = {.handle_message = stops, .terminate = h_terminate_faults};
static int s_event(void *state, struct mn_msg *m) {
    (void)state, (void)m;
    return null_deref();
}
static const struct mn_state states[] = {{.event = s_event}};

static void handlers(void) {
    mn_ref ref, other_ref;
    mn_pid pid, other;
    const struct mn_spawn_attr opt = {.flags = MN_SPAWN_MONITOR, .monitor = &ref};
    const struct mn_spawn_attr opt2 = {.flags = MN_SPAWN_MONITOR, .monitor = &other_ref};
    int (*fault)(void) = null_deref;
    mn_spawn_handler(&other, &handler, &fault, sizeof fault, &opt2);
    is(mn_call(other, 1, NULL, 0, NULL), 0, "a handler");
    deferred = 0;
    for (int i = 0; i < 100; i++) {
        mn_spawn_handler(&pid, &handler, &fault, sizeof fault, &opt);
        mn_post(pid, 1, NULL, 0);
        if (reason_of(ref, NULL) != MN_REASON_SEGV)
            ok(0, "another handler faults");
    }
    is(terminated, 0, "100 others have faulted; terminate is not called");
    is(deferred, 100, "what each has deferred is");
    is(mn_call(other, 1, NULL, 0, NULL), 0, "the first one lives");
    fault = overflow;
    mn_spawn_handler(&pid, &handler, &fault, sizeof fault, &opt);
    mn_post(pid, 1, NULL, 0);
    is(reason_of(ref, NULL), MN_REASON_STACK, "a callback's stack is full");
    fault = write_const;
    mn_spawn_handler(&pid, &handler, &fault, sizeof fault, &opt);
    is(reason_of(ref, NULL), MN_REASON_SEGV, "init faults");
    mn_spawn_handler(&pid, &bad_end, NULL, 0, &opt);
    mn_post(pid, 1, NULL, 0);
    is(reason_of(ref, NULL), MN_REASON_SEGV, "terminate faults");
    is(terminated, 0, "and is not called again");
    static const struct mn_statem machine = {MN_STATEM_HANDLER(0), states, 1, NULL};
    mn_spawn_statem(&pid, &machine, NULL, 0, &opt);
    mn_post(pid, 1, NULL, 0);
    is(reason_of(ref, NULL), MN_REASON_SEGV, "a state machine's event faults");
    mn_post(other, 1, NULL, 0);
    is(reason_of(other_ref, NULL), MN_REASON_SEGV, "at last the first handler");
}

/* ---- many, and a supervisor */

static void many(void) {
    struct rusage before, after;
    const int n = (int)(5000 * scale()); /* main does it twice */
    int wrong = 0;
    int (*const faults[])(void) = {null_deref, illegal, jump_to_null};
    for (int i = 0; i < 200; i++)
        end_of(run_fault, of(overflow), MN_STACK_DEFAULT, NULL);
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < n; i++)
        wrong += end_of(run_fault, of(faults[i % 3]), MN_STACK_DEFAULT, NULL) !=
                 (i % 3 == 1 ? MN_REASON_ILL : MN_REASON_SEGV);
    getrusage(RUSAGE_SELF, &after);
    is(wrong, 0, "%d processes fault in a row", n);
    long kib = after.ru_maxrss - before.ru_maxrss;
    ok(kib < 4096, "and leave nothing behind (%ld KiB)", kib);
}

static atomic_int starts;
static mn_pid creator;
static int worker(void *arg) {
    if (atomic_fetch_add(&starts, 1) < 3)
        return run_fault(arg);
    mn_post(creator, 7, NULL, 0);
    mn_park("the end");
    return 0;
}

static void supervisor(void) {
    const struct mn_child child = {.id = "worker", .fn = worker, .arg = of(null_deref)};
    const struct mn_sup spec = {.children = &child, .nchildren = 1, .intensity = 5, .period = 60000000000};
    mn_pid sup;
    struct mn_msg *m;
    creator = mn_pid_self();
    is(mn_sup_start(&sup, &spec), 0, "a supervisor");
    is(mn_receive(&m), 0, "restarts its child until that lives");
    is((long)m->tag, 7, "which is the fourth");
    mn_msg_free(m);
    mn_sup_stop(sup, MN_FOREVER);
}

static int first(void *arg) {
    (void)arg;
    mn_thread t;
    void *result = &t;
    mn_attach();
    kinds();
    released(null_deref, MN_REASON_SEGV);
    released(overflow, MN_REASON_STACK);
    is(end_of(normal, NULL, MN_STACK_DEFAULT, NULL), MN_REASON_SEGV,
       "what was deferred faults after a normal end");
    is(end_of(undefer, NULL, MN_STACK_DEFAULT, NULL), MN_REASON_SEGV, "or in mn_undefer");
#ifdef __x86_64__
    deferred = 0;
    is(end_of(leaves_x87, of(x87), MN_STACK_DEFAULT, NULL), MN_REASON_FPE, "an x87 exception");
    is(deferred, 1, "is over for what was deferred");
#endif
    links();
    calls();
    mn_go(&t, attached, of(null_deref));
    is(mn_join(t, &result), 0, "a thread that has become a process");
    ok(result == NULL, "ends without a result");
    handlers();
    many();
    supervisor();
    return 0;
}

int main(void) {
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    int fd = memfd_create("empty", 0);
    gone = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    is(mn_trap_faults(NULL), -EINVAL, "no module");
    int r = mn_trap_faults(pair);
    if (r == -ENOTSUP) {
        skip("no libunwind, or a sanitizer that reports faults itself");
        return done();
    }
    is(r, 0, "this program");
    is(mn_trap_faults(pair), 0, "once more");
    is(mn_run(first, NULL, NULL), 0, "all go on");
    is(mn_run(first, NULL, NULL), 0, "and again");
    struct sigaction a;
    sigaction(SIGFPE, NULL, &a);
    ok(a.sa_handler == SIG_DFL, "after the runtime, the handlers are the program's");
    return done();
}
