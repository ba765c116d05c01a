#!/bin/sh
# A C++ program (cxx.cc): preloaded, linked, and with the C++ and unwinding libraries linked statically.
. "$(dirname "$0")/lib.sh"
CXX=${CXX:-c++}
need "$CXX"
case ${ODONATA_SANITIZERS:-} in ?*)
    skip 'a sanitizer build: its library does not load into a plain program'
    finish
    ;;
esac

standard=c++20
echo 'int main() {}' >"$T/try.cc"
"$CXX" -std=c++20 -c -o "$T/try.o" "$T/try.cc" 2>/dev/null || standard=c++17
"$CXX" -std=$standard -O1 -g -Wall -Wno-maybe-uninitialized -pthread -c -o "$T/cxx.o" "$HERE/cxx.cc" 2>"$T/stderr"
result $? "compiles as $standard" || finish

# try HOW NAME LINKER-ARGUMENT ...: links and runs; its own TAP becomes one line, with what failed.
try() {
    try_how=$1
    try_name=$2
    shift 2
    "$CXX" -o "$T/cxx" "$T/cxx.o" "$@" -pthread 2>"$T/stderr"
    result $? "$try_name: links" || return
    "$try_how" "$T/cxx" >"$T/out"
    result $? "$try_name: $(grep -c '^ok ' "$T/out") checks pass" || grep -v '^ok ' "$T/out" | note
    grep -q '^1\.\.[3-9]' "$T/out"
    result $? "$try_name: it came to its end"
    proof 100 "$try_name"
}
try ours preloaded
try ours 'preloaded, static libgcc and libstdc++' -static-libgcc -static-libstdc++
if [ -n "$LIB" ]; then
    dir=$(dirname "$LIB")
    try linked linked "-Wl,-rpath,$dir" "-L$dir" -Wl,--no-as-needed -lthread_1to1
    try linked 'linked, static libgcc and libstdc++' "-Wl,-rpath,$dir" "-L$dir" -Wl,--no-as-needed -lthread_1to1 \
        -static-libgcc -static-libstdc++
    try linked 'linked, lazily bound' "-Wl,-rpath,$dir" "-L$dir" -Wl,--no-as-needed -lthread_1to1 -Wl,-z,lazy
fi
finish
