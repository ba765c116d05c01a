/* A library whose thread-local variables are allocated on first use: dlopen_tls.c opens it while threads
 * run. */
static __thread int value __attribute__((tls_model("global-dynamic"))) = 77;
static __thread char text[20000] __attribute__((tls_model("global-dynamic"))) = "dynamic";
static __thread long zero[8] __attribute__((tls_model("global-dynamic")));

extern int __cxa_thread_atexit_impl(void (*fn)(void *), void *obj, void *dso);
extern void *__dso_handle;

__attribute__((visibility("default"))) int *lib_value(void);
__attribute__((visibility("default"))) long lib_look(void);
__attribute__((visibility("default"))) void lib_change(void);
__attribute__((visibility("default"))) int lib_at_thread_exit(int *counter);

int *lib_value(void) {
    return &value;
}

long lib_look(void) {
    long bad = value != 77 || text[0] != 'd' || text[6] != 'c' || text[7] || text[19999];
    for (int i = 0; i < 8; i++)
        bad |= zero[i] != 0;
    return bad;
}

void lib_change(void) {
    value = 5;
    for (int i = 0; i < 8; i++)
        zero[i] = -1;
    for (int i = 0; i < 20000; i++)
        text[i] = 'x';
}

/* As for a thread_local object of C++: runs at the thread's end, and keeps the library loaded until then. */
static void count(void *counter) {
    __sync_add_and_fetch((int *)counter, 1);
}

int lib_at_thread_exit(int *counter) {
    return __cxa_thread_atexit_impl(count, counter, &__dso_handle);
}
