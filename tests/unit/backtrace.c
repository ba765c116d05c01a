/* lib/base/backtrace.h */
#include "unit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backtrace.h"

/* With external names, and never inlined: dladdr has to find them. */
int depth_three(void **pcs, int max, int skip);
int depth_two(void **pcs, int max, int skip);
int depth_one(void **pcs, int max, int skip);

__attribute__((visibility("default"), noinline)) int depth_three(void **pcs, int max, int skip) {
    int n = backtrace_take(pcs, max, skip);
    __asm__ volatile("" ::: "memory"); /* no tail call */
    return n;
}
__attribute__((visibility("default"), noinline)) int depth_two(void **pcs, int max, int skip) {
    int n = depth_three(pcs, max, skip);
    __asm__ volatile("" ::: "memory");
    return n;
}
__attribute__((visibility("default"), noinline)) int depth_one(void **pcs, int max, int skip) {
    int n = depth_two(pcs, max, skip);
    __asm__ volatile("" ::: "memory");
    return n;
}

static const char *name_of(void *pc) {
    Dl_info info;
    return dladdr((char *)pc - 1, &info) && info.dli_sname ? info.dli_sname : "?";
}

Test(backtrace, frames_in_order) {
    void *pcs[64];
    cr_assert_eq(backtrace_prepare(), 0);
    int n = depth_one(pcs, 64, 0);
    cr_assert(n >= 4);
    cr_assert_str_eq(name_of(pcs[0]), "depth_three");
    cr_assert_str_eq(name_of(pcs[1]), "depth_two");
    cr_assert_str_eq(name_of(pcs[2]), "depth_one");
}

Test(backtrace, skip_and_max) {
    void *pcs[64];
    cr_assert(depth_one(pcs, 64, 1) >= 3);
    cr_assert_str_eq(name_of(pcs[0]), "depth_two");
    cr_assert_eq(depth_one(pcs, 2, 0), 2);
    cr_assert_str_eq(name_of(pcs[1]), "depth_two");
    cr_assert_eq(depth_one(pcs, 0, 0), 0);
    cr_assert_eq(depth_one(pcs, 64, 1000), 0);
}

static char *printed(void *const *pcs, int n) {
    static char text[16384];
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    backtrace_print(fds[1], pcs, n);
    close(fds[1]);
    ssize_t got = read(fds[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = 0;
    close(fds[0]);
    return text;
}

Test(backtrace, print_names_functions) {
    void *pcs[64];
    int n = depth_one(pcs, 64, 0);
    char *text = printed(pcs, n), *one = strstr(text, "depth_one"), *three = strstr(text, "depth_three");
    cr_assert(one && three && three < one, "%s", text);
    cr_assert(strstr(printed(pcs, 0), "no backtrace"));
    void *nowhere = (void *)16;
    cr_assert(strstr(printed(&nowhere, 1), "0x10"));
}

Test(backtrace, does_not_replace_the_unwinder) {
    void *before = dlsym(RTLD_DEFAULT, "_Unwind_RaiseException");
    cr_assert_eq(backtrace_prepare(), 0);
    cr_assert_eq(dlsym(RTLD_DEFAULT, "_Unwind_RaiseException"), before);
    cr_assert_null(dlsym(RTLD_DEFAULT, "unw_backtrace"), "libunwind's names are not global");
}

/* ThreadSanitizer falls over libunwind: its per-thread cache is released when the tool has forgotten the
 * thread. */
#ifndef __SANITIZE_THREAD__
static void body(unsigned index, uint32_t *random) {
    void *pcs[64];
    (void)index;
    for (long i = 0; i < scaled(200); i++) {
        random_delay(random);
        cr_assert(depth_one(pcs, 64, 0) >= 3);
        cr_assert_str_eq(name_of(pcs[2]), "depth_one");
    }
}

Test(backtrace, from_many_threads_at_once) {
    crew(8, body);
}
#endif
