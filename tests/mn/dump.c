/* models: mn-1 mn-2 */
/* not under: tsan */ /* libunwind locks a mutex as an LWP ends, when the tool has forgotten that; and what
 * dumps read is racy */
/* Dumps: each state is named, waits say for what, backtraces are right, and nothing that threads do
 * meanwhile hurts. */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tap.h"

static char text[1 << 20];

/* Runs mn_dump into text. */
static int dump(void) {
    int fd = memfd_create("dump", MFD_CLOEXEC);
    int n = mn_dump(fd);
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    close(fd);
    return n;
}

/* The part of text that speaks of the thread, up to the next; NULL: none. */
static const char *about(const char *name) {
    static char part[20000];
    char quoted[64];
    snprintf(quoted, sizeof quoted, " \"%s\" ", name);
    char *at = strstr(text, quoted);
    if (!at)
        return "nothing";
    char *end = strstr(at, "\nthread ");
    size_t n = end ? (size_t)(end - at) : strlen(at);
    memcpy(part, at, n < sizeof part ? n : sizeof part - 1);
    part[n < sizeof part ? n : sizeof part - 1] = '\0';
    return part;
}

static void says(const char *name, const char *what) {
    const char *part = about(name);
    ok(strstr(part, what) != NULL, "%s: %s", name, what);
    if (!strstr(part, what))
        fprintf(stderr, "# got: %s\n", part);
}

static int count(const char *what) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static struct mn_mutex mutex;
static struct mn_event event = MN_EVENT_INIT;
static mn_thread sleeper_thread;
static atomic_int up;

/* Visible, so that dumps can name them. */
void dump_inner(void) __attribute__((noinline, visibility("default")));
void *dump_locks(void *arg) __attribute__((noinline, visibility("default")));
void *dump_waits(void *arg) __attribute__((visibility("default")));

void dump_inner(void) {
    atomic_fetch_add(&up, 1);
    mn_mutex_lock(&mutex);
    mn_mutex_unlock(&mutex);
    __asm__ volatile("");
}
void *dump_locks(void *arg) {
    dump_inner();
    __asm__ volatile("");
    return arg;
}
void *dump_waits(void *arg) {
    atomic_fetch_add(&up, 1);
    mn_event_wait(&event);
    return arg;
}
static void *joins(void *arg) {
    atomic_fetch_add(&up, 1);
    mn_join(sleeper_thread, NULL);
    return arg;
}
static void *parks(void *arg) {
    atomic_fetch_add(&up, 1);
    mn_park(arg);
    return arg;
}
static void *nothing(void *arg) {
    return arg;
}

static mn_thread named(const char *name, void *(*fn)(void *), void *arg, unsigned flags) {
    const struct mn_attr a = {.name = name, .flags = flags};
    mn_thread t = 0;
    mn_go_attr(&t, &a, fn, arg);
    return t;
}

static int waiting_of_six(void) {
    static const char *const names[] = {"locks", "waits", "joins", "parks", "bound", "same"};
    int waiting = 0;
    for (int i = 0; i < 6; i++)
        waiting += strstr(about(names[i]), ": waits: ") != NULL;
    return waiting;
}

