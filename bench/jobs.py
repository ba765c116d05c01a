"""The jobs: what is measured, under which name, and what is expected of it.

A job's measure(run, model) makes one figure and returns a Sample, or raises Trouble: a wrong result is no
figure.
"""
import shlex

from pigz_file import measure_pigz
from redis_ops import measure_redis
from running import Sample, Trouble


class Job:
    def __init__(self, name, about, unit="ns", better="lower", bar=None, most=None, share=False, two_cpus=False,
                 rounds=None, quick_rounds=None):
        self.name, self.about, self.unit, self.better = name, about, unit, better
        self.bar = bar            # the ratio to libc that 1to1 is to stay within
        self.most = most          # or the figure itself
        self.share = share        # prints the smallest thread's share
        self.two_cpus = two_cpus  # depends on the distance between CPUs: gets a probe beside it
        self.rounds, self.quick_rounds = rounds, quick_rounds  # not more than so many

    def rounds_of(self, wanted, quick):
        limit = self.quick_rounds if quick and self.quick_rounds else self.rounds
        return min(wanted, limit) if limit else wanted


class ProgramJob(Job):
    """A program of bench/ that prints one line (bench.h)."""

    def __init__(self, name, about, program, args=(), quick_args=None, seconds=1, work=False, limit=None,
                 **more):
        super().__init__(name, about, **more)
        self.program, self.args = program, list(args)
        self.quick_args = quick_args  # instead of args with --quick
        self.seconds = seconds        # takes --seconds, so many times the usual; 0: does not
        self.work = work              # takes --steps-per-us
        self.limit = limit            # seconds until it is given up

    def measure(self, run, model):
        args = list(self.quick_args if run.quick and self.quick_args else self.args)
        if self.seconds:
            args += ["--seconds", "%g" % (run.seconds * self.seconds)]
        if self.work:
            args += ["--steps-per-us", "%g" % run.steps_per_us]
        argv = model.argv(self.program, args, run.build)
        if argv is None:
            return None
        words = run.output(argv, model.environment(), self.limit).split()
        if len(words) < 3 or words[0] != self.name or words[2] != self.unit:
            raise Trouble("expected '%s FIGURE %s ...', got: %s" % (
                self.name, self.unit, " ".join(words)[:200]))
        keys = dict(word.partition("=")[::2] for word in words[3:])
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


def mutex_jobs():
    # Where threads take turns on few CPUs, a share means something only over many turns.
    longer = {2: 1, 4: 1, 16: 2}
    jobs = [
        ProgramJob("mutex_uncontended", "lock+unlock that nobody else wants; another thread exists",
                   "mutex_uncontended", bar=1.03),
        ProgramJob("mutex_uncontended_single", "the same before any thread was created",
                   "mutex_uncontended", ["--single"], bar=1.03),
    ]
    for n in (2, 4, 16):
        jobs.append(ProgramJob(
            "mutex_contended_%d" % n, "lock+unlock that %d threads want, nothing inside" % n, "mutex_contended",
            ["--threads", str(n)], seconds=longer[n], bar=1.03, share=True, two_cpus=True))
    for n, bar in ((2, 0.7), (4, 0.7), (16, 0.85)):
        jobs.append(ProgramJob(
            "mutex_contended_mid_%d" % n, "the same with about 250 ns inside, 60 outside", "mutex_contended",
            ["--threads", str(n), "--inside", "250", "--outside", "60"], seconds=longer[n], work=True, bar=bar,
            share=True, two_cpus=True))
    return jobs


JOBS = [
    ProgramJob("create_join", "create and join one thread at a time", "create_join", bar=0.35, two_cpus=True),
    ProgramJob("create_join_batch", "create 64 threads, join 64; a thread", "create_join", ["--batch", "64"],
               bar=0.7, two_cpus=True),
    *mutex_jobs(),
    ProgramJob("cond_pingpong", "hand a turn over by condition variable, one way", "cond_pingpong", bar=1.05,
               two_cpus=True),
    ProgramJob("sem_pingpong", "hand a turn over by semaphore, one way", "sem_pingpong", bar=1.05,
               two_cpus=True),
    ProgramJob("rwlock_read_2", "rdlock+unlock by 2 readers", "rwlock_read", ["--threads", "2"], bar=0.8,
               two_cpus=True),
    ProgramJob("barrier_4", "a meeting of 4 threads", "barrier", ["--threads", "4"], two_cpus=True),
    ProgramJob("tsd_get", "pthread_getspecific", "tsd_get"),
    FunctionJob("pigz_file", "pigz -p 2 on a file of 52 MiB", measure_pigz, unit="ms", bar=1.03,
                quick_rounds=3),
    FunctionJob("redis_ops", "redis-server with I/O threads under redis-benchmark", measure_redis, unit="ops/s",
                better="higher", quick_rounds=3),
    ProgramJob("create_join_leak", "resident size after 1,000,000 threads minus that after 10,000",
               "create_join_leak", ["--threads", "1000000", "--base", "10000"],
               quick_args=["--threads", "60000", "--base", "10000"], seconds=0, limit=600, unit="KiB",
               most=256, rounds=1),
]
