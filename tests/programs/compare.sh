#!/bin/sh
# alone
# ./compare and its programs: the report has what it promises, and nothing that is wrong gets a figure.
. "$(dirname "$0")/lib.sh"
SRC=$(cd "$HERE/../.." && pwd -P)
BUILD=${ODONATA_BUILD:-$SRC/build}
CC=${CC:-cc}
need python3 "$CC"
if [ ! -x "$BUILD/bench/tsd_get" ]; then
    skip 'this build has no benchmarks'
    finish
fi
compare() {
    timeout -k 5 "$LIMIT" python3 -B "$SRC/bench/compare.py" "$@" 2>"$T/stderr"
}

"$SRC/compare" --list >"$T/list" 2>"$T/stderr"
result $? './compare --list'
missing=
for job in create_join create_join_batch create_join_leak mutex_uncontended mutex_uncontended_single \
    mutex_contended_2 mutex_contended_4 mutex_contended_16 mutex_contended_mid_2 mutex_contended_mid_4 \
    mutex_contended_mid_16 cond_pingpong sem_pingpong rwlock_read_2 barrier_4 tsd_get pigz_file redis_ops \
    yield_2 yield_1000 spawn_join spawn_batch_1m pingpong_same pingpong_cross ring_503 skynet_1m parked_1m \
    forkjoin_fib mutex_mn_2 mutex_mn_64 chan_mpmc_16 timers_1m \
    proc_spawn_exit proc_pingpong proc_ring_503 proc_skynet_1m proc_parked_1m proc_parked_10m mailbox_mpsc \
    selective_receive link_cascade_1m supervisor_restart call_timeout savina_counting savina_philosophers \
    user_event_same user_event_cross user_event_sleep echo_1k echo_1k_p99 echo_10k echo_10k_p99 echo_idle_16k echo_idle_16k_memory echo_idle_16k_kept; do
    grep -q "^  $job " "$T/list" || missing="$missing $job"
done
check "it knows every job$missing" test -z "$missing"

compare --build "$BUILD" --quick --rounds 3 --only tsd_get --only mutex_contended_2 --json "$T/json" >"$T/table"
result $? 'two jobs' || note <"$T/table"
cat >"$T/keys.py" <<'PY'
import json, sys
entries = json.load(open(sys.argv[1], encoding="utf-8"))
keys = {"job": str, "model": str, "unit": str, "better": str, "median": float, "min": float, "max": float,
        "rounds": int, "command": str}
for e in entries:
    for key, kind in keys.items():
        assert isinstance(e[key], kind), (e["job"], key, e.get(key))
    assert 0 < e["min"] <= e["median"] <= e["max"] and e["rounds"] == 3 and e["better"] == "lower", e
    assert ("smallest_share" in e) == ("probe" in e) == (e["job"] == "mutex_contended_2"), e
    assert ("LD_PRELOAD" in e["command"]) == (e["model"] != "libc"), e["command"]
got = sorted((e["job"], e["model"]) for e in entries)
assert got == [(j, m) for j in ("mutex_contended_2", "tsd_get") for m in ("1to1", "libc")], got
PY
python3 "$T/keys.py" "$T/json" 2>"$T/stderr"
result $? 'its JSON has the keys and the models'

# Green threads: a program that prints two jobs' lines is run once; POSIX threads beside it where they have it.
compare --build "$BUILD" --quick --rounds 1 --only spawn_join --only forkjoin_fib --only forkjoin_fib_parent \
    --model mn-1 --json "$T/json" >"$T/table"
result $? 'three jobs for green threads' || note <"$T/table"
cat >"$T/keys.py" <<'PY'
import json, sys
entries = json.load(open(sys.argv[1], encoding="utf-8"))
got = sorted((e["job"], e["model"]) for e in entries)
assert got == [("forkjoin_fib", "mn-1"), ("forkjoin_fib_parent", "mn-1"), ("spawn_join", "libc"),
               ("spawn_join", "mn-1")], got
for e in entries:
    assert e["median"] > 0, e
    assert ("bar" in e) == (e["model"] == "mn-1" and e["job"] != "forkjoin_fib_parent"), e
    assert ("ratio" in e) == (e["job"] == "spawn_join"), e
    if e["model"] == "mn-1":
        assert "MN_WORKERS=1 taskset -c" in e["command"], e["command"]
assert len({e["command"] for e in entries if e["job"].startswith("forkjoin")}) == 1, entries
PY
python3 "$T/keys.py" "$T/json" 2>"$T/stderr"
result $? 'their report has the bars of one worker'

compare --build "$BUILD" --only no_such_job >"$T/table"
check 'a job that does not exist' test $? -eq 2

# A library that provides nothing: the figure would be the libc's.
mkdir -p "$T/build/.libs"
ln -s "$BUILD/bench" "$T/build/bench"
echo 'int odonata_empty;' >"$T/empty.c"
"$CC" -shared -fPIC -o "$T/build/.libs/libthread_1to1.so" "$T/empty.c" 2>"$T/stderr"
result $? 'compiles'
compare --build "$T/build" --quick --rounds 1 --only tsd_get --json "$T/json" >"$T/table"
check 'a preloaded library that is not used fails the job' test $? -eq 1
check 'and why is said' grep -q 'FAILED  tsd_get under 1to1: the function under test came from libc' "$T/table"
check 'and it gets no figure' test "$(grep -c '"model"' "$T/json")" -eq 1

