#!/bin/sh
# A Rust program on std::thread (rust.rs): preloaded.
. "$(dirname "$0")/lib.sh"
need rustc
if ! rustc --version >/dev/null 2>&1; then
    skip 'rustc does not run here'
    finish
fi
rustc --edition 2021 -o "$T/program" "$HERE/rust.rs" 2>"$T/stderr"
result $? 'compiles' || finish
ours "$T/program"
result $? 'threads, panics, channels, locks, thread locals'
proof 17
finish
