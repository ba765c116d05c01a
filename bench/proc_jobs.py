"""The jobs for processes: libmn's, Erlang's, and what a Go programmer would write in their place.

Most are jobs of green threads (mn_jobs.py) as well, where peers do them under that name: as_peer.
"""
from mn_jobs import MANY, MnJob, both, peers


class ProcJob(MnJob):
    """as_peer: the program of peers that does the same, and the name under which that prints it."""

    def __init__(self, name, about, program, args=(), as_peer=None, **more):
        super().__init__(name, about, program, args, **more)
        self.as_peer = as_peer
        self.optional = False

    group = "proc"

    def printed_name(self, model):
        return self.as_peer[1] if model.peer else self.name

    def argv(self, run, model):
        if not model.peer:
            return super().argv(run, model)
        if not self.as_peer:
            return None
        args = [] if not self.seconds else ["--seconds", "%g" % (run.seconds * self.seconds)]
        return model.argv("mn", self.as_peer[0], args + list(self.as_peer[2:]), run.build)


SHORT = {"quick_rounds": 3, "two_cpus": True}


def savina(name, about):
    return ProcJob("savina_" + name, about, "savina", as_peer=("savina", "savina_" + name), quick_rounds=1, seconds=0.5,
                   two_cpus=True)


PROC_JOBS = [
    ProcJob("proc_spawn_exit", "start a process that ends at once", "spawn_exit", bars={"mn-1": 80},
            as_peer=("spawn_join", "spawn_join"), records=peers((269, 299), (894, 1209)), **SHORT),
    ProcJob("proc_spawn_exit_handler", "the same, made of callbacks", "spawn_exit", bars={"mn-1": 60}, **SHORT),
    ProcJob("proc_pingpong", "a message to a process, and its answer", "pass", bars=both(80, 150),
            as_peer=("pingpong", "pingpong_same"), records=peers((215, 209), (523, 521)), **SHORT),
    ProcJob("proc_pingpong_handler", "the same to one made of callbacks", "pass", **SHORT),
    ProcJob("proc_ring_503", "pass a message on, round a ring of 503 processes", "pass", bars={"mn-1": 35},
            as_peer=("ring", "ring_503", "--threads", "503"), records=peers((110, 122), (256, 258)), **SHORT),
    ProcJob("proc_ring_503_handler", "the same, made of callbacks", "pass", **SHORT),
    ProcJob("proc_hub_handler", "100 processes of callbacks ask one", "hub", **SHORT),
    ProcJob("proc_pairs_handler", "100 ask one of their own each", "hub", **SHORT),
    ProcJob("proc_skynet_1m", "a tree of processes of callbacks with 1,000,000 leaves", "skynet", unit="s",
            bars={"mn": 0.12}, as_peer=("skynet", "skynet_1m"), records=peers((None, 0.44), (None, 1.87)), **MANY),
    ProcJob("proc_skynet_1m_memory", "its memory", "skynet", unit="MB", bars=both(300, 300), **MANY),
    ProcJob("proc_skynet_1m_stack", "the tree of stackful processes", "skynet", unit="s", **MANY),
    ProcJob("proc_parked_1m", "1,000,000 processes of callbacks wait; memory of one", "parked", unit="B",
            bars=both(256, 256), as_peer=("parked", "parked_1m"), **MANY),
    ProcJob("proc_parked_1m_create", "start one of them, all memory new", "parked",
            as_peer=("parked", "parked_1m_create_first"), **MANY),
    ProcJob("proc_parked_1m_wake", "send one of them a message", "parked", as_peer=("parked", "parked_1m_wake"), **MANY),
    *[ProcJob("proc_parked_10m" + suffix, about, "parked", ["--count", "10000000", "--stacks", "1000000"], unit=unit,
              bars=bars, long=True, **dict(MANY, rounds=1))
      for suffix, about, unit, bars in (
          ("", "10,000,000 of callbacks and 1,000,000 stackful ones; memory of all", "GB", both(8, 8)),
          ("_create", "start one of them, all memory new", "ns", None),
          ("_wake", "send one of them a message", "ns", None))],
    ProcJob("mailbox_mpsc", "16 senders, one receiver; each 100th message is answered", "mailbox", unit="M/s",
            better="higher", bars=both(20, 20), as_peer=("mailbox_mpsc", "mailbox_mpsc"), share=True, fair=0.1, **SHORT),
    ProcJob("mailbox_mpsc_bounded", "the same, a full mailbox blocks the senders", "mailbox", unit="M/s", better="higher",
            share=True, **SHORT),
    ProcJob("selective_receive", "a call whose reply comes behind 100,000 other messages", "mailbox", bars=both(300, 300),
            as_peer=("selective_receive", "selective_receive"), **SHORT),
    ProcJob("link_cascade_1m", "an exit goes through 1,000,000 links", "links", unit="s", bars=both(0.5, 0.5),
            as_peer=("link_cascade", "link_cascade_1m"), **MANY),
    ProcJob("supervisor_restart", "from the end of a supervised process to the next one's first line", "supervisor", unit="us",
            bars=both(2, 2), seconds=0, **SHORT),
    ProcJob("call_timeout", "memory that 1,000,000 calls leave behind that time out", "call_timeout",
            quick_args=["--count", "100000"], unit="KiB", bars=both(256, 256), **dict(MANY, rounds=1)),
    savina("ping_pong", "Savina: round trips of a message between two"),
    savina("counting", "Savina: a message to one that counts them"),
    savina("fork_join", "Savina: start one, send it a message, hear its answer"),
    savina("thread_ring", "Savina: pass a token on, round a ring of 100"),
    savina("chameneos", "Savina: a meeting of two out of 100"),
    savina("big", "Savina: a ping of each of 120 to any other, and its answer"),
    savina("dictionary", "Savina: 20 read and write in a dictionary"),
    savina("philosophers", "Savina: a meal of one of 20 philosophers"),
]
