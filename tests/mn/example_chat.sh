#!/bin/sh
# examples/chat_server: who comes, talks and leaves; one that never reads.
# models: mn-1 mn-2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'PYTHON'
from example import Server, done, equal, ok


class User:
    def __init__(self, server, name, receive_buffer=0):
        self.socket = server.connect(receive_buffer)
        self.lines = self.socket.makefile("r", newline="\n")
        self.say(name)
        self.hears(f"* {name.strip()} has come")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def hears(self, *lines):
        for line in lines:
            equal(self.lines.readline(), line + "\n", f"'{line}'")

    def leave(self):
        self.lines.close()
        self.socket.close()


with Server("chat_server", "0") as server:
    anna = User(server, "anna")
    bert = User(server, "bert")
    anna.hears("* bert has come")
    carl = User(server, "carl\r")
    anna.hears("* carl has come")
    bert.hears("* carl has come")
    anna.say("hello")
    bert.hears("anna: hello")
    carl.hears("anna: hello")
    carl.say("hello, anna\r\nand bert")
    anna.hears("carl: hello, anna", "carl: and bert")
    bert.hears("carl: hello, anna", "carl: and bert")
    bert.leave()
    anna.hears("* bert has left")
    carl.hears("* bert has left")
    carl.say("x" * 1000)
    got = anna.lines.readline() + anna.lines.readline() + anna.lines.readline()
    equal(got.replace("carl: ", "").replace("\n", ""), "x" * 1000, "a long line comes in pieces")

    # One that never reads is thrown out, and the others go on.
    deaf = User(server, "deaf", 4096)
    anna.hears("* deaf has come")
    carl.hears("* deaf has come")
    line = "y" * 300
    left = False
    for i in range(10000):
        carl.say("\n".join([line] * 20))
        heard = 0
        while heard < 20:
            one = anna.lines.readline()
            left |= one == "* deaf has left\n"
            heard += 1 if one == f"carl: {line}\n" else 0 if left else 20
        if left:
            break
    ok(left, f"one that does not read has to leave (after {20 * (i + 1)} lines)")
    anna.leave()
    carl.hears("* deaf has left", "* anna has left")
    dora = User(server, "dora")
    carl.hears("* dora has come")
    carl.leave()
    dora.hears("* carl has left")
    emil = User(server, "emil")
    dora.hears("* emil has come")
    emil.say("still there")
    dora.hears("emil: still there")
done()
PYTHON
