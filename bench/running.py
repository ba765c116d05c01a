"""Starting programs, waiting for them exactly, and not leaving any behind."""
import os
import select
import shlex
import subprocess
import tempfile


class Trouble(Exception):
    """A job could not be done, or its result was wrong."""


class Sample:
    """One figure of one round: the value, the command that made it, and what else it printed."""

    def __init__(self, value, command, keys):
        self.value, self.command, self.keys = value, command, keys


def wait(child, seconds):
    """Waits without polling (a figure is the time until this returns); kills and complains after the limit."""
    fd = os.pidfd_open(child.pid)
    try:
        ready, _, _ = select.select([fd], [], [], seconds)
    finally:
        os.close(fd)
    if not ready:
        child.kill()
        child.wait()
        raise Trouble("not done after %g s" % seconds)
    return child.wait()


def maps_of(child):
    """The text of a running program's /proc/PID/maps; empty when it has ended."""
    try:
        with open("/proc/%d/maps" % child.pid, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Load:
    """How much of the machine's CPU time went to others since this was made: other programs, the host."""

    def __init__(self):
        self.start = self.times()

    @staticmethod
    def times():
        """(all time, time spent, stolen by the host, ours), seconds over all CPUs; zeros where not told."""
        mine = os.times()
        try:
            with open("/proc/stat", encoding="ascii") as f:
                t = [int(x) / os.sysconf("SC_CLK_TCK") for x in f.readline().split()[1:9]]
        except (OSError, ValueError):
            return 0, 0, 0, sum(mine[:4])
        # user nice system idle iowait irq softirq steal
        return sum(t), t[0] + t[1] + t[2] + t[5] + t[6], t[7], sum(mine[:4])

    def percent(self):
        """(others, stolen) in percent of all CPU time."""
        everything, spent, stolen, ours = (b - a for a, b in zip(self.start, self.times()))
        if everything <= 0:
            return 0.0, 0.0
        return max(0.0, (spent - ours) / everything * 100), stolen / everything * 100


class Run:
    """What all jobs of one call of ./compare share."""

    LIMIT = 120  # seconds for one figure

    def __init__(self, build, models, quick, seconds):
        self.build, self.models, self.quick, self.seconds = build, models, quick, seconds
        self.steps_per_us = 0.0
        self.round_output = {}  # what programs printed in this round
        self.kept = os.path.join(build, "bench")  # what later runs use again
        self.scratch = tempfile.TemporaryDirectory(prefix="odonata-compare.")

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def output(self, argv, env=None, limit=None):
        """Runs a program to its end; returns its standard output."""
        try:
            got = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, timeout=limit or self.LIMIT, check=False)
        except subprocess.TimeoutExpired:
            raise Trouble("not done after %g s: %s" % (limit or self.LIMIT, shlex.join(argv))) from None
        except OSError as e:
            raise Trouble("%s: %s" % (argv[0], e.strerror)) from None
        if got.returncode != 0:
            status = got.returncode
            how = "died of signal %d" % -status if status < 0 else "exit code %d" % status
            raise Trouble("%s: %s%s" % (shlex.join(argv), how, tail(got.stderr)))
        return got.stdout.decode(errors="replace")

    def new_round(self):
        self.round_output = {}

    def printed(self, argv, model, limit=None, fresh=0):
        """
        The lines that a program printed, as words.  Within a round, the same command is run once.  fresh: GiB that the
        machine is to have at hand for it; what a page of them cost is added to the lines.
        """
        key = (model.name, tuple(argv))
        if key not in self.round_output:
            try:
                text = self.tool("pages", "--gib", "%g" % fresh) if fresh else ""
                text += self.output(argv, model.environment(), limit)
                self.round_output[key] = [line.split() for line in text.splitlines()]
            except Trouble as trouble:
                self.round_output[key] = trouble
        if isinstance(self.round_output[key], Trouble):
            raise self.round_output[key]
        return self.round_output[key]

    def tool(self, name, *args):
        """What a program of bench/ prints that is no job, on the libc's threads."""
        return self.output([os.path.join(self.build, "bench", name), *args], self.models[0].environment())

    def probe(self):
        """(core-to-core latency in ns one way, steps of work a microsecond), measured on the libc's threads."""
        words = self.tool("probe").split()
        keys = dict(word.partition("=")[::2] for word in words[3:])
        return float(words[1]), float(keys["steps_per_us"])


def tail(text, lines=8):
    rows = text.decode(errors="replace").strip().splitlines()[-lines:]
    return "".join("\n    " + row for row in rows)
