#!/bin/sh
# Each public header, alone and twice, is clean C11 and C++17, also pedantically, and its functions have C linkage.
# thread_1to1.h and <sys/event.h> are for old programs too: clean C99.
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
        case $base in mn/sys/event.h | mn/bsd/*) ;; mn.h | mn/*) continue ;; esac
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

# Installed in /usr: the directory of the headers is the last that is searched, and has the libc's beside ours.  With and without
# the path that programs for <sys/event.h> have.
printf '#include <mn.h>\n#include <mn/signal.h>\n#include <mn/sys/event.h>\nint unused = EINTR + SIGINT + (int)sizeof(struct timespec);\nint *used(void) { return &errno; }\n' >"$tmp/usr.c"
printf '#include <sys/event.h>\n#include <errno.h>\n#include <signal.h>\n#include <time.h>\nint unused = EINTR + SIGINT + (int)sizeof(struct timespec);\n' >"$tmp/bsd.c"
# The names of libevent's headers are its own.
mkdir "$tmp/event"
printf 'struct event { int theirs; };\n' >"$tmp/event/event.h"
printf '#include <event.h>\n#include <sys/event.h>\n#include <mn.h>\nint unused = sizeof(struct event) + sizeof(struct mn_event) + sizeof(struct kevent);\n' >"$tmp/both.c"
# shellcheck disable=SC2086
try "another <event.h> beside them" ${CC:-cc} -fsyntax-only -Wall -Werror -I"$ODONATA_SRC/include/mn/bsd" \
    -I"$ODONATA_SRC/include" -I"$tmp/event" "$tmp/both.c"
if command -v gcc >/dev/null && [ -e /usr/include/stdio.h ]; then
    mkdir "$tmp/include"
    ln -s /usr/include/* "$ODONATA_SRC"/include/* "$tmp/include"
    arch=/usr/include/$(gcc -print-multiarch)
    system="-nostdinc -isystem $(gcc -print-file-name=include) -isystem $arch -isystem $tmp/include -std=gnu11 -fsyntax-only"
    # shellcheck disable=SC2086
    try "headers in the last directory" gcc $system "$tmp/usr.c"
    # shellcheck disable=SC2086
    try "and with mn in the path" gcc $system -I"$tmp/include/mn" "$tmp/usr.c"
    # shellcheck disable=SC2086
    try "and as programs for <sys/event.h> see them" gcc $system -I"$tmp/include/mn/bsd" "$tmp/bsd.c"
    # shellcheck disable=SC2086
    try "or once saw them" gcc $system -I"$tmp/include/mn" "$tmp/bsd.c"
fi
finish
