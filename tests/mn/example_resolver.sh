#!/bin/sh
# examples/parallel_resolver: names from arguments and from standard input; addresses need no network.
# models: mn-1 mn-2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'PYTHON'
import subprocess

from example import done, equal, ok, path


def run(*args, input=""):
    r = subprocess.run([path("parallel_resolver"), *args], input=input, capture_output=True, text=True, timeout=50)
    return r.returncode, sorted(r.stdout.splitlines())


equal(run("127.0.0.1", "::1"), (0, ["127.0.0.1 127.0.0.1", "::1 ::1"]), "addresses")
status, lines = run("localhost")
ok(status == 0 and lines[0].startswith("localhost ") and len(lines) == 1, "localhost")
many = [f"10.0.{i // 256}.{i % 256}" for i in range(2000)]
equal(run(input="\n".join(many)), (0, sorted(f"{n} {n}" for n in many)), "two thousand from standard input")
equal(run(input=""), (0, []), "none")
equal(run(input="\0\n::1\n127.0.0.1\0x\n\0"), (0, ["127.0.0.1 127.0.0.1", "::1 ::1"]), "lines with zero bytes")
equal(run(input="\0" * 5000)[0], 0, "and nothing else")
status, lines = run("-t", "2", input="a" * 5000 + "\n::1")
ok(status == 1 and "::1 ::1" in lines, "a line that is too long")
status, lines = run("-t", "2", "no-such-host.invalid", "127.0.0.1")
ok(status == 1 and lines[0] == "127.0.0.1 127.0.0.1" and lines[1].startswith("no-such-host.invalid: "), "one that is not there")
equal(run("-t", "x")[0], 2, "a wrong option")
done()
PYTHON
