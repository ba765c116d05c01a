#!/bin/sh
# The context switch for aarch64, and how the handler of a fault changes contexts, built by the cross compiler and run under
# qemu, with its unwinding.
# workers: 1
T=$(mktemp -d "${TMPDIR:-/tmp}/odonata-ctx.XXXXXX") || exit 1
trap 'rm -rf "$T"' EXIT
SRC=${ODONATA_SRC:-$(cd "$(dirname "$0")/../.." && pwd -P)}
for program in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v "$program" >/dev/null; then
        echo "ok 1 # SKIP $program is not installed"
        echo 1..1
        exit 0
    fi
done
build() {
    name=$1
    shift
    aarch64-linux-gnu-gcc -std=gnu11 -D_GNU_SOURCE -static -Wall -Wextra -Werror "$@" -I"$SRC/tests" -I"$SRC/lib/libmn" \
        -I"$SRC/lib/libmn/arch/aarch64" "$SRC/lib/libmn/arch/aarch64/ctx.S" -o "$T/$name" || exit 1
}
build ctx2 -O2 "$SRC/tests/mn/ctx.c"
build ctx0 -O0 "$SRC/tests/mn/ctx.c"
build fault2 -O2 "$SRC/tests/mn/ctx_fault.c"
build fault0 -O0 "$SRC/tests/mn/ctx_fault.c"
build walk -O2 -fexceptions "$SRC/tests/mn/ctx_gcc.c"
n=0
for program in ctx2 ctx0 fault2 fault0 walk; do
    qemu-aarch64 "$T/$program" >"$T/out" 2>&1
    status=$?
    sed 's/^/# /' "$T/out"
    n=$((n + 1))
    if [ $status = 0 ]; then echo "ok $n - $program"; else
        echo "not ok $n - $program: status $status"
        failed=1
    fi
done
echo "1..$n"
exit "${failed:-0}"
