#!/bin/sh
# timeout: 240
# The programs in the manual's EXAMPLES: each compiles as C11 without a warning (and as C++17 where the page's source says
# `also C++`), and prints what the page says, with one worker and with two.
#
# A program is a literal display in EXAMPLES that has a main function; what it prints is the next display, after a line that
# begins with "It prints".  Without one it prints nothing on standard output.
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"
skip_under_sanitizers
if ! command -v cc >/dev/null || ! command -v c++ >/dev/null; then
    skip_all "needs compilers"
fi

# Writes NAME-N.c, NAME-N.out and, for C++, NAME-N.cxx.
awk -v dir="$tmp" '
function finish() { if (file) close(file); file = "" }
FNR == 1 { finish(); base = FILENAME; sub(/.*\//, "", base); sub(/\.[1-9]$/, "", base); part = 0; cxx = prints = 0; examples = 0 }
/^\.Sh/ { examples = /^\.Sh EXAMPLES/; cxx = prints = 0 }
!examples { next }
/^\.\\" also C\+\+/ { cxx = 1; next }
/^It prints/ { prints = 1; next }
/^\.Bd -literal/ { text = ""; in_display = 1; next }
/^\.Ed/ {
    in_display = 0
    if (prints) {
        if (part) { printf "%s", text >(dir "/" base "-" part ".out"); close(dir "/" base "-" part ".out") }
        prints = 0
    } else if (text ~ /(^|\n)int main\(/) {
        name = dir "/" base "-" ++part
        printf "%s", text >(name ".c"); close(name ".c")
        printf "" >(name ".out"); close(name ".out")
        if (cxx) { printf "" >(name ".cxx"); close(name ".cxx") }
    }
    cxx = 0
    next
}
in_display {
    line = $0
    sub(/^\\&/, "", line)
    gsub(/\\-/, "-", line)
    gsub(/\\e/, "\\", line)
    text = text line "\n"
}' "$ODONATA_SRC"/doc/man/*.[1-9]

# shellcheck disable=SC2317 # it is called by try
prints() { # program expected
    timeout 60 "$1" >"$1.got" 2>"$1.err"
    status=$?
    diff "$2" "$1.got" && [ "$status" = 0 ] && return 0
    echo "exit status $status"
    cat "$1.err"
    return 1
}

lib=$ODONATA_BUILD/.libs
for source in "$tmp"/*.c; do
    [ -e "$source" ] || continue
    base=${source%.c}
    program=${base##*/}
    flags="-O1 -g -Wall -Wextra -Wpedantic -Werror -I$ODONATA_SRC/include"
    case $program in *thread_1to1*) link=-lthread_1to1 ;; *) link=-lmn ;; esac
    # shellcheck disable=SC2086
    try "$program is C" cc -std=c11 -D_GNU_SOURCE $flags -o "$base" "$source" -L"$lib" -Wl,-rpath,"$lib" $link -pthread
    for workers in 1 2; do
        export MN_WORKERS=$workers
        [ -x "$base" ] && try "$program prints what the page says, $workers workers" prints "$base" "$base.out"
    done
    [ -e "$base.cxx" ] || continue
    # shellcheck disable=SC2086
    try "$program is C++" c++ -std=c++17 -x c++ $flags -fsyntax-only "$source"
done
for page in "$ODONATA_SRC"/doc/man/*.3; do
    name=${page##*/}
    [ -e "$tmp/${name%.3}-1.c" ] || echo "$name"
done >"$tmp/without"
try "every page of section 3 has a program" test ! -s "$tmp/without"
finish
