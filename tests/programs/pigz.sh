#!/bin/sh
# pigz: compresses with four threads, and back with its reading and writing threads.
. "$(dirname "$0")/lib.sh"
need pigz gzip
sample 24 "$T/in"

ours pigz -p 4 -c "$T/in" >"$T/out.gz"
result $? 'pigz -p 4 compresses'
proof 4
gzip -dc "$T/out.gz" | cmp - "$T/in"
result $? 'gzip gets the same bytes back'
ours pigz -d -c "$T/out.gz" | cmp - "$T/in"
result $? 'pigz -d gets the same bytes back'
proof 1
ours pigz -p 8 -b 32 -i -c "$T/in" | gzip -dc | cmp - "$T/in"
result $? 'pigz -p 8 with small blocks'
proof 8
finish
