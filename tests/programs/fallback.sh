#!/bin/sh
# What the library falls back to: a libc that it does not know, a kernel without clone3, a system call filter.
. "$(dirname "$0")/lib.sh"
need python3
unset ODONATA_LWP

cat >"$T/threads.py" <<'END'
import threading
def work(k):
    total[k] = sum(range(1000 * k))
total = {}
for _ in range(20):
    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
print(sum(total.values()))
END

# with WHAT: runs the program with that disabled; what the library says is in $T/stderr.
with() {
    ODONATA_DISABLE=$1 ours python3 "$T/threads.py" >"$T/out"
    result $? "runs without $1"
    check "and computes the same" grep -qx 69986000 "$T/out"
    [ -z "$LIB" ] || check "creates all of its threads" grep -q 'threads created: 160' "$T/stderr"
}

with libcabi
[ -z "$LIB" ] || check "on LWPs of the libc, and says why" grep -q 'made by the libc.*because of: ODONATA_DISABLE' "$T/stderr"
with libcabi,cancelword
with clone3
[ -z "$LIB" ] || check "on LWPs of our own" grep -q 'LWPs: our own' "$T/stderr"
with none
[ -z "$LIB" ] || check "and reused ones if nothing is" grep -q 'LWPs: our own, reused' "$T/stderr"
finish
