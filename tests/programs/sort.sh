#!/bin/sh
# sort: merges in threads.
. "$(dirname "$0")/lib.sh"
need sort awk
awk 'BEGIN { srand(7); for (i = 0; i < 600000; i++) printf "%09d %d\n", rand() * 1e9, i }' >"$T/in"

ours sort --parallel=4 -S 64M -o "$T/out" "$T/in"
result $? 'sort --parallel=4'
proof 2
sort --parallel=1 -o "$T/want" "$T/in"
check 'the order is that of one thread' cmp "$T/out" "$T/want"
ours sort --parallel=8 -S 24M -T "$T" --compress-program=gzip -n -k2,2r "$T/in" >"$T/out"
result $? 'sort --parallel=8 over temporary files that child processes compress'
proof 2
sort --parallel=1 -n -k2,2r "$T/in" | cmp - "$T/out"
result $? 'the order is that of one thread'
finish
