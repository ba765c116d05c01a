#!/bin/sh
# memcached: libevent workers, LRU and hash table threads, under clients whose values are verified.
. "$(dirname "$0")/lib.sh"
need memcached python3
socket=$T/socket
user=
[ "$(id -u)" = 0 ] && user='-u root'

# shellcheck disable=SC2086
daemon memcached $user -s "$socket" -t 4 -m 64
check 'memcached opens its socket' retry test -S "$socket"
timeout -k 5 "$LIMIT" python3 "$HERE/memcached.py" "$socket" >"$T/client" 2>&1
result $? 'clients read back what they wrote' || note <"$T/client"
kill -TERM "$DAEMON"
check 'the server ends on SIGTERM' gone "$DAEMON"
proof 6 'workers are ours'
finish
