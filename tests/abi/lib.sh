# Shared by the scripts of this directory: TAP on standard output, a scratch directory in $tmp.  A script sources this file
# and ends with `finish`:
#
#     . "$(dirname "$0")/lib.sh"
#     try "make install" make install ...
#     finish
# shellcheck shell=sh

: "${ODONATA_SRC:=$(cd "$(dirname "$0")/../.." && pwd)}"
# shellcheck disable=SC2034 # for the scripts
: "${ODONATA_BUILD:=$ODONATA_SRC/build}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# ok STATUS NAME: one line of TAP.
ok() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=1
    fi
}

# empty FILE NAME: passes when the file is empty, else shows it.
empty() {
    if [ -s "$1" ]; then
        ok 1 "$2"
        sed 's/^/#   /' "$1" | head -40
    else
        ok 0 "$2"
    fi
}

# try NAME COMMAND ...: passes when the command does, else shows the end of what it said.
try() {
    try_name=$1
    shift
    if "$@" >"$tmp/out" 2>&1; then
        ok 0 "$try_name"
    else
        ok 1 "$try_name"
        sed 's/^/#   /' "$tmp/out" | tail -40
    fi
}

# skip_all WHY: the script cannot run here.
skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

# Where a plain program has to run: a sanitizer's library would have to be linked in.
skip_under_sanitizers() {
    case "${ODONATA_SANITIZERS:-}" in
    *[a-z]*) skip_all "a sanitizer build" ;;
    esac
}

# loadable FILE SONAME: the shared object is one that any program can load, early or late.
loadable() {
    readelf -dW "$1" >"$tmp/dynamic"
    grep -F '(SONAME)' "$tmp/dynamic" | grep -qF "[$2]"
    ok $? "its soname is $2"
    ! grep -q TEXTREL "$tmp/dynamic"
    ok $? "it has no text relocations"
    grep -qE 'BIND_NOW|FLAGS_1.*NOW' "$tmp/dynamic"
    ok $? "it is bound at load time"
    ! grep -q -E 'R(UN)?PATH' "$tmp/dynamic"
    ok $? "it has no run path"
    readelf -lW "$1" | awk '/GNU_STACK/ {print $7}' | grep -q '^RW$'
    ok $? "it asks for no executable stack"
    # Static TLS, whose surplus is limited when a library is loaded late.
    tls=$(readelf -lW "$1" | awk '$1 == "TLS" {print $6}')
    [ $((tls)) -gt 0 ] && [ $((tls)) -le 4096 ]
    ok $? "its thread-local storage is $((tls)) bytes, 4096 at most"
}

# needed FILE PATTERN: what it needs of other libraries than these, which is nothing.
needed() {
    readelf -dW "$1" | awk '/\(NEEDED\)/ {gsub(/[][]/, "", $NF); print $NF}' | grep -v -E "^($2)\$" >"$tmp/needed"
    case " ${ODONATA_SANITIZERS:-} " in
    "  ") empty "$tmp/needed" "it needs no other libraries than it should" ;;
    *) ok 0 "it needs no other libraries than it should # SKIP and a sanitizer's own" ;;
    esac
}

finish() {
    echo "1..$n"
    exit $failed
}
