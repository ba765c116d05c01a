#!/bin/sh
# LMDB, whose writers take turns by a robust mutex in a shared file (lmdb.c): the environment stays usable when
# processes are killed while they hold it.
. "$(dirname "$0")/lib.sh"
compiled lmdb lmdb.h -llmdb
mkdir "$T/env"

ours "$T/lmdb" write "$T/env" >"$T/out"
result $? 'processes and threads write to one environment' || note <"$T/out"
# Each thread's transactions but those given up, and everyone's on one counter.
awk 'BEGIN { print "0: 1800"; for (i = 1; i <= 12; i++) print i ": 129" }' >"$T/want"
check 'nothing is lost' cmp "$T/out" "$T/want"
proof 12

ours "$T/lmdb" kill "$T/env" >"$T/out"
result $? 'writers are killed while others wait' || note <"$T/out"
awk 'BEGIN { for (i = 100; i < 104; i++) print i ": 20" }' >>"$T/want"
check 'everything of those who waited is there' cmp "$T/out" "$T/want"
proof 80
finish
