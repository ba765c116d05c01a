/*
 * dump_signal: SIGQUIT (Ctrl-\) writes a dump of all threads to standard error, and the program goes on.
 *
 * By default, as a Java VM does it.  Only where SIGQUIT would have ended the program when the runtime starts: a
 * program that handles or ignores it is left alone, and may set a handler of its own at any time later.
 * MN_DUMP_SIGNAL names another signal, or none.
 *
 * The handler, on whatever LWP, only rings the signal LWP (signals.c), which writes the dump: there it may
 * allocate, and take the loader's lock.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "dump_signal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>

#include "atomic.h"
#include "panic.h"
#include "umtx.h"

static int number;       /* 0: none of ours is installed */
static uint32_t came;    /* atomic */
static uint32_t *events; /* set before the handler is */

static void handler(int signal) {
    (void)signal;
    /* Release and full: the signal LWP that sees the change of *events sees this. */
    a32_store_release(&came, 1);
    a32_add_full(events, 1);
    umtx_wake(events, 1, UMTX_PRIVATE);
}

static int wanted(void) {
    static const struct {
        const char *name;
        int number;
    } names[] = {{"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP}, {"none", 0}};
    const char *v = getenv("MN_DUMP_SIGNAL");
    if (!v || !*v)
        return SIGQUIT;
    const char *name = strncasecmp(v, "SIG", 3) == 0 ? v + 3 : v;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(name, names[i].name))
            return names[i].number;
    return -EINVAL;
}

int mni_dump_signal_start(uint32_t *word) {
    int n = wanted();
    if (n < 0)
        notice("libmn: MN_DUMP_SIGNAL is not SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP or none");
    if (n <= 0)
        return n;
    events = word;
    a32_store(&came, 0);
    struct sigaction old, new = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&new.sa_mask);
    if (sigaction(n, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL &&
        sigaction(n, &new, NULL) == 0)
        number = n;
    return 0;
}

void mni_dump_signal_end(void) {
    struct sigaction now, plain = {.sa_handler = SIG_DFL};
    if (number && sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
        now.sa_handler == handler)
        sigaction(number, &plain, NULL);
    number = 0;
}

int mni_dump_signal_number(void) {
    return number;
}

bool mni_dump_signal_came(void) {
    /* Full: pairs with the handler's. */
    return a32_swap_full(&came, 0);
}
