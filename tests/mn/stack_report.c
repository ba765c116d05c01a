/* How deep the threads of each entry function went. */
#include <errno.h>
#include <mn.h>
#include <stdbool.h>

#include "tap.h"

#define NAMED __attribute__((visibility("default"), noinline))
NAMED void *shallow(void *arg);
NAMED void *deep(void *arg);
NAMED void *waits(void *arg);
NAMED void use(size_t bytes);

/* Touches the lowest of so many bytes of stack. */
void use(size_t bytes) {
    volatile char *p = __builtin_alloca(bytes);
    p[0] = 1;
}

void *shallow(void *arg) {
    mn_yield();
    return arg;
}
void *deep(void *arg) {
    use((size_t)arg);
    mn_yield();
    return NULL;
}
static int waiting;
void *waits(void *arg) {
    use(8000);
    __atomic_add_fetch(&waiting, 1, __ATOMIC_RELEASE);
    mn_park("the end");
    return arg;
}

enum { N = 300 };

static struct mn_stack_use uses[100];
static int n;

static const struct mn_stack_use *of(void *(*fn)(void *), enum mn_stack stack) {
    for (int i = 0; i < n; i++)
        if (uses[i].fn == fn && uses[i].stack == stack)
            return &uses[i];
    static const struct mn_stack_use none;
    return &none;
}

static bool near(size_t got, size_t want) {
    if (got >= want && got < want + 6000)
        return true;
    printf("# got %zu, want %zu and a little\n", got, want);
    return false;
}

/* The last of those that have ended may be on their way out still. */
static bool counted(void) {
    n = mn_stack_uses(uses, 100);
    return of(deep, MN_STACK_64K)->threads == 2 * N && of(shallow, MN_STACK_64K)->threads == 2 * N + 1 &&
           of(waits, MN_STACK_64K)->threads == 3;
}

static int all(void *arg) {
    static mn_thread t[N];
    struct mn_attr big = {.stack = MN_STACK_256K};
    (void)arg;
    /* The slots of deep threads are shallow ones' afterwards. */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++)
            mn_go(&t[i], deep, (void *)(long)(i == 100 ? 30000 : 10000));
        for (int i = 0; i < N; i++)
            mn_join(t[i], NULL);
        for (int i = 0; i < N; i++)
            mn_go(&t[i], shallow, NULL);
        for (int i = 0; i < N; i++)
            mn_join(t[i], NULL);
    }
    mn_go_attr(&t[0], &big, deep, (void *)200000);
    mn_join(t[0], NULL);
    for (int i = 0; i < 3; i++)
        mn_go(&t[i], waits, NULL);
    mn_go(&t[3], shallow, NULL);
    mn_join(t[3], NULL);
    while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) < 3)
        mn_yield();
    for (int i = 0; i < 10000 && !counted(); i++)
        mn_sleep(1000000);

    ok(n >= 4 && n < 10, "there are entries (%d)", n);
    is(mn_stack_uses(NULL, 0), n, "counted");
    is(mn_stack_uses(NULL, -1), -EINVAL, "a negative number of them is refused");
    const struct mn_stack_use *u = of(deep, MN_STACK_64K);
    is((long)u->threads, 2 * N, "the threads of one function");
    ok(near(u->deepest, 30000), "the deepest counts");
    u = of(shallow, MN_STACK_64K);
    is((long)u->threads, 2 * N + 1, "those of another");
    ok(u->deepest > 0 && u->deepest < 6000, "which used little, though on the same slots (%zu)", u->deepest);
    u = of(deep, MN_STACK_256K);
    is((long)u->threads, 1, "one on a larger stack");
    ok(near(u->deepest, 200000), "its depth");
    u = of(waits, MN_STACK_64K);
    is((long)u->threads, 3, "those that live");
    ok(near(u->deepest, 8000), "their depth");
    ok(of(deep, MN_STACK_256K) == &uses[0], "the deepest comes first");

    char text[8192] = "";
    FILE *f = tmpfile();
    is(mn_stack_report(fileno(f)), n, "as text");
    rewind(f);
    size_t got = fread(text, 1, sizeof text - 1, f);
    text[got] = 0;
    ok(strstr(text, "stack  class 256K  threads 1  deepest 20") == text, "a line for each, the deepest first");
    ok(strstr(text, "function shallow") != NULL, "with the function's name");
    is(mn_stack_report(-1), -EBADF, "no descriptor");
    if (tap_failed)
        printf("# %s", text);
    for (int i = 0; i < 3; i++)
        mn_unpark(t[i]);
    for (int i = 0; i < 3; i++)
        mn_join(t[i], NULL);
    return 0;
}

static int unkept(void *arg) {
    (void)arg;
    is(mn_stack_uses(uses, 100), -ENODATA, "nothing is kept without being asked for");
    is(mn_stack_report(1), -ENODATA, "nor written");
    return 0;
}

int main(void) {
    unsetenv("MN_STACK_REPORT");
    is(mn_run(unkept, NULL, NULL), 0, "a run without");
    setenv("MN_STACK_REPORT", "1", 1);
    FILE *f = tmpfile();
    int err = dup(2);
    dup2(fileno(f), 2);
    is(mn_run(all, NULL, NULL), 0, "a run with");
    dup2(err, 2);
    rewind(f);
    char text[8192];
    size_t got = fread(text, 1, sizeof text - 1, f);
    text[got] = 0;
    ok(strstr(text, "function deep") != NULL, "it is written to standard error at the end");
    n = mn_stack_uses(uses, 100);
    ok(n > 0 && of(waits, MN_STACK_64K)->threads == 3, "and can be had after the end");
    setenv("MN_STACK_REPORT", "0", 1);
    is(mn_run(unkept, NULL, NULL), 0, "0 is not");
    return done();
}
