#!/bin/sh
# Each public header, alone and twice, is clean C11 and C++17, also pedantically, and its functions have C linkage.
# thread_1to1.h is for old programs too: clean C99.
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"

warn="-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -I$ODONATA_SRC/include"
find "$ODONATA_SRC/include" -name '*.h' >"$tmp/headers"
while read -r h; do
    base=${h#"$ODONATA_SRC/include/"}
    printf '#include "%s"\n#include "%s"\n#include <pthread.h>\nextern int unused;\n' "$base" "$base" >"$tmp/a.c"
    cp "$tmp/a.c" "$tmp/a.cc"
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        # shellcheck disable=SC2086
        try "$base: C11, $cc" $cc -std=c11 -Wstrict-prototypes $warn "$tmp/a.c"
        case $base in mn.h | mn/*) continue ;; esac
        # shellcheck disable=SC2086
        try "$base: C99, $cc" $cc -std=c99 -Wstrict-prototypes $warn "$tmp/a.c"
    done
    for cxx in g++ clang++; do
        command -v $cxx >/dev/null || continue
        # shellcheck disable=SC2086
        try "$base: C++17, $cxx" $cxx -std=c++17 $warn "$tmp/a.cc"
    done
    grep -qE '^[a-z].*\);' "$h" || continue
    grep -q 'extern "C"' "$h"
    try "$base: C linkage for C++" test $? = 0
done <"$tmp/headers"
finish
