#!/bin/sh
# A C program whose code runs in threads that the libc makes inside itself (libc_threads.c).
. "$(dirname "$0")/lib.sh"
CC=${CC:-cc}
need "$CC"
"$CC" -D_GNU_SOURCE -O2 -g -Wall -o "$T/program" "$HERE/libc_threads.c" -pthread -lrt -lanl 2>"$T/stderr"
result $? 'compiles' || finish
cd "$T" || exit 1
for turn in 1 2 3; do
    ours "$T/program" >"$T/out"
    result $? "run $turn: $(grep -c '^ok ' "$T/out") checks pass" || grep -v '^ok ' "$T/out" | note
    proof 30
done
finish
