"""The jobs for green threads: libmn's, and the same work under other runtimes.

Bars are figures on a machine of the kind that they were set for (doc/design/bench-mn.md).  Machines drift, so
records has what the peers needed on that machine: bar / record is the ratio to the peer that the bar implies, and
that decides where the peer was measured in the same run.  Bytes do not drift: there the bar does.
"""
from job import ProgramJob


class MnJob(ProgramJob):
    group = "mn"

    def __init__(self, name, about, program, args=(), bars=None, records=None, fair=0.0, **more):
        more.setdefault("seconds", 1)
        super().__init__(name, about, program, args, **more)
        self.bars = bars or {}        # model -> the most that it may need, or what makes that of the probe
        self.records = records or {}  # peer -> what it needed
        self.fair = fair              # the share that the smallest thread has to have
        self.optional = name not in FIRST


# Every model's program has to print these; the others it may not have.
FIRST = ("yield_2", "yield_1000", "spawn_join", "spawn_batch_1m", "pingpong_same", "pingpong_cross", "ring_503",
         "skynet_1m", "parked_1m", "forkjoin_fib", "mutex_mn_2", "mutex_mn_64", "chan_mpmc_16", "timers_1m")


def both(one, many):
    return {"mn-1": one, "mn": many}


def peers(go, erlang):
    """Figures on one CPU, on all; None: not known."""
    pairs = zip(("go-1", "go", "erlang-1", "erlang"), go + erlang)
    return {name: value for name, value in pairs if value is not None}


def across(probe):
    return 200 + 6 * probe


# Many threads, once; and with a stack each.
MANY = {"seconds": 0, "rounds": 3, "quick_rounds": 1, "limit": 300}
STACKS = dict(MANY, fresh=9)  # GiB: Boost.Fiber's

