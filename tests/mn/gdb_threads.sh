#!/bin/sh
# tools/libmn-gdb.py: green threads and their backtraces, in a live process and in its core file.
# models: mn-1 mn-2
# not under: asan, tsan
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/../programs/lib.sh"
CC=${CC:-cc}
need gdb "$CC"
BUILD=${ODONATA_BUILD:?}
export MN_MAX_LWPS=1 # a stopped thread looks stuck: no CPU is to change hands
SRC=${ODONATA_SRC:?}
cat >"$T/program.c" <<'C'
#include <mn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static struct mn_mutex mutex;
void here(void) {
    __asm__ volatile("");
}
__attribute__((noinline)) static int inner(int n) {
    if (n > 0)
        return inner(n - 1) + 1;
    mn_mutex_lock(&mutex);
    mn_mutex_unlock(&mutex);
    return 0;
}
static void *locks(void *arg) {
    inner(3);
    return arg;
}
static void *parks(void *arg) {
    mn_park("for gdb");
    return arg;
}
static void *ends(void *arg) {
    return arg;
}
/* Whether all are where they are looked for: on a busy machine that may take them long. */
static int there(void) {
    static char text[100000];
    int fd = memfd_create("dump", 0);
    mn_dump(fd);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return strstr(text, ": waits: mutex") && strstr(text, ": waits: for gdb") && strstr(text, ": has ended");
}
static int run(void *arg) {
    mn_thread t[3];
    struct mn_attr a = {0};
    a.name = "locker";
    mn_mutex_lock(&mutex);
    mn_go_attr(&t[0], &a, locks, arg);
    a.name = "parker";
    mn_go_attr(&t[1], &a, parks, arg);
    a.name = "ended";
    mn_go_attr(&t[2], &a, ends, arg);
    do
        mn_sleep(10000000);
    while (!there());
    if (getenv("DIE"))
        abort();
    here();
    mn_unpark(t[1]);
    mn_mutex_unlock(&mutex);
    for (int i = 0; i < 3; i++)
        mn_join(t[i], 0);
    return 7;
}
int main(void) {
    return mn_run(run, 0, 0);
}
C
"$CC" -D_GNU_SOURCE -O0 -g -I"$SRC/include" -o "$T/program" "$T/program.c" -L"$BUILD/.libs" -Wl,-rpath,"$BUILD/.libs" -lmn 2>"$T/stderr"
result $? 'compiles' || finish
set -- -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set breakpoint pending on' \
    -iex 'handle SIGCONT nostop noprint' # whoever stops the machine's other work for a while sends it
if ! gdb "$@" -ex 'python print("python " + "works")' 2>&1 | grep -q '^python works'; then
    skip 'gdb has no Python'
    finish
fi
if ! gdb "$@" -ex 'break main' -ex run "$T/program" 2>&1 | grep -q '^Breakpoint 1, '; then
    skip 'gdb may not trace here'
    finish
fi

# looks FILE WHERE: what the commands wrote.
looks() {
    grep -q '^thread [0-9]* "locker" locks: waits: mutex 0x[0-9a-f]*, held by thread [0-9]*, for [0-9.]* s' "$1"
    result $? "$2: info mn: a thread that waits for a mutex" || note <"$1"
    grep -q '^thread [0-9]* "parker" parks: waits: for gdb' "$1"
    result $? "$2: one that is parked"
    grep -q '^thread [0-9]* "ended" ends: has ended' "$1"
    result $? "$2: one that has ended"
    grep -q '^thread [0-9]* "main" .*: runs on cpu [0-9]* (LWP [0-9]*)' "$1"
    result $? "$2: one that runs"
    grep -q '^4 threads' "$1"
    result $? "$2: all of them"
    sed -n '/^thread [0-9]* "locker"/,/^$/p' "$1" | sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([a-z_0-9A-Z]*\) (.*/\2/p' |
        grep -v '^mn_\|^mni_\|^lock_\|^thread_main\|^wait' | tr '\n' ' ' >"$T/frames"
    grep -q 'inner inner inner inner locks $' "$T/frames"
    result $? "$2: mn all-bt: where it waits" || note <"$1"
    sed -n '/^thread [0-9]* "main"/,/^$/p' "$1" | grep -q '^#[0-9]* .* run (arg='
    result $? "$2: where the running one is"
}
timeout -k 5 "$LIMIT" gdb "$@" -ex 'break here' -ex run -x "$SRC/tools/libmn-gdb.py" -ex 'info mn' -ex 'mn all-bt' \
    -ex 'python print("selected: " + gdb.selected_frame().name())' -ex 'mn bt 999' \
    -ex 'delete' -ex continue "$T/program" >"$T/live" 2>&1
looks "$T/live" live
grep -q '^selected: here' "$T/live"
result $? 'the selected frame is as before'
grep -q '^no thread 999' "$T/live"
result $? 'mn bt of no thread'
grep -q 'exited with code 07' "$T/live"
result $? 'the program ends as it should' || note <"$T/live"

# from_core FILE WHERE
from_core() {
    timeout -k 5 "$LIMIT" gdb -nx -q -batch -iex 'set debuginfod enabled off' -x "$SRC/tools/libmn-gdb.py" \
        -ex 'info mn' -ex 'mn all-bt' "$T/program" "$1" >"$T/core.out" 2>&1
    looks "$T/core.out" "$2"
}
# gdb's own stops reading at a guard region: without them it has the stacks.
ODONATA_DISABLE=guard timeout -k 5 "$LIMIT" gdb "$@" -ex 'break here' -ex run -ex "generate-core-file $T/gcore" -ex kill \
    "$T/program" >"$T/gcore.out" 2>&1
if [ -s "$T/gcore" ]; then
    from_core "$T/gcore" "gdb's core"
fi
case $(cat /proc/sys/kernel/core_pattern) in
core)
    # shellcheck disable=SC3045 # dash and bash have it
    (cd "$T" && ulimit -c unlimited && DIE=1 timeout -k 5 "$LIMIT" ./program) >/dev/null 2>&1
    for core in "$T"/core "$T"/core.[0-9]*; do
        [ -s "$core" ] && from_core "$core" "the kernel's core" && break
    done
    ;;
*) skip 'core files of the kernel go elsewhere' ;;
esac
finish
