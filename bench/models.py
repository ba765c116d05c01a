"""The models: what can stand behind the pthread functions that a job calls.

A model says whether it is there, how a program is started under it, and how a program that ran proves it.  The
same unmodified programs run under every model; a model whose programs are different ones (another language,
another API) overrides argv() and returns None for a job that it does not have.
"""
import os
import re

# The first one is what ratios refer to.
BASELINE = "libc"


class Model:
    """A thread library that is preloaded; without one, the libc's own threads."""

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

    def argv(self, program, args, build):
        """The command for a program of bench/, or None where this model does not have it."""
        return [os.path.join(build, "bench", program)] + args

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


LIBRARY = ".libs/libthread_1to1.so"


def known():
    """All models, new objects.  A new model is a line here."""
    return [
        Model("libc", "the libc's own threads"),
        Model("1to1", "libthread_1to1, preloaded", LIBRARY),
        # Not measured unless asked for by --model:
        Model("1to1-libc", "the same, LWPs from the libc", LIBRARY, {"ODONATA_LWP": "libc"}, default=False),
        Model("1to1-own", "the same, LWPs of its own", LIBRARY, {"ODONATA_LWP": "own"}, default=False),
        Model("1to1-reuse", "the same, LWPs reused", LIBRARY, {"ODONATA_LWP": "reuse"}, default=False),
        Model("libc-again", "the libc once more: what two equal models differ by", default=False),
    ]
