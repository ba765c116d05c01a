#!/bin/sh
# python3: the interpreter's own lock, pools, fork while threads run, name look-ups, signals.  Each part of
# python.py is a process of its own.
. "$(dirname "$0")/lib.sh"
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
need "$PYTHON"

part() { # NAME MINIMUM-OF-THREADS
    ours "$PYTHON" "$HERE/python.py" "$1"
    result $? "python3: $1"
    proof "$2" "python3: $1"
}
part threads 12
part pools 8
part names 8
part fork 8
part multiprocessing 2
part subprocesses 6
part signals 2
part local 8
part daemon_threads 4
part many 300
finish
