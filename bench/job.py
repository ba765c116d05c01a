"""What a job is: what is measured, under which name, and what is expected of it.

A job's measure(run, model) makes one figure and returns a Sample, or raises Trouble: a wrong result is no
figure.
"""
import shlex

from running import Sample, Trouble


class Job:
    group = "pthread"  # the kind of its programs; a model says which kinds it has

    def __init__(self, name, about, unit="ns", better="lower", bar=None, most=None, share=False, two_cpus=False,
                 rounds=None, quick_rounds=None, fresh=0, base="libc", against=(), long=False):
        self.name, self.about, self.unit, self.better = name, about, unit, better
        self.base = base          # the model that ratios refer to
        self.against = against    # (our model, another, the ratio to it within a round that is the least or the most)
        self.bar = bar            # the ratio to libc that 1to1 is to stay within
        self.most = most          # or the figure itself
        self.share = share        # prints the smallest thread's share
        self.two_cpus = two_cpus  # depends on the distance between CPUs: gets a probe beside it
        self.fresh = fresh        # GiB that its programs touch first: gets another probe beside it
        self.rounds, self.quick_rounds = rounds, quick_rounds  # not more than so many
        self.long = long          # takes long, or much memory: not with --quick
        self.bars, self.records, self.fair = {}, {}, 0         # see mn_jobs.py

    def runs_under(self, model):
        return self.group in model.groups

    def rounds_of(self, wanted, quick):
        if quick and self.long:
            return 0
        limit = self.quick_rounds if quick and self.quick_rounds else self.rounds
        return min(wanted, limit) if limit else wanted


class ProgramJob(Job):
    """
    A program of bench/ that prints one line (bench.h), or one for each of several jobs.  Jobs whose commands are
    the same share its run.
    """

    optional = False  # a program that does not print it does not have it

    def __init__(self, name, about, program, args=(), quick_args=None, seconds=1, work=False, limit=None,
                 **more):
        super().__init__(name, about, **more)
        self.program, self.args = program, list(args)
        self.quick_args = quick_args  # instead of args with --quick
        self.seconds = seconds        # takes --seconds, so many times the usual; 0: does not
        self.work = work              # takes --steps-per-us
        self.limit = limit            # seconds until it is given up

    def argv(self, run, model):
        """The command, or None where this model does not have it."""
        return model.argv(self.group, self.program, self.arguments(run), run.build)

    def arguments(self, run):
        args = list(self.quick_args if run.quick and self.quick_args else self.args)
        if self.seconds:
            args += ["--seconds", "%g" % (run.seconds * self.seconds)]
        if self.work:
            args += ["--steps-per-us", "%g" % run.steps_per_us]
        return args

    def printed_name(self, model):
        return self.name

    def measure(self, run, model):
        argv = self.argv(run, model)
        if argv is None:
            return None
        name = self.printed_name(model)
        printed = run.printed(argv, model, self.limit, self.fresh)
        words = next((line for line in printed if line and line[0] == name), None)
        if words is None and self.optional and printed:
            return None
        if words is None or len(words) < 3 or words[2] != self.unit:
            raise Trouble("expected '%s FIGURE %s ...', got: %s" % (
                name, self.unit, " / ".join(" ".join(line) for line in printed)[:200]))
        keys = dict(word.partition("=")[::2] for word in words[3:])
        if self.fresh:
            keys["page"] = next(line[1] for line in printed if line[0] == "pages")
        wrong = model.check_provider(keys.get("model", "nowhere"))
        if wrong:
            raise Trouble(wrong)
        env = ["%s=%s" % pair for pair in sorted(model.shown_environment().items())]
        return Sample(float(words[1]), shlex.join(env + argv), keys)


class FunctionJob(Job):
    """A real program, run and checked by a function."""

    def __init__(self, name, about, function, **more):
        super().__init__(name, about, **more)
        self.function = function

    def measure(self, run, model):
        return self.function(run, model)
