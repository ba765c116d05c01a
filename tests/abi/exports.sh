#!/bin/sh
# The dynamic symbols of libthread_1to1.so: every function that a program can bind to in the libc's thread families is
# ours, nothing is exported that is neither the libc's nor ours by name, no symbol has a version (a versioned definition
# would not take the place of the libc's), and the object needs only the libc and has no text relocations.
# shellcheck source=tests/abi/lib.sh
. "$(dirname "$0")/lib.sh"
lib=${ODONATA_LIB:-$ODONATA_BUILD/.libs/libthread_1to1.so}

if ! command -v nm >/dev/null || ! command -v readelf >/dev/null; then
    skip_all "needs binutils"
fi

libc=$(ldd "$lib" | awk '$1 ~ /^libc\.so\.6/ {print $3}')
nm -D --defined-only --with-symbol-versions "$libc" >"$tmp/libc.nm"
nm -D --defined-only --with-symbol-versions "$lib" >"$tmp/lib.nm"
ok $? "nm reads the library and $libc"

# Functions (T, W, i) that have at least one public version.
awk '$2 ~ /^[TWi]$/ && $3 !~ /GLIBC_PRIVATE/ {sub(/@.*/, "", $3); print $3}' "$tmp/libc.nm" | sort -u >"$tmp/libc"
awk '{sub(/@.*/, "", $3); print $3}' "$tmp/lib.nm" | sort -u >"$tmp/lib"
family='^(pthread_|sem_|thrd_|mtx_|cnd_|tss_|call_once$|__pthread_|_pthread_cleanup_)'
grep -E "$family" "$tmp/libc" >"$tmp/family"
sed 's/#.*//; /^ *$/d' "$ODONATA_SRC/tests/abi/exceptions" | awk '{print $1}' | sort -u >"$tmp/exceptions"

[ "$(wc -l <"$tmp/family")" -ge 190 ]
ok $? "the libc has $(wc -l <"$tmp/family") functions in the thread families"
comm -23 "$tmp/family" "$tmp/lib" | comm -23 - "$tmp/exceptions" >"$tmp/gap"
empty "$tmp/gap" "every one of them is exported here, or a documented exception"
comm -12 "$tmp/exceptions" "$tmp/lib" >"$tmp/stale"
comm -23 "$tmp/exceptions" "$tmp/family" >>"$tmp/stale"
empty "$tmp/stale" "no exception is out of date"
sed 's/#.*//; /^ *$/d' "$ODONATA_SRC/tests/abi/exceptions" | awk 'NF < 3' >"$tmp/bare"
empty "$tmp/bare" "every exception says why"

# Exported, and neither a function of the libc that programs bind to nor named as ours.
comm -23 "$tmp/lib" "$tmp/libc" | grep -v '^thread_1to1_' >"$tmp/extra"
empty "$tmp/extra" "nothing else is exported but thread_1to1_*"
awk '$3 ~ /^thread_1to1_/ {print $3}' "$tmp/lib.nm" | sort -u |
    while read -r s; do grep -qw "$s" "$ODONATA_SRC/include/thread_1to1.h" || echo "$s"; done >"$tmp/undeclared"
empty "$tmp/undeclared" "every thread_1to1_* is declared in include/thread_1to1.h"
grep -o 'thread_1to1_[a-z0-9_]*(' "$ODONATA_SRC/include/thread_1to1.h" | tr -d '(' | sort -u |
    while read -r s; do grep -qx "$s" "$tmp/lib" || echo "$s"; done >"$tmp/undefined"
empty "$tmp/undefined" "and everything that it declares is exported"
awk '$2 !~ /^[TWi]$/ {print}' "$tmp/lib.nm" | grep -v '^0* A ' >"$tmp/data"
case " $ODONATA_SANITIZERS " in
"  ") empty "$tmp/data" "only functions are exported, no data" ;;
*) ok 0 "only functions are exported, no data # SKIP a sanitizer adds some" ;;
esac
grep '@' "$tmp/lib.nm" >"$tmp/versioned"
empty "$tmp/versioned" "no symbol has a version"
grep -E ' [Ww] ' "$tmp/lib.nm" >"$tmp/weak"
empty "$tmp/weak" "no symbol is weak"
nm -D --undefined-only "$lib" | awk '{print $2}' | sed 's/@.*//' | grep -E "$family" >"$tmp/back"
sort -u "$tmp/back" | comm -12 - "$tmp/lib" >"$tmp/both"
empty "$tmp/both" "the library does not call what it exports through the dynamic linker"

needed "$lib" 'libc\.so\.6|ld-linux.*'
loadable "$lib" libthread_1to1.so.0

finish
