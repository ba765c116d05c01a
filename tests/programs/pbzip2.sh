#!/bin/sh
# pbzip2: a C++ program whose producer, consumers and writer share mutexes and condition variables.
. "$(dirname "$0")/lib.sh"
need pbzip2
sample 6 "$T/in"

ours pbzip2 -q -p4 -b5 -c "$T/in" >"$T/out.bz2"
result $? 'pbzip2 -p4 compresses'
proof 4
if command -v bzip2 >/dev/null; then
    bzip2 -dc "$T/out.bz2" | cmp - "$T/in"
    result $? 'bzip2 gets the same bytes back'
fi
ours pbzip2 -q -d -p4 -c "$T/out.bz2" | cmp - "$T/in"
result $? 'pbzip2 -d -p4 gets the same bytes back'
proof 4
finish
