"""The models: what can stand behind the pthread functions that a job calls.

A model says whether it is there, how a program is started under it, and how a program that ran proves it.  The
same unmodified programs run under every model of a kind; a model whose programs are different ones (another
language, another API) overrides argv() and returns None for a job that it does not have.
"""
import os
import re

# The first one is what ratios refer to.
BASELINE = "libc"


class Model:
    """A thread library that is preloaded; without one, the libc's own threads."""

    groups = ("pthread", "mn", "echo")  # the kinds of jobs that it has
    peer = False                # from elsewhere: measured with --peers
    ours = False                # is to meet the bars of the jobs for green threads
    set = None                  # what it is compared with: models of the same set, "1 CPU" or "all CPUs"

    def __init__(self, name, about, library=None, env=None, default=True):
        self.name, self.about = name, about
        self.library = library  # path below the build directory
        self.env = env or {}
        self.default = default  # measured without being asked for
        self.path = None

    def locate(self, build):
        """Finds the model in the build directory; returns why it is not there, or None."""
        if self.library:
            self.path = os.path.realpath(os.path.join(build, self.library))
            if not os.path.isfile(self.path):
                return "%s is not built" % self.library
            if re.search(r"[\s:]", self.path):
                return "LD_PRELOAD cannot name %s" % self.path
        return None

    def argv(self, group, program, args, build):
        """The command for a program of bench/, or None where this model does not have it."""
        if group == "pthread":
            return [os.path.join(build, "bench", program)] + args
        if group == "echo":
            return on_cpus("1 CPU") + [os.path.join(build, "bench/echo/threads")] + args
        return [os.path.join(build, "bench", "posix", program)] + args if program in POSIX_PROGRAMS else None

    def environment(self):
        """The environment of a program under this model.  ODONATA_* settings of the caller stay."""
        env = dict(os.environ)
        env.pop("LD_PRELOAD", None)
        env.update(self.shown_environment())
        return env

    def shown_environment(self):
        """What makes the model, for the command that the report shows."""
        env = dict(self.env)
        if self.path:
            env["LD_PRELOAD"] = self.path
        return env

    def check_provider(self, name):
        """name: the file that provided the function under test.  Returns what is wrong, or None."""
        if self.path:
            right = name == os.path.basename(self.path)
        else:
            right = re.match(r"(libc|libpthread)[.-]", name) is not None
        return None if right else "the function under test came from %s" % name

    def check_maps(self, maps, others):
        """maps: a running program's /proc/PID/maps; others: all models.  Returns what is wrong, or None."""
        if self.path and self.path not in maps:
            return "%s is not mapped" % self.path
        for other in others:
            if other.path and other.path != self.path and other.path in maps:
                return "%s is mapped" % other.path
        return None


def on_cpus(which):
    """What puts a program on one CPU: the last one, which serves the fewest interrupts."""
    return ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if which == "1 CPU" else []


class Loop(Model):
    """What a server can at best be."""

    groups = ("echo",)

    def argv(self, group, program, args, build):
        return on_cpus("1 CPU") + [os.path.join(build, "bench/echo/loop")] + args


class Mn(Model):
    """libmn, with a number of workers (0: one a CPU)."""

    groups = ("mn", "proc", "echo")
    ours = True

    def __init__(self, name, about, workers):
        super().__init__(name, about, env={"MN_WORKERS": str(workers)} if workers else {})
        self.set = "1 CPU" if workers == 1 else "all CPUs"

    def locate(self, build):
        return None if os.path.isfile(os.path.join(build, ".libs/libmn.so")) else "libmn.so is not built"

    def argv(self, group, program, args, build):
        if self.set == "1 CPU" and "--cross" in args:
            return None
        folder = "proc" if group == "proc" else "mn"  # bench/mn/echo is the server
        return on_cpus(self.set) + [os.path.join(build, "bench", folder, program)] + args

    def check_provider(self, name):
        return None if name.startswith("libmn.so") else "the function under test came from %s" % name


LIBRARY = ".libs/libthread_1to1.so"
# What bench/posix has of the jobs for green threads.
POSIX_PROGRAMS = ("mutex", "pingpong", "ring", "spawn_join", "yield")


def known():
    """All models, new objects.  A new model is a line here."""
    from peers import peers  # which needs what is above
    return [
        Model("libc", "the libc's own threads"),
        Model("1to1", "libthread_1to1, preloaded", LIBRARY),
        # Not measured unless asked for by --model:
        Model("1to1-libc", "the same, LWPs from the libc", LIBRARY, {"ODONATA_LWP": "libc"}, default=False),
        Model("1to1-own", "the same, LWPs of its own", LIBRARY, {"ODONATA_LWP": "own"}, default=False),
        Model("1to1-reuse", "the same, LWPs reused", LIBRARY, {"ODONATA_LWP": "reuse"}, default=False),
        Loop("loop", "a plain epoll loop in C, beside the servers"),
        Mn("mn-1", "libmn with one worker, on one CPU", 1),
        Mn("mn", "libmn with one worker a CPU", 0),
        *peers(),
        Model("libc-again", "the libc once more: what two equal models differ by", default=False),
    ]
