#!/bin/sh
# examples/http_server: files large and small, persistent connections, ranges, errors, and no way out of the directory.
# models: mn-1 mn-2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'PYTHON'
import http.client
import os
import random
import resource
import shutil
import subprocess
import tempfile
import threading
import time

from example import Server, done, equal, ok, receive

top = tempfile.mkdtemp(prefix="mn-http.")
root = os.path.join(top, "root")
os.makedirs(os.path.join(root, "sub"))
files = {"index.html": b"<p>hello</p>\n", "small.txt": b"small\n", "empty": b"", "sub/a b%.css": b"p {}\n",
         "medium.bin": random.randbytes(15_900), "large.bin": random.randbytes(3_000_000)}
for name, data in files.items():
    with open(os.path.join(root, name), "wb") as f:
        f.write(data)
with open(os.path.join(top, "secret"), "w") as f:
    f.write("secret")
os.mkfifo(os.path.join(root, "fifo"))


def get(c, path, method="GET", **headers):
    c.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    r = c.getresponse()
    return r.status, r.read(), r


def raw(server, request):
    """All that the server says to it, until it closes the connection."""
    s = server.connect()
    s.sendall(request)
    return receive(s, 1 << 24)


def tests(server):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for name, data in files.items():
        status, body, r = get(c, "/" + name.replace("%", "%25").replace(" ", "%20"))
        ok(status == 200 and body == data, f"{name}: {status}, {len(body)} bytes")
    socket = c.sock
    status, body, r = get(c, "/")
    ok(status == 200 and body == files["index.html"] and r.getheader("Content-Type").startswith("text/html"), "index.html")
    status, body, r = get(c, "/large.bin?x=1", "HEAD")
    ok(status == 200 and body == b"" and r.getheader("Content-Length") == "3000000", "HEAD")
    for wanted, first, last in (("0-0", 0, 0), ("100-199", 100, 199), ("2999990-", 2999990, 2999999),
                                ("-5", 2999995, 2999999), ("5-99999999", 5, 2999999), ("-99999999", 0, 2999999)):
        status, body, r = get(c, "/large.bin", Range="bytes=" + wanted)
        ok(status == 206 and body == files["large.bin"][first:last + 1] and
           r.getheader("Content-Range") == f"bytes {first}-{last}/3000000", f"range {wanted}")
    for wanted in ("bytes=1-0", "bytes=1-2,5-6", "lines=1-2", "bytes=x", "bytes=3", "bytes=-0", "bytes=1--2"):
        equal(get(c, "/small.txt", Range=wanted)[:2], (200, b"small\n"), f"no range: {wanted}")
    equal(get(c, "/small.txt", Range="bytes=6-")[0], 416, "a range beyond the end")
    for path in ("/none", "/sub", "/sub/", "/small.txt/", "/fifo"):
        equal(get(c, path)[0], 404, f"{path}: not found")
    for path in ("/../secret", "/sub/../../secret", "/%2e%2e/secret", "/sub/..", "/..%2fsecret", "/%00", "/%zz", "/%2"):
        status, body, _ = get(c, path)
        ok(status == 400 and b"secret" not in body, f"{path}: refused")
    equal(get(c, "/" + "x" * 2000)[0], 400, "a name that is too long")
    status, _, r = get(c, "/", "DELETE")
    ok(status == 405 and r.getheader("Allow") == "GET, HEAD", "DELETE")
    ok(c.sock is socket, "all on one connection")
    c.close()

    two = raw(server, b"GET /small.txt HTTP/1.1\r\n\r\nGET /empty HTTP/1.1\r\nConnection: close\r\n\r\n")
    ok(two.count(b"HTTP/1.1 200 OK") == 2 and b"\r\n\r\nsmall\n" in two, "two requests at once")
    ok(raw(server, b"GET /small.txt HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nsmall\n"), "HTTP/1.0: then it is closed")
    old = raw(server, b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    ok(old.count(b"HTTP/1.1 200") == 2, "HTTP/1.0 with Keep-Alive")
    ok(raw(server, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400"), "nonsense")
    ok(raw(server, b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").startswith(b"HTTP/1.1 405"), "a request with a body")
    smuggled = b"GET /small.txt HTTP/1.1\r\nConnection: close\r\n\r\n"
    body = raw(server, b"GET /empty HTTP/1.1\r\nContent-Length: 0%d\r\n\r\n%s" % (len(smuggled), smuggled))
    ok(body.count(b"HTTP/1.1") == 1, "a body is no request")
    ok(raw(server, b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431"), "a head that is too long")

    s, cut_off, end = server.connect(), False, time.monotonic() + 40
    try:
        while time.monotonic() < end:
            s.sendall(b"nonsense\r\n\r\n" * 1000)
    except OSError:
        cut_off = True
    ok(cut_off, "one that sends without end is cut off")

    # Clients that go away in the middle of an answer, and many that do not.
    for _ in range(20):
        s = server.connect()
        s.sendall(b"GET /large.bin HTTP/1.1\r\n\r\n")
        s.recv(1000)
        s.close()
    good = []

    def client():
        c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for name in random.choices(sorted(files), k=10):
            status, body, _ = get(c, "/" + name.replace("%", "%25").replace(" ", "%20"))
            good.append(status == 200 and body == files[name])

    threads = [threading.Thread(target=client) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(good, [True] * 100, "ten clients, ten requests each")
    if shutil.which("wrk"):
        out = subprocess.run(["wrk", "-d", "1", "--timeout", "60", "-t", "1", "-c", "50", f"http://127.0.0.1:{server.port}/small.txt"],
                             capture_output=True, text=True).stdout
        ok("Requests/sec" in out and "Socket errors" not in out and "Non-2xx" not in out, "loaded by wrk")


try:
    with Server("http_server", root, "0", "127.0.0.1") as server:
        tests(server)
    with Server("http_server", root, "0", "127.0.0.1") as server:
        # With all descriptors in use a file is not "not found".
        c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=100)
        equal(get(c, "/small.txt")[0], 200, "a file")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, 4096))
        equal(get(c, "/small.txt")[0], 503, "no descriptor is left for it")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (1024, 4096))
        equal(get(c, "/small.txt")[0], 200, "now there is")
finally:
    shutil.rmtree(top)
done()
PYTHON
