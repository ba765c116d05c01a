#!/bin/sh
# valgrind's memcheck finds nothing lost in a program whose threads were joined: neither in stacks that are kept for later
# threads, nor in LWPs that wait for them.
# not under: asan, tsan, clang
. "$(dirname "$0")/lib.sh"
CC=${CC:-cc}
need valgrind "$CC"
cat >"$T/program.c" <<'C'
#include <pthread.h>
static void *work(void *arg) {
    return arg;
}
int main(void) {
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], 0, work, 0))
            return 1;
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], 0);
    return 0;
}
C
"$CC" -O1 -g -o "$T/program" "$T/program.c" -lpthread
result $? 'compiles'
ours valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible --error-exitcode=9 "$T/program"
result $? 'nothing is lost'
proof 8
finish
