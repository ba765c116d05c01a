#!/bin/sh
# examples/embed: an epoll loop that hears from green threads.
# models: mn-1 mn-2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'PYTHON'
import subprocess

from example import done, ok, path

for count in (1, 5000):
    r = subprocess.run([path("embed"), str(count)], capture_output=True, text=True, timeout=50)
    words = r.stdout.split()
    expected = sum(i * i for i in range(1, count + 1))
    ok(r.returncode == 0 and words[:4] == [str(count), "answers,", "sum", f"{expected},"], f"{count} answers: {r.stdout.strip()}")
done()
PYTHON