# Two threads have to be at it at the same moment: on a busy machine that may take a few runs.
found_out() { # COMMAND ...
    for _ in 1 2 3 4 5; do
        LD_PRELOAD="$T/broken.so" "$@" >"$T/out" 2>"$T/stderr"
        status=$?
        [ "$status" -eq 0 ] || break
    done
    [ "$status" -eq 1 ] && [ -s "$T/stderr" ] && [ ! -s "$T/out" ]
    result $? "$broken_name is found out (status $status)"
}

# broken NAME CODE PROGRAM ...: under a broken function, a program complains and prints no figure.
broken() {
    broken_name=$1
    program=$BUILD/bench/$3
    printf '#include <pthread.h>\n#include <semaphore.h>\n%s\n' "$2" >"$T/broken.c"
    shift 3
    "$CC" -w -shared -fPIC -o "$T/broken.so" "$T/broken.c" 2>"$T/stderr" || {
        result 1 "$broken_name: compiles"
        return
    }
    found_out timeout -k 5 20 "$program" "$@" --seconds 0.02
}
mutex='int pthread_mutex_lock(pthread_mutex_t *m) { return 0; }
int pthread_mutex_unlock(pthread_mutex_t *m) { return 0; }'
broken 'a mutex that does not exclude' "$mutex" mutex_contended --threads 4
broken 'the same with work inside' "$mutex" mutex_contended --threads 4 --inside 250 --outside 60
broken 'the same uncontended' "$mutex" mutex_uncontended
broken 'an rwlock that does not exclude' 'int pthread_rwlock_rdlock(pthread_rwlock_t *l) { return 0; }
int pthread_rwlock_wrlock(pthread_rwlock_t *l) { return 0; }
int pthread_rwlock_unlock(pthread_rwlock_t *l) { return 0; }' rwlock --threads 2
broken 'a semaphore that does not wait' 'int sem_wait(sem_t *s) { return 0; }' sem_pingpong
broken 'a barrier that does not wait' 'int pthread_barrier_wait(pthread_barrier_t *b) { return 0; }' \
    barrier --threads 4
broken 'a wrong thread-specific value' 'void *pthread_getspecific(pthread_key_t k) { return 0; }' tsd_get
broken 'a thread that never ran' '
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x) {
    *(void **)t = x;
    return 0;
}
int pthread_join(pthread_t t, void **result) { *result = (void *)t; return 0; }' create_join
broken 'an error from join' 'int pthread_join(pthread_t t, void **result) { return 3; }' create_join --batch 64

# The same for green threads: a function of libmn, preloaded broken.
broken_mn() {
    broken_name=$1
    program=$BUILD/bench/mn/$3
    printf '#include <stdint.h>\n#include <stddef.h>\n%s\n' "$2" >"$T/broken.c"
    shift 3
    "$CC" -w -shared -fPIC -o "$T/broken.so" "$T/broken.c" 2>"$T/stderr" || {
        result 1 "$broken_name: compiles"
        return
    }
    found_out env MN_WORKERS=2 timeout -k 5 20 "$program" "$@"
}
broken_mn "a mutex of libmn's that does not exclude" 'int mn_mutex_lock(void *m) { return 0; }
int mn_mutex_unlock(void *m) { return 0; }' mutex --threads 2 --seconds 0.1
broken_mn 'a join that does not wait' 'int mn_join(uint64_t t, void **r) { if (r) *r = 0; return 0; }' \
    forkjoin --seconds 0.05
broken_mn 'a channel that loses messages' 'int mn_chan_send(void *c, const void *v) { return 0; }
int mn_chan_recv(void *c, void *v) { return 0; }' pingpong --seconds 0.05

# The same for servers: the load finds out what they did wrong.
broken_echo() {
    broken_name=$1
    printf '#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stddef.h>\n%s\n' "$2" >"$T/broken.c"
    "$CC" -w -shared -fPIC -o "$T/broken.so" "$T/broken.c" 2>"$T/stderr" || {
        result 1 "$broken_name: compiles"
        return
    }
    timeout -k 5 40 "$BUILD/bench/echo/load" --name x --connections 20 --flight 5 --seconds 0.02 -- \
        env LD_PRELOAD="$T/broken.so" "$BUILD/bench/echo/loop" >"$T/out" 2>"$T/stderr"
    status=$?
    [ $status -eq 1 ] && [ -s "$T/stderr" ] && [ ! -s "$T/out" ]
    result $? "$broken_name is found out (status $status)"
}
real='long (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");'
# The load asks 25 times at least, however little time it gets.
broken_echo 'a server that changes a byte' "long send(int fd, char *data, size_t n, int flags) { $real
static int calls; data[17] ^= ++calls == 23; return real(fd, data, n, flags); }"
broken_echo 'a server that answers twice' "long send(int fd, char *data, size_t n, int flags) { $real
static int calls; if (++calls == 23) real(fd, data, n, flags); return real(fd, data, n, flags); }"
broken_echo 'a server that ends' "long send(int fd, char *data, size_t n, int flags) { $real
static int calls; if (++calls == 23) _exit(0); return real(fd, data, n, flags); }"
timeout -k 5 40 "$BUILD/bench/echo/load" --name x --connections 20 --flight 5 --idle 30 --seconds 0.02 -- \
    "$BUILD/bench/echo/loop" >"$T/out" 2>"$T/stderr"
result $? 'a server that is right gets figures'
check 'four of them' test "$(grep -c '^x.* function=epoll_wait model=libc' "$T/out")" -eq 4
finish
