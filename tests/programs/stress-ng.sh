#!/bin/sh
# stress-ng: its pthread, mutex and sem stressors.  They run in child processes that end by _exit, where no library
# can print a count: the dynamic linker's own record of bindings is the proof.
. "$(dirname "$0")/lib.sh"
need stress-ng

stress() { # NAME SYMBOL OPTION ...
    stress_name=$1
    stress_symbol=$2
    shift 2
    # Status 3: one of its processes was done before it made a thread ("could not create any pthreads"), on the libc too.
    for _ in 1 2 3 4 5 6; do
        rm -f "$T"/bindings.* "$T/stderr"
        ours env LD_DEBUG=bindings LD_DEBUG_OUTPUT="$T/bindings" stress-ng --verify --metrics-brief \
            --temp-path "$T" "$@" >"$T/out"
        stress_status=$?
        [ "$stress_status" -eq 3 ] || break
    done
    result "$stress_status" "stress-ng $stress_name"
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
