#!/bin/sh
# gdb: finds the library's threads, their names and stacks; a core file has them too.
. "$(dirname "$0")/lib.sh"
CC=${CC:-cc}
need gdb "$CC"
cat >"$T/program.c" <<'C'
#include <pthread.h>
#include <stdio.h>
static pthread_barrier_t barrier;
static __thread int mine;
static void *work(void *arg) {
    char name[16];
    snprintf(name, sizeof name, "worker-%ld", (long)arg);
    pthread_setname_np(pthread_self(), name);
    mine = 100 + (int)(long)arg;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return &mine;
}
void all_are_here(void) {
    __asm__ volatile("");
}
int main(void) {
    pthread_t t[3];
    pthread_barrier_init(&barrier, NULL, 4);
    for (long i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, work, (void *)i);
    pthread_barrier_wait(&barrier);
    all_are_here();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    return 7;
}
C
"$CC" -O0 -g -o "$T/program" "$T/program.c" -pthread 2>"$T/stderr"
result $? 'compiles' || finish

set -- -nx -q -batch -iex 'set debuginfod enabled off' -iex "add-auto-load-safe-path /" \
    -iex 'handle SIGCONT nostop noprint' # whoever stops the machine's other work for a while sends it
if ! gdb "$@" -ex 'break main' -ex run "$T/program" 2>&1 | grep -q '^Breakpoint 1, '; then
    skip 'gdb may not trace here'
    finish
fi
preload=
[ -n "$LIB" ] && preload="set exec-wrapper env LD_PRELOAD=$LIB ODONATA_VERBOSE=1"
timeout -k 5 "$LIMIT" gdb "$@" -ex "$preload" -ex 'break all_are_here' -ex run -ex 'info threads' \
    -ex 'thread apply all backtrace' -ex 'thread apply all print mine' -ex "generate-core-file $T/core" \
    -ex continue "$T/program" >"$T/out" 2>&1
result $? 'gdb runs the program' || note <"$T/out"
cp "$T/out" "$T/stderr"
[ "$(grep -c '^[* ] [0-9]* *Thread 0x' "$T/out")" = 4 ]
result $? 'info threads: four threads, with their handles'
[ "$(grep -c '^[* ] [0-9]* .*"worker-[012]"' "$T/out")" = 3 ]
result $? 'and their names'
[ "$(grep -c '^#[0-9]* .* work (arg=' "$T/out")" = 3 ]
result $? 'backtraces reach the start routines'
[ "$(grep -c '^\$[0-9]* = 10[012]$' "$T/out")" = 3 ]
result $? 'thread-local variables of each'
grep -q 'exited with code 07' "$T/out"
result $? 'the program ends as it should under gdb'
proof 3
if [ -s "$T/core" ]; then
    timeout -k 5 "$LIMIT" gdb "$@" -ex 'info threads' -ex 'thread apply all backtrace' "$T/program" "$T/core" \
        >"$T/core.out" 2>&1
    [ "$(grep -c '^#[0-9]* .* work (arg=' "$T/core.out")" = 3 ]
    result $? 'the core file has the threads and their stacks' || note <"$T/core.out"
fi
finish
