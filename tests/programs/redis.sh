#!/bin/sh
# redis-server with io-threads (which spin, and wait on mutexes that main holds) under redis-benchmark, itself
# threaded; background saving forks while the threads run.  With more io threads than CPUs redis itself crawls.
. "$(dirname "$0")/lib.sh"
need redis-server redis-benchmark redis-cli
socket=$T/socket

daemon redis-server --port 0 --unixsocket "$socket" --io-threads 3 --io-threads-do-reads yes --save '' \
    --dir "$T" --dbfilename dump.rdb --appendonly yes --appenddirname aof --daemonize no
cli() {
    redis-cli -s "$socket" "$@"
}
check 'redis-server answers' retry cli ping

# Few round trips: where CPUs are scarce, each one waits for threads that spin for one another.
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "SET key:%d value:%d\r\n", i, i * 7 }' >"$T/set"
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "%s key:%d%s", i % 250 ? "" : "MGET", i, i % 250 == 249 ? "\n" : "" }' \
    >"$T/get"
awk 'BEGIN { for (i = 0; i < 5000; i++) print "value:" i * 7 }' >"$T/want"
redis-cli -s "$socket" --pipe <"$T/set" >"$T/set.out"
grep -q 'errors: 0, replies: 5000' "$T/set.out"
result $? '5000 keys are set' || note <"$T/set.out"

timeout -k 5 "$LIMIT" redis-benchmark -s "$socket" -q -c 50 -P 8 -n 4000 -r 1000 \
    -t set,get,incr,lpush,lpop >"$T/bench" 2>&1 &
bench=$!
redis-cli -s "$socket" <"$T/get" | cmp - "$T/want"
result $? 'they are read back while 50 clients work'
cli bgsave >/dev/null
wait "$bench"
result $? 'redis-benchmark'
[ "$(tr '\r' '\n' <"$T/bench" | grep -c 'requests per second')" = 5 ]
result $? 'its five tests have figures'

redis-benchmark -s "$socket" -q -n 100 -t incr >/dev/null
before=$(cli get counter:__rand_int__)
redis-benchmark -s "$socket" -q -c 40 -P 4 -n 5000 -t incr >/dev/null
after=$(cli get counter:__rand_int__)
[ $((after - before)) -eq 5000 ]
result $? 'concurrent increments are all there'
cli info server | grep -q 'io_threads_active:1' || cli info stats | grep -q 'io_threaded_writes_processed:[1-9]'
result $? 'io threads took part'

# shellcheck disable=SC2317 # retry calls it
saved() {
    cli info persistence | grep -q 'rdb_bgsave_in_progress:0'
}
retry saved
cli info persistence | grep -q 'rdb_last_bgsave_status:ok'
result $? 'a forked child saved'
redis-check-rdb "$T/dump.rdb" >"$T/rdb.out"
result $? 'the dump is valid'
cli flushall async >/dev/null
[ "$(cli dbsize)" = 0 ]
result $? 'a background thread frees the old data'
cli shutdown nosave >/dev/null 2>&1
check 'the server ends' gone "$DAEMON"
proof 5 'io and background threads are ours'

daemon redis-server --port 0 --unixsocket "$socket" --save ''
retry cli ping
ours redis-benchmark -s "$socket" -q --threads 3 -c 30 -n 5000 -t set,get >"$T/bench"
result $? 'redis-benchmark --threads 3'
proof 6 'its threads are ours'
cli shutdown nosave >/dev/null 2>&1
check 'the server ends' gone "$DAEMON"
finish
