#!/bin/sh
# timeout: 240
# Checks the models with spin: every model must pass in each of its settings, every mutant must fail.
# A line below: file, settings, what to expect.  See the comment at the top of each model.
where=$(cd "$(dirname "$0")" && pwd)
n=0
failed=0

if ! command -v spin >/dev/null || ! command -v gcc >/dev/null; then
    echo "1..0 # SKIP spin or gcc is not installed"
    exit 0
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM
cd "$tmp" || exit 1

# Says passes, fails (a counterexample was found) or broken.  Neither optimised nor compressed: most models take longer
# to compile than to run.
check() {
    file=$1
    shift
    rm -f pan*
    if ! spin -a "$@" "$where/$file" >spin.log 2>&1 ||
        ! gcc -O0 -w -DSAFETY -DMEMLIM=1500 -o pan pan.c 2>gcc.log; then
        echo broken
        return
    fi
    ./pan -m100000 >pan.log 2>&1
    if grep -q 'errors: 0' pan.log && ! grep -Eq 'Search not completed|max search depth' pan.log; then
        echo passes
    elif grep -q 'errors: [1-9]' pan.log; then
        echo fails
    else
        echo broken
    fi
}

while read -r expect file settings; do
    [ -n "$expect" ] || continue
    n=$((n + 1))
    # shellcheck disable=SC2086 # settings are words
    got=$(check "$file" $settings)
    if [ "$got" = "$expect" ]; then
        echo "ok $n - $file${settings:+ $settings} $expect"
    else
        echo "not ok $n - $file $settings"
        echo "#   $got, should be: $expect"
        failed=$((failed + 1))
    fi
done <<END
passes mutex_word.pml
passes mutex_word.pml -DTIMED
fails mutex_word.pml -DBUMP_BEFORE
fails mutex_word.pml -DKEEP_SLEEPERS
fails mutex_word.pml -DSPINNER_STAYS
fails mutex_word.pml -DWOKEN_FORGETS
passes cond_queue.pml -DSIGNALS
passes cond_queue.pml -DBROADCAST
passes cond_queue.pml -DBROADCAST -DCHAINS=2
passes cond_queue.pml -DBOTH
fails cond_queue.pml -DBROADCAST -DNO_EXPECT
fails cond_queue.pml -DBROADCAST -DUNCHAINED
fails cond_queue.pml -DBROADCAST -DGO_LATE
fails cond_queue.pml -DSIGNALS -DLATE_LINKS
fails cond_queue.pml -DSIGNALS -DTIMEOUT_WINS
passes cond_shared.pml
passes cond_shared.pml -DDESTROY
fails cond_shared.pml -DNO_LOCK
fails cond_shared.pml -DDESTROY -DNO_COUNT
END
echo "1..$n"
[ "$failed" = 0 ]
