#!/bin/sh
# A C program that is linked with the library (nothing is preloaded), against the build tree.
. "$(dirname "$0")/lib.sh"
CC=${CC:-cc}
need "$CC" readelf ldd
case ${ODONATA_SANITIZERS:-} in ?*)
    skip 'a sanitizer build: its library does not load into a plain program'
    finish
    ;;
esac
set --
if [ -n "$LIB" ]; then
    dir=$(dirname "$LIB")
    set -- "-L$dir" "-Wl,-rpath,$dir" -lthread_1to1
fi
"$CC" -D_GNU_SOURCE -O2 -Wall -o "$T/linked" "$HERE/linked.c" "$@" -pthread 2>"$T/stderr"
result $? 'compiles and links' || finish
if [ -n "$LIB" ]; then
    readelf -d "$T/linked" | grep -q 'NEEDED.*libthread_1to1\.so\.0'
    result $? 'the program names the library as needed'
    ldd "$T/linked" | grep -q "libthread_1to1\.so\.0 => $dir/"
    result $? 'ldd finds it'
    [ "$(readelf -d "$LIB" | grep -c NEEDED)" = 1 ] && readelf -d "$LIB" | grep -q 'NEEDED.*libc\.so\.6'
    result $? 'the library itself needs libc alone'
fi
linked "$T/linked" >"$T/out"
result $? "$(grep -c '^ok ' "$T/out") checks pass" || note <"$T/out"
if [ -n "$LIB" ]; then
    grep -q '^# pthread_create is in .*libthread_1to1' "$T/out"
    result $? 'pthread_create is the library'"'"'s'
fi
proof 11
finish
