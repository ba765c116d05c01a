#!/bin/sh
# The odonata command itself (tools/odonata.in).
# shellcheck disable=SC2016 # programs in single quotes expand their own variables
. "$(dirname "$0")/lib.sh"
need od stat
src=${ODONATA_SRC:-$HERE/../..}
odonata=${ODONATA_BUILD:+$ODONATA_BUILD/tools/odonata}
if [ -z "$odonata" ] || [ ! -x "$odonata" ]; then
    odonata=$T/odonata
    sed -e "s|@VERSION[@]|$(cat "$src/VERSION")|" -e 's|@libdir[@]|/nonexistent|' "$src/tools/odonata.in" >"$odonata"
    chmod +x "$odonata"
fi
# Without the library the checks still run, with one that every program can carry.
ODONATA_LIB=${LIB:-$(ldd /bin/sh | awk '/libc\.so/ { print $3 }')}
export ODONATA_LIB
: >"$T/stdout"

try() { # STATUS TEXT NAME ARG ...: the exit status, and a text on standard output or error
    try_want=$1
    try_text=$2
    try_name=$3
    shift 3
    "$odonata" "$@" >"$T/stdout" 2>"$T/stderr" </dev/null
    try_status=$?
    [ "$try_status" = "$try_want" ] && { [ -z "$try_text" ] || cat "$T/stdout" "$T/stderr" | grep -q -e "$try_text"; }
    result $? "$try_name (status $try_status)" || note <"$T/stdout"
}
silent() { # NAME: standard error was empty
    [ ! -s "$T/stderr" ]
    result $? "$1"
}
cd "$T" || exit 1

try 0 "^odonata $(cat "$src/VERSION")\$" 'version' version
try 0 "^library $ODONATA_LIB\$" 'version names the library' version
try 0 '^usage: odonata run' 'help' help
silent 'help is no error'
try 125 '^usage:' 'no arguments'
try 125 'no such command' 'unknown command' fly
try 125 'which program' 'run without a program' run
try 125 'unknown option' 'unknown option' run --fast true

try 0 '^one two three$' 'arguments are passed' run printf '%s %s %s\n' one two three
silent 'nothing is added to the output'
try 3 '' 'exit status is passed' run sh -c 'exit 3'
try 0 '^a  b$' 'arguments with spaces' run sh -c 'echo "$1"' sh 'a  b'
try 0 '^-n$' 'options after the program are its own' run sh -c 'printf "%s\n" "$1"' sh -n
try 0 "odonata: runs .*/true on $ODONATA_LIB" '--verbose says what it does' run --verbose true
try 0 '^1$' '--verbose sets ODONATA_VERBOSE' run --verbose sh -c 'echo "$ODONATA_VERBOSE"'
try 0 "^$ODONATA_LIB\$" 'LD_PRELOAD is the library' run sh -c 'echo "$LD_PRELOAD"'
libm=$(ldd "$(command -v awk)" | awk '/libm\.so/ { print $3 }')
libm=${libm:-$ODONATA_LIB}
LD_PRELOAD=$libm
export LD_PRELOAD
try 0 "^\($ODONATA_LIB:\)*$libm\$" 'what was in LD_PRELOAD stays, behind the library' run sh -c 'echo "$LD_PRELOAD"'
unset LD_PRELOAD
try 0 'libthread_1to1\|libc' 'the library is loaded' run cat /proc/self/maps

try 127 'not found in PATH' 'a program that is not there' run no-such-program-anywhere
try 127 'no such program' 'a path that is not there' run ./nothing
echo 'echo plain "$1"' >script
try 126 'not executable' 'a file that is not executable' run ./script
try 126 'is a directory' 'a directory' run "$T"
chmod +x script
try 0 '^plain text$' 'a script without a first line runs in sh' run ./script text
printf '#!/bin/sh\necho shell "$1" "${LD_PRELOAD:+preloaded}"\n' >script
try 0 '^shell text preloaded$' 'a script runs with its interpreter preloaded' run ./script text
printf '#!/no/such/interpreter\n' >script
try 126 'interpreter .* is missing' 'a script whose interpreter is missing' run ./script
mkdir -p dir
printf '#!/bin/sh\necho found in PATH\n' >dir/odonata-test-program
chmod +x dir/odonata-test-program
PATH=$T/dir:$PATH
try 0 '^found in PATH$' 'a program in PATH' run odonata-test-program
chmod -x dir/odonata-test-program
try 126 'not executable' 'a file in PATH that is not executable' run odonata-test-program

CC=${CC:-cc}
echo 'int main(void) { return 0; }' >empty.c
if "$CC" -static -o static empty.c 2>/dev/null; then
    try 125 'statically linked' 'a static program' run ./static
fi
if "$CC" -static-pie -o static-pie empty.c 2>/dev/null; then
    try 125 'statically linked' 'a static, position-independent program' run ./static-pie
fi
if "$CC" -o dynamic empty.c 2>/dev/null; then
    try 0 '' 'a dynamic program' run ./dynamic
    if [ "$(id -u)" = 0 ] && chown 1:1 dynamic && chmod 4755 dynamic && [ -u dynamic ]; then
        try 125 'is setuid' 'a setuid program' run ./dynamic
        chmod 2755 dynamic
        try 125 'is setgid' 'a setgid program' run ./dynamic
    fi
fi
ODONATA_LIB=/no/such/library.so
try 125 'library is missing' 'a missing library' run true
unset ODONATA_LIB
if [ -n "${ODONATA_BUILD:-}" ] && [ "$odonata" = "$ODONATA_BUILD/tools/odonata" ]; then
    try 0 'libthread_1to1' 'in a build tree, that tree'"'"'s library is used' run cat /proc/self/maps
fi
if command -v mandoc >/dev/null; then
    mandoc -Tlint -W warning "$src/doc/man/odonata.1" >"$T/stderr"
    result $? 'the manual page is well formed'
fi
finish
