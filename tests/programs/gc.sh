#!/bin/sh
# Boehm's collector, which stops threads by signals and scans their stacks (gc.c).
. "$(dirname "$0")/lib.sh"
compiled gc gc.h -lgc
"$T/gc" >"$T/want" 2>"$T/stderr"
result $? 'runs on the libc' || finish
: >"$T/stderr"
for turn in 1 2; do
    ours "$T/gc" >"$T/out"
    result $? "run $turn" || note <"$T/out"
    check 'the figures are the same' cmp "$T/out" "$T/want"
    proof 500
done
grep -qx 'not cancelled: 0' "$T/want" && grep -qx 'collections: many' "$T/want"
result $? 'collections stopped threads'
finish
