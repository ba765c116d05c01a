#!/bin/sh
# curl: its name look-ups are threads; the server is python's, with a thread a connection.
. "$(dirname "$0")/lib.sh"
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
need curl "$PYTHON"
mkdir "$T/www"
i=0
set --
while [ $i -lt 40 ]; do
    awk -v n="$i" 'BEGIN { for (k = 0; k < 500; k++) print n, k }' >"$T/www/file$i"
    i=$((i + 1))
done
cat >"$T/server.py" <<'PYTHON'
import functools, http.server, os, signal, sys, threading
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
with open(sys.argv[2] + ".new", "w") as f:
    f.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
PYTHON
daemon "$PYTHON" "$T/server.py" "$T/www" "$T/port"
check 'a server starts' retry test -s "$T/port"
port=$(cat "$T/port")
mkdir "$T/got"
ours curl -sS --fail --parallel --parallel-max 10 --noproxy '*' -o "$T/got/file#1" "http://localhost:$port/file[0-39]"
result $? 'curl gets 40 files, ten at a time'
check 'they are the same' diff -r "$T/www" "$T/got"
kill -TERM "$DAEMON"
check 'the server ends' gone "$DAEMON"
proof 40 'connections and look-ups'
finish
