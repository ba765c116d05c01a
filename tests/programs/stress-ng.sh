#!/bin/sh
# stress-ng: its pthread, mutex and sem stressors.  They run in child processes that end by _exit, where no library
# can print a count: the dynamic linker's own record of bindings is the proof.
. "$(dirname "$0")/lib.sh"
need stress-ng

stress() { # NAME SYMBOL OPTION ...
    stress_name=$1
    stress_symbol=$2
    shift 2
    rm -f "$T"/bindings.*
    ours env LD_DEBUG=bindings LD_DEBUG_OUTPUT="$T/bindings" stress-ng --verify --metrics-brief --timeout 20 \
        --temp-path "$T" "$@" >"$T/out" 2>&1
    stress_status=$?
    result "$stress_status" "stress-ng $stress_name" || note <"$T/out"
    grep -q 'successful run completed' "$T/out"
    result $? "stress-ng $stress_name: nothing failed" || note <"$T/out"
    if [ -n "$LIB" ]; then
        cat "$T"/bindings.* 2>/dev/null | grep -q "binding file stress-ng .* to [^ ]*libthread_1to1.*\`$stress_symbol'"
        result $? "stress-ng $stress_name: $stress_symbol is bound to the library"
    fi
}
stress pthread pthread_create --pthread 2 --pthread-ops 4000 --pthread-max 32
stress mutex pthread_mutex_lock --mutex 2 --mutex-ops 20000 --mutex-procs 4
stress sem sem_wait --sem 2 --sem-ops 200000 --sem-procs 4
finish
