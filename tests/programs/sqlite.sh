#!/bin/sh
# sqlite3: worker threads that sort for an index; one database from several threads of Python.
. "$(dirname "$0")/lib.sh"
need sqlite3
cat >"$T/sql" <<'SQL'
PRAGMA threads = 4;
PRAGMA cache_size = 100;
PRAGMA temp_store = FILE;
CREATE TABLE t (a INTEGER, b TEXT);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 149999)
    INSERT INTO t SELECT i * 7919 % 150000, printf('%08x padding to make it larger', i * 104729 % 150000) FROM n;
CREATE INDEX ta ON t(a);
CREATE INDEX tb ON t(b, a);
PRAGMA integrity_check;
SELECT count(*), sum(a), min(b), max(b) FROM t;
SELECT count(*) FROM (SELECT a, lag(a) OVER (ORDER BY a) AS before FROM t) WHERE before > a;
SELECT group_concat(a) FROM (SELECT a FROM t INDEXED BY ta ORDER BY a LIMIT 5);
SQL
ours sqlite3 "$T/db" <"$T/sql" >"$T/out"
result $? 'sqlite3 sorts two indices'
proof 2
sed 1d "$T/sql" | sqlite3 "$T/db0" >"$T/want"
sed 1d "$T/out" | cmp - "$T/want"
result $? 'answers are those of one thread'
[ "$(sed -n 2p "$T/out")" = ok ]
result $? 'the database is whole'

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
if command -v "$PYTHON" >/dev/null && "$PYTHON" -c 'import sqlite3' 2>/dev/null; then
    ours "$PYTHON" "$HERE/sqlite.py" "$T/py.db" >"$T/py.out"
    result $? 'six threads of Python, one database' || note <"$T/py.out"
    proof 6 'threads of Python'
fi
finish
