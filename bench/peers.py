"""Runtimes from elsewhere, measured with --peers: their programs are in bench/peers, one directory each.

Each comes twice: on one CPU, and on all of them.
"""
import glob
import os
import shutil
import subprocess

from models import Model, on_cpus

# What peers have nothing for.
OURS_ONLY = ("blocked", "fair", "user_event")
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")


class Peer(Model):
    groups = ("mn", "proc", "echo")
    peer = True
    tool = ""       # what compiles it
    marks = ""      # how its programs' model= begins
    lacks = ()      # programs that it does not have
    directory = ""  # below bench/peers, of the sources

    def __init__(self, name, about, one_cpu):
        super().__init__(name + "-1" if one_cpu else name, about + (", on one CPU" if one_cpu else ""),
                         default=False)
        self.set = "1 CPU" if one_cpu else "all CPUs"
        self.cpus = 1 if one_cpu else len(os.sched_getaffinity(0))

    def locate(self, build):
        if not shutil.which(self.tool):
            return "%s is not installed (./compare --peers installs what Debian has of it)" % self.tool
        sources = sorted(glob.glob(os.path.join(SOURCES, self.directory, "*")))
        place = os.path.join(build, "bench", "peers")
        os.makedirs(place, exist_ok=True)
        made = os.path.join(place, self.directory + ".made")
        newest = max(os.path.getmtime(s) for s in sources + [os.path.abspath(__file__)])
        if not os.path.exists(made) or os.path.getmtime(made) < newest:
            got = self.compile(sources, place)
            if got.returncode:
                return "its programs do not compile:\n" + got.stdout.decode(errors="replace")
            with open(made, "w", encoding="ascii"):
                pass
        return None

    def compile(self, sources, place):
        raise NotImplementedError

    def command(self, program, args, place):
        raise NotImplementedError

    def argv(self, group, program, args, build):
        if program in self.lacks + OURS_ONLY or (self.cpus == 1 and "--cross" in args):
            return None
        return on_cpus(self.set) + self.command(program, args, os.path.join(build, "bench", "peers"))

    def check_provider(self, name):
        return None if name.startswith(self.marks) else "the figure is from %s" % name


def run(argv, **more):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **more)


class Go(Peer):
    tool, marks, directory, lacks = "go", "go1.", "go", ("selective_receive", "link_cascade")

    def __init__(self, one_cpu):
        super().__init__("go", "Go: goroutines and channels", one_cpu)
        self.env = {"GOMAXPROCS": str(self.cpus)}

    def compile(self, sources, place):
        env = dict(os.environ, GOCACHE=os.path.join(place, "go-cache"), GOFLAGS="-mod=mod", GOPROXY="off")
        return run(["go", "build", "-o", os.path.join(place, "go_peer"), "."], env=env,
                   cwd=os.path.dirname(sources[0]))

    def command(self, program, args, place):
        return [os.path.join(place, "go_peer"), program] + args


class Erlang(Peer):
    tool, marks, directory, lacks = "erlc", "erlang-", "erlang", ("meet", "mutex", "request", "rwlock", "stream")

    def __init__(self, one_cpu):
        super().__init__("erlang", "Erlang/OTP: processes and messages", one_cpu)
        self.env = {"ERL_CRASH_DUMP": "/dev/null"}

    def compile(self, sources, place):
        os.makedirs(os.path.join(place, "erlang"), exist_ok=True)
        return run(["erlc", "-Werror", "-o", os.path.join(place, "erlang")] + sources)

    def command(self, program, args, place):
        spin = ["+sbwt", "very_long"] if "--cross" in args else []
        return ["erl", "+S", str(self.cpus), "+P", "2000000", *spin, "-noshell", "-pa",
                os.path.join(place, "erlang"), "-s", "jobs", "main", "-extra", program] + args


class BoostFiber(Peer):
    tool, marks, directory, lacks = "g++", "boost_fiber-", "boost", ("echo", "request", "rwlock", "savina", "stream")
    groups = ("mn",)

    def __init__(self, one_cpu):
        super().__init__("boost_fiber", "Boost.Fiber", one_cpu)

    def locate(self, build):
        if not os.path.exists("/usr/include/boost/fiber/all.hpp"):
            return "libboost-fiber-dev is not installed (./compare --peers installs it)"
        return super().locate(build)

    def compile(self, sources, place):
        return run(["g++", "-std=c++17", "-O2", "-o", os.path.join(place, "boost_peer")]
                   + [s for s in sources if s.endswith(".cpp")]
                   + ["-lboost_fiber", "-lboost_context", "-pthread"])

    def command(self, program, args, place):
        return [os.path.join(place, "boost_peer"), program, "--workers", str(self.cpus)] + args


def peers():
    return [kind(one_cpu) for kind in (Go, Erlang, BoostFiber) for one_cpu in (True, False)]
