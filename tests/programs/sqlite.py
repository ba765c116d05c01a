"""One SQLite database from six threads: a connection each, then one that all share."""
import sqlite3
import sys
import threading

path = sys.argv[1]
db = sqlite3.connect(path)
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE t (thread INTEGER, n INTEGER, UNIQUE (thread, n))")
db.commit()
failures = []


def each(work, count):
    def guarded(i):
        try:
            work(i)
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def own(i):
    mine = sqlite3.connect(path, timeout=30)
    for n in range(20):
        with mine:
            mine.execute("INSERT INTO t VALUES (?, ?)", (i, n))
        mine.execute("SELECT count(*) FROM t").fetchone()
    mine.close()


shared = sqlite3.connect(path, check_same_thread=False, timeout=30)


def common(i):
    for n in range(200):
        assert shared.execute("SELECT ? + ?", (i, n)).fetchone() == (i + n,)


each(own, 6)
each(common, 6)
rows = db.execute("SELECT thread, count(*), sum(n) FROM t GROUP BY thread ORDER BY thread").fetchall()
if rows != [(i, 20, 190) for i in range(6)]:
    failures.append(repr(rows))
print("\n".join(failures))
sys.exit(bool(failures))
