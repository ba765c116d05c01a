#!/bin/sh
# node: worker threads, libuv's pool, the engine's helpers.
. "$(dirname "$0")/lib.sh"
need node
ours node "$HERE/node.js" "$T" >"$T/out"
result $? 'node: workers, Atomics.wait, file system and crypto pools' || note <"$T/out"
proof 10
finish
