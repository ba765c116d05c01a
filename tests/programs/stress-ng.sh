#!/bin/sh
# stress-ng: its pthread, mutex and sem stressors.  They run in child processes that end by _exit, where no library
# can print a count: the dynamic linker's own record of bindings is the proof.
. "$(dirname "$0")/lib.sh"
need stress-ng

stress() { # NAME SYMBOL OPTION ...
    stress_name=$1
    stress_symbol=$2
    shift 2
    rm -f "$T"/bindings.* "$T/stderr"
    ours env LD_DEBUG=bindings LD_DEBUG_OUTPUT="$T/bindings" stress-ng --verify --metrics-brief \
        --temp-path "$T" "$@" >"$T/out"
    result $? "stress-ng $stress_name"
    grep -q 'successful run completed' "$T/stderr"
    result $? "stress-ng $stress_name: nothing failed"
    if [ -n "$LIB" ]; then
        grep -q "binding file stress-ng .* to [^ ]*libthread_1to1.*\`$stress_symbol'" \
            "$T"/bindings.*
        result $? "stress-ng $stress_name: $stress_symbol is bound to the library"
    fi
}
stress pthread pthread_create --timeout 20 --pthread 2 --pthread-ops 4000 --pthread-max 32
stress mutex pthread_mutex_lock --timeout 20 --mutex 2 --mutex-ops 20000 --mutex-procs 4
stress sem sem_post --timeout 3 --sem 2 --sem-procs 4
finish