static int states(void *arg) {
    (void)arg;
    int me = (int)(uint32_t)mn_self();
    mn_thread t[8];
    mn_mutex_lock(&mutex);
    mn_set_name("the first");
    t[0] = named("locks", dump_locks, NULL, 0);
    t[1] = sleeper_thread = named("waits", dump_waits, NULL, 0);
    t[2] = named("joins", joins, NULL, 0);
    t[3] = named("parks", parks, "for a test", 0);
    t[4] = named("bound", dump_waits, NULL, MN_BOUND);
    t[5] = named("same", dump_locks, NULL, 0);
    while (up < 6)
        mn_park_until("nap", mn_after(1000000));
    t[6] = named("ends", nothing, NULL, 0);
    while (mn_threads() > 7)
        mn_yield();
    /* Judged is a dump in which all six wait: one of those at the mutex looks at it now and then, and runs as
     * it does. */
    int n = 0;
    for (int waiting = 0, tries = 0; waiting < 6 && tries < 1000; tries++) {
        mn_park_until("nap", mn_after(20000000));
        if (mn_workers() == 1)
            t[7] = named("new", nothing, NULL, 0);
        n = dump();
        waiting = waiting_of_six();
        if (mn_workers() == 1 && waiting < 6)
            mn_join(t[7], NULL);
    }
    is(n, mn_workers() == 1 ? 9 : 8, "so many threads");
    says("the first", "runs on cpu ");
    says("the first", "calls this");
    says("the first", "mn_dump");
    says("locks", "waits: mutex 0x");
    char held[64];
    snprintf(held, sizeof held, ", held by thread %d,", me);
    says("locks", held);
    /* Either may have been met first. */
    const char *other = strstr(about("locks"), "#0 ") ? "same" : "locks";
    says(other, "where thread ");
    const char *part = about(other[0] == 's' ? "locks" : "same");
    const char *zero = strstr(part, "\n  #0 "), *one = strstr(part, "\n  #1 "), *two = strstr(part, "\n  #2 ");
    ok(zero && one && two && strstr(zero, "libmn") && strstr(one, "dump_inner") < two &&
           strstr(two, "dump_locks") && !strstr(part, "\n  #3 "),
       "locks: its backtrace is from the function of libmn to its own");
    says("locks", "stack ");
    says("waits", "waits: event 0x");
    says("waits", ", for ");
    snprintf(held, sizeof held, "join of thread %u", (unsigned)(uint32_t)sleeper_thread);
    says("joins", held);
    says("parks", "waits: for a test");
    says("bound", "waits: event");
    says("ends", "has ended");
    if (mn_workers() == 1)
        says("new", "has not run yet");
    mn_cancel(t[3]);
    if (mn_workers() == 1) {
        dump();
        says("parks", "ready, cancelled");
        says("parks", "mn_park");
    }
    mn_mutex_unlock(&mutex);
    mn_event_set(&event);
    mn_unpark(t[3]);
    for (int i = 0; i < (mn_workers() == 1 ? 8 : 7); i++)
        if (i != 1)
            mn_join(t[i], NULL);
    is(dump(), 1, "they have ended");
    is(mn_dump(-1), -EBADF, "no descriptor");
    return 0;
}

/* Each of many backtraces is written once, whatever lies between two threads at the same place.  (Where they are in memory,
 * and so how they hash, differs from run to run.) */
enum { PLACES = 50 };
static void *deep(void *arg);
static void *deeper(void *arg) {
    void *r = deep(arg);
    __asm__ volatile("" : : : "memory");
    return r;
}
static void *deep(void *arg) {
    intptr_t n = (intptr_t)arg;
    if (n > 1)
        deeper((void *)(n - 2));
    else if (n == 1)
        deep(NULL);
    else {
        atomic_fetch_add(&up, 1);
        mn_event_wait(&event);
    }
    __asm__ volatile("" : : : "memory");
    return NULL;
}
static int places(void *arg) {
    static mn_thread t[4 * PLACES];
    for (int i = 0; i < 4 * PLACES; i++)
        mn_go(&t[i], i & 1 ? deep : deeper, (void *)(intptr_t)(i / 2 % PLACES));
    while (up < 4 * PLACES)
        mn_park_until("nap", mn_after(1000000));
    for (int tries = 0; tries < 1000; tries++) {
        mn_park_until("nap", mn_after(20000000));
        dump();
        if (count(": waits: event") == 4 * PLACES)
            break;
    }
    is(count("\n  where thread "), 2 * PLACES, "each place is written once");
    mn_event_set(&event);
    for (int i = 0; i < 4 * PLACES; i++)
        mn_join(t[i], NULL);
    return arg != NULL;
}

/* Threads that start, end, recurse, block and change their names, while others dump. */
static atomic_int stop;
static void *recurse(void *arg) {
    char room[512];
    intptr_t n = (intptr_t)arg;
    memset(room, (int)n, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    if (n > 0)
        recurse((void *)(n - 1));
    else
        mn_yield();
    __asm__ volatile("" : : "r"(room) : "memory");
    return NULL;
}
static void *busy(void *arg) {
    unsigned random = (unsigned)(uintptr_t)arg + 1;
    while (!stop) {
        char name[24];
        snprintf(name, sizeof name, "thread %u", random);
        mn_set_name(name);
        random = random * 1103515245 + 12345;
        mn_thread t;
        if (mn_go(&t, recurse, (void *)(intptr_t)(random >> 16 & 15)) == 0)
            mn_join(t, NULL);
        recurse((void *)(intptr_t)(random >> 20 & 15));
        mn_park_until("a short while", mn_after(random >> 16 & 16383));
        mn_set_name(NULL);
    }
    return NULL;
}
/* How many of the backtraces in text do not end in their thread's function; *all: how many there are. */
static int wrong_backtraces(int *all) {
    char function[80] = "", last[80] = "";
    int wrong = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        const char *plus;
        *end = '\0';
        if (!strncmp(line, "  #", 3)) {
            sscanf(line, "  #%*d %*s %79[^+]", last);
            continue;
        }
        if (*last && strcmp(function, "first_main") != 0) { /* that is libmn's own, which is not written */
            ++*all;
            wrong += strcmp(last, function) != 0;
            if (strcmp(last, function) != 0 && wrong == 1)
                fprintf(stderr, "# %s is not %s\n", last, function);
        }
        *last = *function = '\0';
        if (!strncmp(line, "thread ", 7) && (plus = strstr(line, "+0x0 "))) {
            const char *from = plus;
            while (from > line && from[-1] != ' ')
                from--;
            snprintf(function, sizeof function, "%.*s", (int)(plus - from), from);
        }
    }
    return wrong;
}

