#!/bin/sh
# xz: compresses and decompresses with threads (liblzma's condition variables with deadlines).
. "$(dirname "$0")/lib.sh"
need xz
sample 4 "$T/in"

ours xz -T2 -1 --block-size=512KiB -c "$T/in" >"$T/out.xz"
result $? 'xz -T2 compresses'
proof 2
[ "$(xz --robot --list "$T/out.xz" | awk '$1 == "file" { print $3 }')" = 8 ]
result $? 'in eight blocks'
xz -T1 -dc "$T/out.xz" | cmp - "$T/in"
result $? 'one thread gets the same bytes back'
ours xz -T4 -dc "$T/out.xz" | cmp - "$T/in"
result $? 'xz -T4 -d gets the same bytes back'
proof 2
head -c 1000000 "$T/out.xz" >"$T/short.xz"
ours xz -T4 -t "$T/short.xz"
[ $? -eq 1 ]
result $? 'a cut file is an error, and the threads end'
proof 2
finish
