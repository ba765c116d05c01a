#!/bin/sh
# examples/kv_server: sessions that are killed, clients that misbehave; what was acknowledged is there, also after a crash.
# models: mn-1 mn-2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'PYTHON'
import os
import random
import socket
import subprocess
import tempfile
import threading
import time

from example import Server, done, equal, ok, path

SESSIONS = 2000
SECONDS, PUTS, PATIENCE = 3.0, 20, 40.0  # of each client: at least so long, and so many
directory = tempfile.TemporaryDirectory()
journal = os.path.join(directory.name, "journal")


class Client(threading.Thread):
    """Its keys are its own.  It drops connections in the middle of commands and answers."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number, self.random = server, number, random.Random(number)
        self.acknowledged, self.doubtful, self.puts, self.wrong = {}, {}, 0, []
        self.again = 0

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\n")
        got = self.file.readline()
        if not got:
            raise ConnectionError
        return got.rstrip("\n")

    def put(self, where, value):
        line = f"PUT {where[0]} {where[1]} {value}"
        self.doubtful.setdefault(where, set()).add(value)
        fault = self.random.random()
        if fault < 0.02:
            self.socket.sendall(line.encode()[: self.random.randrange(len(line))])
            raise ConnectionError
        if fault < 0.04:
            self.socket.sendall(line.encode() + b"\n")
            raise ConnectionError
        if fault < 0.06:
            self.socket.sendall(b"garbage\n" * self.random.randrange(5))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise ConnectionError
        got = self.ask(line)
        if got == "OK":
            self.acknowledged[where] = value
            self.doubtful[where].discard(value)  # what was sent before on a dropped connection may still come
            self.puts += 1
        elif got == "AGAIN":
            self.again += 1
        else:
            self.wrong.append(f"{line} -> {got}")

    def check(self, where):
        got = self.ask(f"GET {where[0]} {where[1]}")
        if got == "AGAIN":
            return False
        allowed = {f"VALUE {v}" for v in self.doubtful.get(where, ())}
        allowed.add(f"VALUE {self.acknowledged[where]}" if where in self.acknowledged else "NONE")
        if got not in allowed:
            self.wrong.append(f"{where} is {got}, not {allowed}")
        return True

    def connect(self):
        self.socket = self.server.connect()
        self.file = self.socket.makefile("r", newline="\n")

    def close(self):
        self.file.close()
        self.socket.close()

    def run(self):
        began = time.time()
        n = 0

        def goes_on():
            passed = time.time() - began
            return passed < SECONDS or (self.puts < PUTS and passed < PATIENCE)

        while goes_on():
            self.connect()
            try:
                while goes_on():
                    where = (self.random.randrange(SESSIONS), f"k{self.number}-{self.random.randrange(3)}")
                    n += 1
                    self.put(where, f"{self.number}.{n}")
                    if self.random.random() < 0.3:
                        self.check(where)
            except ConnectionError:
                pass
            self.close()

    def check_all(self):
        self.connect()
        for where in set(self.acknowledged) | set(self.doubtful):
            for _ in range(100):
                if self.check(where):
                    break
        self.close()


def all_together(clients, what):
    for c in clients:
        c.check_all()
    wrong = [w for c in clients for w in c.wrong]
    equal(wrong[:3], [], what)


with Server("kv_server", "-p", "0", "-n", str(SESSIONS), "-k", "300", "-j", journal) as server:
    clients = [Client(server, i) for i in range(8)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    all_together(clients, "no acknowledged write is lost while processes are killed")
    s = server.connect()
    s.sendall(b"STATUS\n")
    words = s.makefile("r").readline().split()
    print(f"# {sum(c.puts for c in clients)} writes, {sum(c.again for c in clients)} refused, {words}")
    ok(int(words[3]) > 50, "many were killed")
    ok(sum(c.puts for c in clients) > 100, "much was written")
    for line, want in [("GET 5 nothing", "NONE"), ("GET 99999999 x", "ERROR"), ("PUT 1 a", "ERROR"), ("", "ERROR"), ("GET 4294967296 x", "ERROR"),
                       ("PUT 1 " + "k" * 32 + " v", "ERROR"), ("PUT 1 k " + "v" * 88, "ERROR")]:
        s.sendall(line.encode() + b"\n")
        equal(s.makefile("r").readline(), want + "\n", f"'{line}'")
    s.sendall(b"x" * 600)
    try:
        equal(s.recv(100), b"", "an endless line closes the connection")
    except ConnectionResetError:
        ok(True, "an endless line resets the connection")
    s.close()

# The program itself was killed; half a record at the end.
with open(journal, "ab") as f:
    f.write(b"torn")
with Server("kv_server", "-p", "0", "-n", "1", "-j", journal) as server:
    s = server.connect()  # and it ran with fewer sessions for a time
    s.sendall(b"PUT 0 other x\n")
    equal(s.recv(100), b"OK\n", "a server with one session on the same journal")
    s.close()
with Server("kv_server", "-p", "0", "-n", str(SESSIONS), "-j", journal) as server:
    for c in clients:
        c.server = server
    all_together(clients, "nor when the whole server is")
for args, want in (["-n", "0"], 2), (["-p", "0", "-n", "9", "-j", directory.name], 1):
    equal(subprocess.run([path("kv_server"), *args], stderr=subprocess.DEVNULL, timeout=50).returncode, want, "no session, or a journal that cannot be opened: an error")
done()
PYTHON
