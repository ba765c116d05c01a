#!/bin/sh
# The dynamic symbols of libmn.so are mn_*, the BSDs' names for kqueues, close, sigaction and signal (for the sake of these: kq_names.c, kq_sigaction.c), and the two functions of C++'s run time that it has to stand in for; every one
# is declared in include/mn/*.h and everything declared there is exported; the object needs the libc, hwloc and libgcc_s
# alone (an initialiser of mn_once may be left by a C++ exception, which is the last one's).
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"
lib=$ODONATA_BUILD/.libs/libmn.so

if ! command -v nm >/dev/null || ! command -v readelf >/dev/null || ! command -v gcc >/dev/null; then
    skip_all "needs binutils and gcc"
fi

nm -D --defined-only --with-symbol-versions "$lib" >"$tmp/nm"
ok $? "nm reads $lib"
awk '{sub(/@.*/, "", $3); print $3}' "$tmp/nm" | sort -u >"$tmp/exported"
[ "$(grep -c '^mn_' "$tmp/exported")" -ge 25 ]
ok $? "it exports $(grep -c '^mn_' "$tmp/exported") functions"
grep -v -E '^mn_|^__cxa_get_globals(_fast)?$|^kqueue[x1]?$|^kevent$|^close$|^(__)?sigaction$|^(__sysv_)?signal$' "$tmp/exported" >"$tmp/extra"
case " ${ODONATA_SANITIZERS:-} " in
"  ")
    empty "$tmp/extra" "nothing else is exported but what C++ needs"
    awk '$2 != "T" {print}' "$tmp/nm" >"$tmp/data"
    empty "$tmp/data" "only functions are exported: no data, nothing weak"
    ;;
*)
    ok 0 "nothing else is exported # SKIP a sanitizer adds some"
    ok 0 "only functions are exported # SKIP a sanitizer adds some"
    ;;
esac
grep '@' "$tmp/nm" >"$tmp/versioned"
empty "$tmp/versioned" "no symbol has a version"

# gcc lists every function that the headers declare, with where.
: >"$tmp/declared"
for h in "$ODONATA_SRC/include/mn.h" "$ODONATA_SRC"/include/mn/*.h; do
    gcc -I"$ODONATA_SRC/include" -aux-info "$tmp/aux" -fsyntax-only "$h" -x c 2>"$tmp/err" || ok 1 "gcc reads $h"
    grep -F "/include/mn" "$tmp/aux" | grep -v ' static ' | grep -o '\bmn_[a-z0-9_]* *(' | tr -d ' (' >>"$tmp/declared"
done
sort -u -o "$tmp/declared" "$tmp/declared"
grep '^mn_' "$tmp/exported" | comm -23 - "$tmp/declared" >"$tmp/undeclared"
empty "$tmp/undeclared" "every function that is exported is declared in a public header"
comm -13 "$tmp/exported" "$tmp/declared" >"$tmp/undefined"
empty "$tmp/undefined" "and every function that is declared is exported"
for h in "$ODONATA_SRC"/include/mn/*.h; do
    [ "${h##*/}" = object.h ] || grep -q "include/mn/${h##*/}" "$ODONATA_SRC/lib/libmn/Makefile.inc" || echo "$h"
done >"$tmp/forgotten"
empty "$tmp/forgotten" "every header is installed"

needed "$lib" 'libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux.*|libhwloc\.so\..*'
loadable "$lib" libmn.so.0

finish
