# Shared by the scripts of this directory: each runs one real program on libthread_1to1, checks what it computed,
# and proves that the library's own pthread_create made its threads.  TAP on standard output (see tests/tap.h).
#
#   ODONATA_LIB  the library, an absolute path; empty or unset: the program runs on the libc, as a control
#   ODONATA_LWP  where LWPs come from; passed through
#
# A script sources this file, says what it needs, and ends with `finish`:
#
#     . "$(dirname "$0")/lib.sh"
#     need pigz
#     ours pigz -p 4 -c "$T/in" >"$T/out"
#     result $? 'compresses'
#     check 'output is right' cmp ...
#     proof 4
#     finish
# shellcheck shell=sh

set -u
LC_ALL=C
export LC_ALL
unset LD_PRELOAD ODONATA_VERBOSE
LIB=${ODONATA_LIB:-}
# shellcheck disable=SC2034 # for the scripts
HERE=$(cd "$(dirname "$0")" && pwd -P)
LIMIT=60 # seconds that one program may take
COUNT=0
FAILED=0
DAEMONS=
T=$(mktemp -d "${TMPDIR:-/tmp}/odonata-programs.XXXXXX") || exit 1
case $LIB in
'' | /*) ;;
*) LIB=$(pwd -P)/$LIB ;;
esac

# shellcheck disable=SC2317 # the trap calls it
tidy() {
    for pid in $DAEMONS; do
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$T"
}
trap tidy EXIT
trap 'exit 1' HUP INT TERM

note() {
    sed 's/^/#   /' | cut -c 1-300
}

# result STATUS NAME: one line of TAP; after a failure, the end of what the programs said.
result() {
    COUNT=$((COUNT + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $COUNT - $2"
        return 0
    fi
    FAILED=$((FAILED + 1))
    echo "not ok $COUNT - $2"
    [ "$1" -eq 124 ] && echo "#   no end within $LIMIT s"
    [ "$1" -eq 1 ] || echo "#   status $1"
    [ -s "$T/stderr" ] && tail -n 20 "$T/stderr" | note
    return 1
}

# check NAME COMMAND ...: passes when the command does.
check() {
    check_name=$1
    shift
    "$@"
    result $? "$check_name"
}

skip() {
    COUNT=$((COUNT + 1))
    echo "ok $COUNT # SKIP $*"
}

finish() {
    echo "1..$COUNT"
    [ "$FAILED" -eq 0 ]
    exit
}

# need PROGRAM ...: skips the script when one is not installed.
need() {
    for program in "$@"; do
        command -v "$program" >/dev/null && continue
        skip "$program is not installed"
        finish
    done
}

# compiled NAME HEADER FLAG ...: compiles NAME.c of this directory to $T/NAME; skips the script without the header.
compiled() {
    compiled_name=$1
    compiled_header=$2
    shift 2
    CC=${CC:-cc}
    need "$CC"
    if ! echo "#include <$compiled_header>" | "$CC" -E -o "$T/try" - 2>"$T/try.err"; then
        skip "$compiled_header is not installed"
        finish
    fi
    "$CC" -O2 -g -Wall -o "$T/$compiled_name" "$HERE/$compiled_name.c" "$@" -pthread 2>"$T/stderr"
    result $? 'compiles' || finish
}

# Starts a program with the library preloaded, in place of this process.
preloaded() {
    if [ -n "$LIB" ]; then
        exec env LD_PRELOAD="$LIB" ODONATA_VERBOSE=1 "$@"
    fi
    exec "$@"
}

# ours COMMAND ...: runs a program on the library.  Its standard error is kept for proof().
ours() {
    if [ -n "$LIB" ]; then
        timeout -k 5 "$LIMIT" env LD_PRELOAD="$LIB" ODONATA_VERBOSE=1 "$@" 2>>"$T/stderr"
    else
        timeout -k 5 "$LIMIT" "$@" 2>>"$T/stderr"
    fi
}

# linked COMMAND ...: runs a program that was linked with the library: nothing is preloaded.
linked() {
    timeout -k 5 "$LIMIT" env ODONATA_VERBOSE=1 "$@" 2>>"$T/stderr"
}

# daemon COMMAND ...: starts a server on the library; its process id is in DAEMON.
daemon() {
    preloaded "$@" >"$T/daemon.log" 2>>"$T/stderr" &
    DAEMON=$!
    DAEMONS="$DAEMONS $DAEMON"
}

# gone PID: waits for a server that was told to end; its exit status.
gone() {
    gone_tries=0
    while kill -0 "$1" 2>/dev/null; do
        gone_tries=$((gone_tries + 1))
        if [ "$gone_tries" -gt 200 ]; then
            kill -9 "$1"
            wait "$1"
            return 124
        fi
        sleep 0.05
    done
    wait "$1"
}

# retry COMMAND ...: tries for up to ten seconds.
retry() {
    retry_tries=0
    until "$@" >/dev/null 2>&1; do
        retry_tries=$((retry_tries + 1))
        [ "$retry_tries" -lt 200 ] || return 1
        sleep 0.05
    done
}

# How many threads the library says that it created, over all processes since the last proof.
created() {
    sed -n 's/.*odonata: .*threads created: \([0-9][0-9]*\).*/\1/p' "$T/stderr" 2>/dev/null |
        awk '{ sum += $1 } END { print sum + 0 }'
}

# proof MINIMUM [WHAT]: the library created at least so many threads since the last proof.
proof() {
    if [ -z "$LIB" ]; then
        skip "${2:-threads are ours}: runs on the libc"
        return
    fi
    proof_threads=$(created)
    [ "$proof_threads" -ge "$1" ]
    result $? "${2:-threads are ours}: $proof_threads created, at least $1 expected"
    : >"$T/stderr"
}

# sample MEGABYTES FILE: something compressible, from what every system has.
sample() {
    find /usr/lib /usr/bin /usr/share -type f -size +64k -print 2>/dev/null | sort | head -n 400 |
        xargs cat 2>/dev/null | head -c "$1"M >"$2"
}
