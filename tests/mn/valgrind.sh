#!/bin/sh
# valgrind takes each green thread's stack for a stack: no error where there is none, and one where there is one.
# models: mn-1, mn-2
# not under: asan, tsan, clang
# (clang writes DWARF 5, at which Debian's valgrind gives up.)
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/../programs/lib.sh"
need valgrind
BUILD=${ODONATA_BUILD:?}
# under TEST: runs it there.
under() {
    LD_LIBRARY_PATH=$BUILD/.libs timeout -k 5 "$LIMIT" valgrind -q --error-exitcode=9 "$BUILD/tests/mn/.libs/$1" >"$T/out" 2>"$T/stderr"
}
under fiber
result $? 'no error'
[ "$(grep -c '^ok' "$T/out")" = 3 ]
result $? 'and it ran' || note <"$T/out"
! grep -q 'switching stacks\|Invalid\|uninitialised' "$T/stderr"
result $? 'valgrind says nothing of stacks' || note <"$T/stderr"
under stack_report
result $? 'nor of what is looked for below their frames' || note <"$T/stderr"
finish
