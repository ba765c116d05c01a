#!/bin/sh
# An OpenMP program (openmp.c): the compiler's own library makes and keeps the threads.
. "$(dirname "$0")/lib.sh"
CC=${CC:-cc}
need "$CC"
if ! "$CC" -fopenmp -O1 -Wall -o "$T/program" "$HERE/openmp.c" -pthread 2>"$T/stderr"; then
    skip "$CC has no OpenMP"
    finish
fi
OMP_WAIT_POLICY=passive
export OMP_WAIT_POLICY
ours "$T/program" >"$T/out"
result $? "passive waiting: $(grep -c '^ok ' "$T/out") checks pass" || note <"$T/out"
proof 9
OMP_WAIT_POLICY=active
GOMP_SPINCOUNT=1000
OMP_STACKSIZE=256k
export GOMP_SPINCOUNT OMP_STACKSIZE
ours "$T/program" >"$T/out"
result $? "active waiting, small stacks: $(grep -c '^ok ' "$T/out") checks pass" || note <"$T/out"
proof 9
finish
