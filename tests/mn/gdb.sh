#!/bin/sh
# gdb in a green thread: the backtrace goes from the innermost frame to the thread's function and ends at the base of its
# stack; so does one that is taken while the context is switched.
# workers: 1
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
static int sum;
void here(void) {
    __asm__ volatile("");
}
__attribute__((noinline)) static void inner(int n) {
    if (n > 0) {
        inner(n - 1);
        sum++;
        return;
    }
    here();
    mn_yield();
}
static void *work(void *arg) {
    inner(3);
    return arg;
}
static int run(void *arg) {
    mn_thread t[2];
    for (int i = 0; i < 2; i++)
        mn_go(&t[i], work, arg);
    for (int i = 0; i < 2; i++)
        mn_join(t[i], 0);
    return 7;
}
int main(void) {
    return mn_run(run, 0, 0);
}
C
"$CC" -O0 -g -I"$SRC/include" -o "$T/program" "$T/program.c" -L"$BUILD/.libs" -Wl,-rpath,"$BUILD/.libs" -lmn 2>"$T/stderr"
result $? 'compiles' || finish
set -- -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set breakpoint pending on' \
    -iex 'handle SIGCONT nostop noprint' # whoever stops the machine's other work for a while sends it
if ! gdb "$@" -ex 'break main' -ex run "$T/program" 2>&1 | grep -q '^Breakpoint 1, '; then
    skip 'gdb may not trace here'
    finish
fi

# frames FILE NAME ...: the backtrace in FILE is exactly of these functions, from #0 on; the library's own between the
# thread's function and the base are left out.
frames() {
    sed -n 's/^#[0-9][0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([a-zA-Z_0-9]*\).*/\2/p' "$1" | grep -v -e '^mni_call' -e 'thread_main$' >"$T/got"
    shift
    printf '%s\n' "$@" >"$T/want"
    cmp -s "$T/got" "$T/want" || {
        diff "$T/want" "$T/got" >"$T/stderr"
        false
    }
}
timeout -k 5 "$LIMIT" gdb "$@" -ex 'break here' -ex run -ex backtrace "$T/program" >"$T/out" 2>&1
grep -v '^Backtrace stopped' "$T/out" >"$T/bt"
frames "$T/bt" here inner inner inner inner work mni_ctx_base
result $? 'from a thread to the base of its stack' || note <"$T/out"
! grep -q 'Backtrace stopped\|corrupt' "$T/out"
result $? 'without a complaint'

# At each instruction of the switch, from a yield on, all through the switch to another thread that yields: each backtrace ends at a base.
cat >"$T/steps" <<'G'
set height 0
break here
run
disable 1
break mn_yield
continue
set $i = 0
while $i < 120
  printf "at %d\n", $i
  backtrace
  stepi
  set $i = $i + 1
end
G
timeout -k 5 "$LIMIT" gdb "$@" -x "$T/steps" "$T/program" >"$T/out" 2>&1
grep -q '^at 119' "$T/out"
result $? 'steps through the switch'
awk '/^at / { if (n && last !~ /mni_ctx_base|main/) bad++; n++ } /^#/ { last = $0 }
     END { if (last !~ /mni_ctx_base|main/) bad++; exit !(n == 120 && !bad) }' "$T/out"
result $? 'each backtrace ends where it should' || note <"$T/out"
! grep -q 'Backtrace stopped\|corrupt\|?? ()' "$T/out"
result $? 'without a complaint'
finish
