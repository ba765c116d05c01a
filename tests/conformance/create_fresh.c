/*
 * What the C library and the compiler keep per thread is new in every thread, however many ended before it:
 * errno, `__thread` variables (initialised and not), the locale, strerror's and other buffers, resolver state,
 * floating point environment.
 */
#include "life.h"

#include <arpa/inet.h>
#include <fenv.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>

static __thread int zero_int;
static __thread long init_long = 0x1122334455667788;
static __thread char big[5000];
static __thread char text[32] = "the initial image";
static __thread void *pointer_to_own = NULL;
static __thread _Alignas(64) char aligned[64] = {1, 2, 3};
static __thread double real = 2.5;

/* The libc (2.36) leaves a former thread's resolver state in a stack that it uses again. */
static int own_lwps;

static volatile uintptr_t blackhole;

static int all_zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return 0;
    return 1;
}

/* Which of the things that must be new are not: a bit each. */
static long examine(void) {
    long bad = 0;
    if (errno != 0)
        bad |= 1;
    if (zero_int != 0 || init_long != 0x1122334455667788 || real != 2.5)
        bad |= 2;
    if (!all_zero(big, sizeof big))
        bad |= 4;
    if (strcmp(text, "the initial image"))
        bad |= 8;
    if (pointer_to_own)
        bad |= 16;
    if (aligned[0] != 1 || aligned[1] != 2 || aligned[2] != 3 || aligned[63])
        bad |= 32;
    if ((uintptr_t)aligned % 64)
        bad |= 64;
    if (uselocale((locale_t)0) != LC_GLOBAL_LOCALE)
        bad |= 128;
    if (fegetround() != FE_TONEAREST)
        bad |= 256;
    if (fetestexcept(FE_ALL_EXCEPT) != 0)
        bad |= 512;
    if (h_errno != 0)
        bad |= 1024;
    if (own_lwps && (_res.retrans != 0 || _res.options & RES_DEBUG))
        bad |= 2048;
    if (dlerror() != NULL)
        bad |= 4096;
    return bad;
}

static void spoil(void) {
    zero_int = 42;
    init_long = 0;
    memset(big, 0xaa, sizeof big);
    strcpy(text, "spoilt");
    pointer_to_own = &zero_int;
    memset(aligned, 9, sizeof aligned);
    real = -1;
    h_errno = HOST_NOT_FOUND;
    _res.options |= RES_DEBUG;
    _res.retrans = 33;
    dlopen("/nowhere/libnone.so", RTLD_NOW); /* leaves a dlerror text behind */
    blackhole += (uintptr_t)strerror(123456) + (uintptr_t)strsignal(4000);
    locale_t c = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    if (c)
        uselocale(c);
    fesetround(FE_UPWARD);
    feraiseexcept(FE_DIVBYZERO | FE_INEXACT);
    errno = 4711;
}

static void *body(void *arg) {
    long bad = examine();
    if (arg)
        spoil();
    return (void *)(uintptr_t)bad;
}

/* The creator's floating point environment is the new thread's (POSIX), a former thread's is not. */
static void *rounding(void *arg) {
    volatile double one = 1, three = 3;
    int mode = fegetround();
    /* Computed by another unit than the one fegetround asks, on x86. */
    int up = one / three > 0x1.5555555555555p-2;
    *(int *)arg = mode == FE_UPWARD || !up ? mode : -2;
    return NULL;
}

static void *buffers(void *arg) {
    char **p = arg;
    p[0] = strerror(99999);
    return NULL;
}

static void *own_address(void *arg) {
    (void)arg;
    if (pointer_to_own)
        return (void *)1;
    pointer_to_own = &pointer_to_own;
    usleep(100);
    return (void *)(uintptr_t)(pointer_to_own != &pointer_to_own);
}

int main(void) {
    const char *source = getenv("ODONATA_LWP");
    own_lwps = under_ours() && !(source && !strcmp(source, "libc"));
    errno = 0;
    is((long)(uintptr_t)must_join(must_create(NULL, body, NULL)), 0, "a first thread is new");
    spoil(); /* main: its own */
    uselocale(LC_GLOBAL_LOCALE);
    fesetenv(FE_DFL_ENV);
    errno = 55;
    is((long)(uintptr_t)must_join(must_create(NULL, body, NULL)), 0, "nothing of main's is in a new thread");
    is(errno, 55, "and main's errno is as it was");
    for (int i = 0; i < 40; i++) {
        pthread_t t[4];
        long bad = 0;
        for (int k = 0; k < 4; k++)
            t[k] = must_create(NULL, body, (void *)1);
        for (int k = 0; k < 4; k++)
            bad |= (long)(uintptr_t)must_join(t[k]);
        if (bad || i == 39)
            is(bad, 0, "nothing of former threads is in a new one (round %d)", i);
        if (bad)
            break;
    }
    ok(strcmp(text, "spoilt") == 0 && init_long == 0, "main's own variables are as main left them");

    int mode = -1;
    fesetround(FE_UPWARD);
    must_join(must_create(NULL, rounding, &mode));
    is(mode, FE_UPWARD, "the creator's rounding mode is the new thread's");
    fesetround(FE_TONEAREST);
    must_join(must_create(NULL, rounding, &mode));
    is(mode, FE_TONEAREST, "and not a former one's");

    char *p = NULL;
    must_join(must_create(NULL, buffers, &p));
    ok(p != NULL, "strerror of an unknown number in a thread");
    int wrong = 0;
    for (int i = 0; i < 200; i++)
        wrong += must_join(must_create(NULL, own_address, NULL)) != NULL;
    is(wrong, 0, "__thread variables are initialised afresh in 200 threads one after the other");
    return done();
}
