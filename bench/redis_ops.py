"""redis_ops: requests a second that redis-server with I/O threads answers.

The server runs under the model, on a free loopback port; redis-benchmark is the client and is never preloaded.
The figure is all requests of a SET, a GET and an INCR run over the time they took together.

Verified: the server counted as many calls as were sent, the counter that INCR counted has their number, SET's
value can be read, I/O threads did work, and the server shuts down when told to with exit code 0.
"""
import csv
import io
import shlex
import shutil
import socket
import subprocess
import time

from running import Sample, Trouble, maps_of, tail, wait

COMMANDS = ("set", "get", "incr")
CLIENTS, BYTES = 50, 64


class Connection:
    """As much of the protocol as the checks need."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        strings = [b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(strings))

    def ask(self, *words):
        self.send(*words)
        line = self.file.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2].decode()
        if kind in (b"+", b":"):
            return rest.decode()
        raise Trouble("redis-server: %s: %s" % (words[0], line.decode(errors="replace").strip() or "closed"))

    def info(self, section):
        rows = self.ask("INFO", section).splitlines()
        return dict(row.partition(":")[::2] for row in rows if ":" in row)

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connect(child, port):
    end = time.monotonic() + 10
    while time.monotonic() < end and child.poll() is None:
        try:
            c = Connection(port)
            c.ask("PING")
            return c
        except OSError:
            time.sleep(0.005)
    return None


def start(run, model, server):
    """(process, connection, port, command); somebody may take the port in between, so it is tried again."""
    for _ in range(5):
        port = free_port()
        argv = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
                run.scratch.name, "--daemonize", "no", "--io-threads", "2", "--io-threads-do-reads", "yes"]
        with open(run.path("redis.log"), "wb") as log:
            child = subprocess.Popen(argv, env=model.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=log)
        connection = connect(child, port)
        if connection:
            return child, connection, port, argv
        child.kill()
        child.wait()
    with open(run.path("redis.log"), "rb") as log:
        raise Trouble("redis-server does not start%s" % tail(log.read()))


def benchmark(run, client, port, requests):
    argv = [client, "-h", "127.0.0.1", "-p", str(port), "-c", str(CLIENTS), "-n", str(requests),
            "-d", str(BYTES), "-t", ",".join(COMMANDS), "--csv"]
    rates = {}
    for row in csv.reader(io.StringIO(run.output(argv, run.models[0].environment()))):
        if len(row) > 1 and row[0].lower() in COMMANDS:
            rates[row[0].lower()] = float(row[1])
    if sorted(rates) != sorted(COMMANDS) or min(rates.values()) <= 0:
        raise Trouble("redis-benchmark printed no rates")
    return len(COMMANDS) / sum(1 / rate for rate in rates.values()), argv


def check(connection, requests):
    """The server's own books."""
    stats = connection.info("commandstats")
    for command in COMMANDS:
        calls = dict(p.partition("=")[::2] for p in stats.get("cmdstat_" + command, "").split(",")).get("calls")
        if calls != str(requests):
            raise Trouble("redis-server counted %s calls of %s, %d were sent" % (calls, command, requests))
    counted = connection.ask("GET", "counter:__rand_int__")
    if counted != str(requests):
        raise Trouble("%d INCR made %s" % (requests, counted))
    if len(connection.ask("GET", "key:__rand_int__") or "") != BYTES:
        raise Trouble("the value that was SET is not there")
    threaded = connection.info("stats").get("io_threaded_writes_processed", "0")
    if threaded == "0":
        raise Trouble("redis-server did not use its I/O threads")
    return threaded


def measure_redis(run, model):
    server, client = shutil.which("redis-server"), shutil.which("redis-benchmark")
    if not server or not client:
        raise Trouble("redis-server or redis-benchmark is not installed")
    requests = 5000 if run.quick else 30000
    child, connection, port, argv = start(run, model, server)
    try:
        wrong = model.check_maps(maps_of(child), run.models)
        if wrong:
            raise Trouble("redis-server: " + wrong)
        rate, client_argv = benchmark(run, client, port, requests)
        threaded = check(connection, requests)
        connection.send("SHUTDOWN", "NOSAVE")
        status = wait(child, 20)
        if status != 0:
            with open(run.path("redis.log"), "rb") as log:
                raise Trouble("redis-server: exit code %d%s" % (status, tail(log.read())))
    finally:
        connection.close()
        if child.poll() is None:
            child.kill()
            child.wait()
    env = ["%s=%s" % pair for pair in sorted(model.shown_environment().items())]
    command = shlex.join(env + argv) + " & " + shlex.join(client_argv)
    return Sample(rate, command, {"requests": str(requests * len(COMMANDS)), "io_threaded_writes": threaded})
