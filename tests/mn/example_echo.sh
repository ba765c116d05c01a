#!/bin/sh
# examples/echo_server and examples/port_forward before it: many connections, large data both ways, half-closes, resets.
# models: mn-1 mn-2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'PYTHON'
import random
import socket
import struct
import threading

from example import Server, done, equal, ok, receive


def exchange(server, size):
    """Sends and receives at the same time, then ends its direction: what came back."""
    data = random.randbytes(size)
    s = server.connect()
    sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
    sender.start()
    got = receive(s, size)
    sender.join()
    end = s.recv(1)
    s.close()
    return got == data and end == b""


def test(server, name):
    s = server.connect()
    s.sendall(b"hello\n")
    equal(receive(s, 6), b"hello\n", f"{name}: a line")
    s.close()
    ok(exchange(server, 3_000_000), f"{name}: three million bytes, and the end")
    idle = [server.connect() for _ in range(100)]
    results = []
    threads = [threading.Thread(target=lambda: results.append(exchange(server, 50_000))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(results, [True] * 20, f"{name}: twenty at a time, beside a hundred that are idle")
    for i, s in enumerate(idle):
        s.sendall(b"%03d" % i)
    equal([receive(s, 3) for s in idle], [b"%03d" % i for i in range(100)], f"{name}: the idle ones")
    for s in idle:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    ok(exchange(server, 1000), f"{name}: after a hundred resets")


with Server("echo_server", "0", "127.0.0.1") as echo:
    test(echo, "echo")
    with Server("port_forward", "0", "127.0.0.1", str(echo.port)) as forward:
        test(forward, "forwarded")
    with Server("port_forward", "0", "127.0.0.1", "1") as nowhere:
        s = nowhere.connect()
        try:
            equal(s.recv(1), b"", "forwarded to nobody: it is closed")
        except ConnectionResetError:
            ok(True, "forwarded to nobody: it is reset")
done()
PYTHON