MN_JOBS = [
    MnJob("yield_2", "2 threads yield to each other", "yield", ["--threads", "2"], share=True, fair=0.5,
          bars={"mn-1": 10}, records=peers((53.6, None), (112, None)), quick_rounds=3),
    MnJob("yield_1000", "1,000 threads yield in turn", "yield", ["--threads", "1000"], share=True, fair=0.1,
          two_cpus=True, bars=both(11, 8), records=peers((53.7, 206), (112, 108)), quick_rounds=3),
    MnJob("spawn_join", "start a thread, wait for its end", "spawn_join", two_cpus=True, bars=both(25, 100),
          records=peers((269, 299), (894, 1209)), quick_rounds=3),
    MnJob("spawn_batch_1m", "start 1,000,000 threads, all alive at once, wait for all; a thread", "spawn_batch",
          bars=both(250, 150), **STACKS),
    MnJob("spawn_batch_1m_first", "the same the first time, all memory new", "spawn_batch", **STACKS),
    MnJob("spawn_batch_1m_free", "the same, threads end as soon as they can", "spawn_batch",
          records=peers((684, 499), (721, 1613)), **STACKS),
    MnJob("pingpong_same", "a message there, a message back", "pingpong", two_cpus=True, bars=both(50, 100),
          records=peers((215, 209), (523, 521)), quick_rounds=3),
    MnJob("pingpong_cross", "the same between two CPUs", "pingpong", ["--cross"], two_cpus=True,
          bars={"mn": across}, records=peers((None, None), (None, 2401)), quick_rounds=3),
    MnJob("request", "a request, its answer by a channel made for it", "request", two_cpus=True, quick_rounds=3),
    MnJob("ring_503", "pass a message on, round a ring of 503", "ring", ["--threads", "503"], two_cpus=True,
          bars=both(25, 50), records=peers((110, 122), (256, 258)), quick_rounds=3),
    MnJob("stream_write", "send 64 KiB through TCP to another thread", "stream", two_cpus=True, quick_rounds=3),
    MnJob("stream_sendfile", "the same from a file in the page cache", "stream", two_cpus=True, quick_rounds=3),
    MnJob("skynet_1m", "a tree of threads with 1,000,000 leaves, child first", "skynet", unit="s",
          bars=both(0.10, 0.055), records=peers((0.84, 0.44), (2.08, 1.87)), **MANY),
    MnJob("skynet_1m_parent", "the same, parent first", "skynet", unit="s", **MANY),
    MnJob("skynet_1m_first", "the first tree, all memory new", "skynet", unit="s", **MANY),
    MnJob("parked_1m", "1,000,000 threads wait; memory of one", "parked", unit="B", bars=both(4480, 4480), **STACKS),
    MnJob("parked_1m_create_first", "start one of them, all memory new", "parked",
          bars=both(1150, 1150), records=peers((1044, None), (1370, None)), **STACKS),
    MnJob("parked_1m_create", "start one of them, memory recycled", "parked", bars=both(250, 250), **STACKS),
    MnJob("parked_1m_wake", "wake one of them, in the order of creation", "parked", bars=both(230, 230),
          records=peers((500, None), (890, None)), **STACKS),
    MnJob("parked_1m_wake_random", "wake one of them, in random order", "parked", bars=both(300, 300), **STACKS),
    MnJob("forkjoin_fib", "hand out work and wait for it, child first; a task", "forkjoin", two_cpus=True,
          bars=both(50, 26), records=peers((555, 356), (2570, 1724)), quick_rounds=3),
    MnJob("forkjoin_fib_parent", "the same, parent first", "forkjoin", two_cpus=True, quick_rounds=3),
    *[MnJob("mutex_mn_%d" % n, "lock+unlock that %d threads want" % n, "mutex", ["--threads", str(n)], share=True,
            fair=0.5, two_cpus=True, seconds=3, bars={"mn": bar}, records=peers((None, go), (None, None)), quick_rounds=3)
      for n, bar, go in ((2, 15, 13.4), (64, 20, 40))],
    *[MnJob("cond_meet_%d" % n, "%d threads meet by a condition variable; an arrival" % n, "meet", ["--threads", str(n)],
            two_cpus=True, quick_rounds=3) for n in (2, 16)],
    *[MnJob("rwlock_mn%s_16" % mixed, "lock+unlock of an rwlock by 16 threads, %s" % about, "rwlock",
            ["--threads", "16"] + args, share=True, two_cpus=True, quick_rounds=3)
      for mixed, about, args in (("", "all for reading", []), ("_mixed", "a tenth for writing", ["--writes", "100"]))],
    MnJob("chan_mpmc_16", "a message among 16 senders and 16 receivers", "chan", share=True, fair=0.1,
          two_cpus=True, seconds=2, bars={"mn": 30}, records=peers((None, 37), (None, 130)), quick_rounds=3),
    MnJob("fair_idle", "lateness (p99) of a 1 ms sleeper beside an endless loop", "fair", unit="us",
          bars={"mn-1": 100}, records=peers((19000, None), (1000, None)), quick_rounds=3),
    *[MnJob("fair_busy_%d" % n, "the same, it works 200 us each time, beside %d" % n, "fair",
            ["--hogs", str(n), "--work", "200"], unit="us", bars={"mn-1": bar}, quick_rounds=3)
      for n, bar in ((1, 100), (4, 15000))],
    MnJob("blocked", "what a ready thread loses when 10 others block for 3 s", "blocked", unit="ms",
          bars={"mn-1": 25}, **MANY),
    MnJob("user_event_same", "wake a thread by EVFILT_USER", "user_event", two_cpus=True, bars=both(200, 200),
          quick_rounds=3),
    MnJob("user_event_cross", "the same between two CPUs", "user_event", ["--cross"], two_cpus=True, bars={"mn": 2000},
          quick_rounds=3),
    MnJob("user_event_sleep", "the same, the other CPU's worker sleeps", "user_event", ["--cross", "--sleep"], two_cpus=True,
          bars={"mn": 6000}, quick_rounds=3),
    MnJob("user_event_sleep_ratio", "the same, part of what a futex takes", "user_event", ["--cross", "--sleep"], unit="x",
          bars={"mn": 1.5}, quick_rounds=3),
    MnJob("timers_1m", "1,000,000 threads sleep up to 1 s; CPU time of all", "timers", unit="s",
          bars=both(1.0, 1.0), records=peers((3.1, None), (3.6, None)), **STACKS),
    MnJob("timers_1m_first", "the same the first time, all memory new", "timers", unit="s",
          bars=both(1.6, 1.6), records=peers((3.1, None), (3.6, None)), **STACKS),
]
