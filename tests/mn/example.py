"""What the tests of the examples share: TAP, and a server that runs while a test talks to it."""
import os
import re
import socket
import subprocess
import sys

BUILD = os.environ["ODONATA_BUILD"]
count = failed = 0


def ok(passed, name):
    global count, failed
    count += 1
    failed += not passed
    print(f"{'ok' if passed else 'not ok'} {count} - {name}", flush=True)


def equal(got, want, name):
    ok(got == want, name)
    if got != want:
        print(f"#   got {got!r:.300}\n#   want {want!r:.300}", flush=True)


def done():
    print(f"1..{count}")
    sys.exit(failed > 0)


def path(name):
    return os.path.join(BUILD, "examples", name)


class Server:
    """A program that says on which port it listens; killed at the end."""

    def __init__(self, name, *args):
        self.process = subprocess.Popen([path(name), *args], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on port (\d+)\n", line)[1])

    def connect(self, receive_buffer=0):
        s = socket.socket()
        s.settimeout(100)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.connect(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ok(self.process.poll() is None, "the server still runs")
        self.process.kill()
        self.process.wait()


def receive(s, size):
    """So many bytes, or fewer at the end."""
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            break
        data += more
    return data