static void *dumps(void *arg) {
    int bad = 0, wrong = 0, *n = arg;
    do {
        bad += dump() < 1;
        wrong += wrong_backtraces(n);
    } while (!stop);
    is(bad, 0, "dumps of threads that run");
    is(wrong, 0, "each backtrace ends in its thread's function");
    return NULL;
}
static int storm(void *arg) {
    (void)arg;
    mn_thread t[40];
    pthread_t lwp;
    int n = 0;
    for (int i = 0; i < 40; i++)
        mn_go(&t[i], busy, (void *)(intptr_t)i);
    pthread_create(&lwp, NULL, dumps, &n);
    mn_park_until("storm", mn_after((int64_t)(1000000000 * scale())));
    stop = 1;
    for (int i = 0; i < 40; i++)
        mn_join(t[i], NULL);
    pthread_join(lwp, NULL);
    ok(n > 0, "there were some (%d)", n);
    return 0;
}

/* A signal. */
static int by_signal(void *arg) {
    const char *want = arg;
    int fd = memfd_create("stderr", MFD_CLOEXEC), old = dup(2);
    dup2(fd, 2);
    mn_set_name("by signal");
    kill(getpid(), want[0] == 'U' ? SIGUSR1 : SIGQUIT);
    for (int i = 0; i < 5000; i++) {
        ssize_t length = pread(fd, text, sizeof text - 1, 0);
        text[length > 0 ? length : 0] = '\0';
        if (strstr(text, " threads\n"))
            break;
        mn_park_until("nap", mn_after(1000000));
    }
    dup2(old, 2);
    close(old);
    close(fd);
    says("by signal", ": ");
    return 0;
}

static volatile sig_atomic_t own;
static void own_handler(int n) {
    own = n;
}
static int with_handler(void *arg) {
    kill(getpid(), SIGQUIT);
    for (int i = 0; i < 10000 && !own; i++)
        mn_park_until("nap", mn_after(1000000));
    is(own, SIGQUIT, "the program's own handler is left alone");
    return arg != NULL;
}

int main(void) {
    /* What is said to be somewhere stays there: no CPU changes hands while it is dumped. */
    setenv("MN_MAX_LWPS", "1", 1);
    is(mn_dump(1), -EPERM, "no runtime");
    is(mn_run(states, NULL, NULL), 0, "states");
    up = 0;
    mn_event_reset(&event);
    setenv("ODONATA_DISABLE", "process_vm_readv", 1);
    is(mn_run(states, NULL, NULL), 0, "the same where process_vm_readv is refused");
    unsetenv("ODONATA_DISABLE");
    up = 0;
    mn_event_reset(&event);
    is(mn_run(places, NULL, NULL), 0, "places");
    is(mn_run(storm, NULL, NULL), 0, "storm");
    is(mn_run(by_signal, "QUIT", NULL), 0, "SIGQUIT");
    struct sigaction now;
    sigaction(SIGQUIT, NULL, &now);
    ok(now.sa_handler == SIG_DFL, "SIGQUIT is as it was");
    setenv("MN_DUMP_SIGNAL", "sigusr1", 1);
    is(mn_run(by_signal, "USR1", NULL), 0, "SIGUSR1");
    setenv("MN_DUMP_SIGNAL", "SIGKILL", 1);
    is(mn_run(by_signal, NULL, NULL), -EINVAL, "no such signal");
    unsetenv("MN_DUMP_SIGNAL");
    signal(SIGQUIT, own_handler);
    is(mn_run(with_handler, NULL, NULL), 0, "with a handler");
    return done();
}
