#!/bin/sh
# zstd: its pools of threads compress; single-threaded for the same result back.
. "$(dirname "$0")/lib.sh"
need zstd
sample 24 "$T/in"

ours zstd -q -T2 -B1M -c "$T/in" >"$T/out.zst"
result $? 'zstd -T2 compresses'
proof 2
zstd -q -dc "$T/out.zst" | cmp - "$T/in"
result $? 'the same bytes come back'
ours zstd -q -T4 --rsyncable -3 -c "$T/in" | zstd -q -dc | cmp - "$T/in"
result $? 'zstd -T4 --rsyncable'
proof 4
ours zstd -q -b1 -e2 -i0 -T2 "$T/in" >"$T/bench"
result $? 'its benchmark mode'
proof 2
finish
