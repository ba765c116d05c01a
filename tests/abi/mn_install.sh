#!/bin/sh
# libmn as it is installed: headers, library and manual are there, the .pc file builds a C and a C++ program that run,
# and nothing is left by uninstall.
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"
skip_under_sanitizers
if ! command -v pkg-config >/dev/null; then
    skip_all "needs pkg-config"
fi

unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
try "make install" make -s -C "$ODONATA_BUILD" install DESTDIR="$tmp/root"
pc=$(find "$tmp/root" -name libmn.pc)
try "it installs libmn.pc" test -n "$pc"
dir=$(dirname "$(dirname "$pc")")
for h in mn.h mn/run.h mn/thread.h mn/sync.h mn/chan.h; do
    try "it installs $h" test -n "$(find "$tmp/root" -path "*/include/$h")"
done
# What the headers include among themselves is there as well.
find "$ODONATA_SRC/include/mn" -name '*.h' | while read -r h; do
    [ -n "$(find "$tmp/root" -path "*/include/mn/${h#*/include/mn/}")" ] || echo "$h"
done >"$tmp/missing"
try "it installs every header of include/mn" test ! -s "$tmp/missing"
# A page is found under the names of its functions.
man=$(find "$tmp/root" -type d -name man3)
try "it installs the manual" test -s "$man/mn_go.3" -a -s "$man/../man7/libmn.7"
try "a page is found by its other names" grep -qx '\.so man3/mn_go\.3' "$man/mn_join.3"
if command -v man >/dev/null && man -M "$man/.." -P cat mn_go >/dev/null 2>&1; then
    try "and shown by man" sh -c "man -M '$man/..' -P cat mn_join | grep -q 'mn_join_until('"
fi

cat >"$tmp/hello.c" <<'END'
#include <mn.h>
static void *work(void *arg) {
    return arg;
}
static int hello(void *arg) {
    mn_thread t;
    void *result;
    return mn_go(&t, work, arg) == 0 && mn_join(t, &result) == 0 && result == arg ? 0 : 1;
}
int main(void) {
    int word;
    return mn_run(hello, &word, 0);
}
END
cp "$tmp/hello.c" "$tmp/hello.cc"
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
flags=$(pkg-config --cflags --libs libmn)
try "pkg-config knows libmn" test -n "$flags"
pkg-config --static --libs libmn >"$tmp/static"
try "and what libmn.a needs" grep -q -e -lhwloc "$tmp/static"
# shellcheck disable=SC2086
try "a C program is built" cc -std=c11 -Wall -Wextra -Wpedantic -Werror -o "$tmp/hello" "$tmp/hello.c" $flags
try "and runs" env LD_LIBRARY_PATH="$dir" timeout 30 "$tmp/hello"
# shellcheck disable=SC2086
try "a C++17 program is built" c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -o "$tmp/hellocc" "$tmp/hello.cc" $flags
try "and runs" env LD_LIBRARY_PATH="$dir" timeout 30 "$tmp/hellocc"
printf '#include <sys/event.h>\nint main(void) {\n    return kqueue() < 0;\n}\n' >"$tmp/bsd.c"
# shellcheck disable=SC2086
try "a program for <sys/event.h> is built" cc -o "$tmp/bsd" "$tmp/bsd.c" \
    -I"$tmp/root$(pkg-config --variable=bsdincludedir libmn | sed "s|^$tmp/root||")" $flags
try "and runs" env LD_LIBRARY_PATH="$dir" timeout 30 "$tmp/bsd"
# Ours named event.h does not hide libevent's.
mkdir "$tmp/event"
printf 'struct event { int theirs; };\n' >"$tmp/event/event.h"
printf '#include <mn.h>\n#include <event.h>\nint unused = sizeof(struct event) + sizeof(struct mn_event);\n' >"$tmp/event.c"
# shellcheck disable=SC2046
try "libevent's <event.h> is found beside <mn.h>" cc -c -o "$tmp/event.o" "$tmp/event.c" $(pkg-config --cflags libmn) \
    -I"$tmp/event"
try "make uninstall" make -s -C "$ODONATA_BUILD" uninstall DESTDIR="$tmp/root"
find "$tmp/root" -type f -o -type l >"$tmp/left"
try "leaves nothing" test ! -s "$tmp/left"
finish
