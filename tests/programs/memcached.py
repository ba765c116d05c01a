"""Eight clients of a memcached on a Unix socket: set, get, incr, delete; every answer is verified."""
import socket
import sys
import threading

PATH, CLIENTS, KEYS, ROUNDS = sys.argv[1], 8, 300, 4
failures = []


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(PATH)
        self.file = self.socket.makefile("rb")

    def ask(self, line, body=None):
        self.socket.sendall(line.encode() + b"\r\n" + (body + b"\r\n" if body is not None else b""))
        return self.file.readline().strip().decode()

    def get(self, key):
        head = self.ask("get " + key)
        if head == "END":
            return None
        value = self.file.read(int(head.split()[3]) + 2)[:-2]
        assert self.file.readline().strip() == b"END"
        return value


def value(client, key, turn):
    return (b"%d/%d/%d " % (client, key, turn)) * (1 + key % 40)


def work(number):
    try:
        client = Client()
        for turn in range(ROUNDS):
            for key in range(KEYS):
                body = value(number, key, turn)
                answer = client.ask("set k%d.%d 0 0 %d" % (number, key, len(body)), body)
                assert answer == "STORED", answer
                assert client.ask("incr shared 1").isdigit()
            for key in range(KEYS):
                assert client.get("k%d.%d" % (number, key)) == value(number, key, turn), key
        for key in range(0, KEYS, 2):
            assert client.ask("delete k%d.%d" % (number, key)) == "DELETED"
        for key in range(KEYS):
            assert (client.get("k%d.%d" % (number, key)) is None) == (key % 2 == 0), key
    except Exception as error:
        failures.append("client %d: %r" % (number, error))


first = Client()
assert first.ask("set shared 0 0 1", b"0") == "STORED"
threads = [threading.Thread(target=work, args=(i,)) for i in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
counted = int(first.get("shared"))
if counted != CLIENTS * KEYS * ROUNDS:
    failures.append("counter is %d, not %d" % (counted, CLIENTS * KEYS * ROUNDS))
print("\n".join(failures))
sys.exit(bool(failures))
