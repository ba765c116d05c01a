"""gdb commands for programs that use libmn: on a live process and on a core file.

    (gdb) source libmn-gdb.py
    (gdb) info mn           every green thread: what it does or waits for, and its function
    (gdb) mn bt 17          the backtrace of thread 17 (or of a handle, an mn_thread)
    (gdb) mn all-bt         those of all threads

libmn's debugging information is needed.  A core file that gdb writes itself (gcore) lacks the stacks where the kernel has guard
regions (Linux 6.13), since gdb stops at the first byte that it cannot read; one that the kernel writes has them.  Nothing of the process is run or changed: a thread that does not run is shown by
an unwinder that answers once, for the innermost frame of the selected kernel thread, with the registers that the green
thread's switch has saved on its stack; that works in a core file, where registers cannot be set.
"""
import re

import gdb
from gdb.unwinder import Unwinder, register_unwinder

SEGMENT = 32768  # descriptors; thread.h
BOUND, NAMED, CANCEL, SHIELD = 4, 1 << 8, 4, 8
FREE, FRESH, READY, RUNNING, WAITING, DONE = range(6)

# What lies at a parked context's stack pointer, by offset, and how far above it the stack goes on (arch/*/ctx_frame.h).
FRAMES = {
    "i386:x86-64": (
        [("rbp", 0), ("rip", 8)],
        ("rsp", 16),
        ("rsp", "rip"),
    ),
    "aarch64": (
        [("x29", 0), ("x30", 8), ("pc", 8)] + [("x%d" % (19 + i), 16 + 8 * i) for i in range(10)],
        ("sp", 160),
        ("sp", "pc"),
    ),
}


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Parked(Unwinder):
    """Shows a parked context as the caller of the innermost frame, while it is armed."""

    def __init__(self):
        super().__init__("libmn")
        self.sp = None

    def __call__(self, pending):
        if self.sp is None:
            return None
        sp, self.sp = self.sp, None
        saved, (sp_name, size), (sp_reg, pc_reg) = FRAMES[pending.architecture().name()]
        info = pending.create_unwind_info(FrameId(pending.read_register(sp_reg), pending.read_register(pc_reg)))
        word = gdb.lookup_type("unsigned long")
        for name, offset in saved:
            at = gdb.Value(sp + offset).cast(word.pointer())
            info.add_saved_register(name, at.dereference().cast(pending.read_register(name).type))
        info.add_saved_register(sp_name, gdb.Value(sp + size).cast(pending.read_register(sp_name).type))
        return info


parked = Parked()
register_unwinder(None, parked, True)


def runtime():
    try:
        rt = gdb.parse_and_eval("mni_rt")
        gdb.parse_and_eval("mni_table")
    except gdb.error:
        raise gdb.GdbError("libmn is not loaded here, or has no debugging information")
    if int(rt) == 0:
        raise gdb.GdbError("no runtime runs")
    return rt.dereference()


def threads():
    """All descriptors that are in use."""
    table = gdb.parse_and_eval("mni_table")
    for s in range(int(table["used"])):
        segment = table["segments"][s]["thread"]
        for i in range(SEGMENT):
            t = segment[i]
            if int(t["generation"]) == 0:
                return
            if int(t["state"]) != FREE:
                yield t


def number(t):
    return int(t["index"]) + 1


def find(text):
    wanted = int(gdb.parse_and_eval(text)) & 0xFFFFFFFF
    for t in threads():
        if number(t) == wanted:
            return t
    raise gdb.GdbError("no thread %s" % text)


def cpus(rt):
    return [rt["cpus"][i].dereference() for i in range(int(rt["ncpus"]))]


def cpu_of(rt, t):
    """The cpu that runs it, or None."""
    for c in cpus(rt):
        if int(c["current"]) == int(t.address):
            return c
    return None


def string(value):
    if int(value) == 0:
        return None
    try:
        return value.string(errors="replace", length=200).split("\0")[0]
    except gdb.error:
        return "?"


def symbol(address):
    text = gdb.execute("info symbol 0x%x" % int(address), to_string=True)
    if text.startswith("No symbol"):
        return "0x%x" % int(address)
    return re.sub(r" in section .*", "", text).strip()


def holder(address):
    """The number that a mutex notes as its owner's."""
    try:
        owner = gdb.Value(int(address)).cast(gdb.lookup_type("struct mn_mutex").pointer())["owner"]
        owner = int(owner) & ~(1 << 30)  # that bit: it is robust
    except gdb.error:
        return ""
    if owner == 0:
        return ""
    return ", held by a foreign LWP" if owner >> 31 else ", held by thread %d" % owner


def doing(rt, t):
    state, flags, claim = int(t["state"]), int(t["flags"]), int(t["park"]["claim"])
    if state == FRESH:
        text = "starts" if flags & BOUND else "has not run yet"
    elif state == READY:
        text = "ready"
    elif state == DONE:
        text = "has ended, is to be joined"
    elif state == WAITING:
        what = string(t["wait_what"]) or "?"
        text = "waits: " + what
        on = int(t["wait_on"])
        if on and what == "join":
            text += " of thread %d" % number(t["wait_on"].cast(t.type.pointer()).dereference())
        elif on:
            text += " 0x%x" % on
        if on and what == "mutex":
            text += holder(on)
        now = max(int(c["now"]) for c in cpus(rt))
        text += ", for %.3f s" % max(0, (now - int(t["since"])) / 1e9)
    else:
        c = cpu_of(rt, t)
        text = "runs"
        if c is not None:
            text += " on cpu %d (LWP %d)" % (int(c["index"]), int(c["worker"]["tid"]))
        elif flags & BOUND:
            text += " on an LWP of its own"
    if claim & CANCEL:
        text += ", cancelled" + (" but shielded" if claim & SHIELD else "")
    return text


def name_of(t):
    if not int(t["flags"]) & NAMED:
        return None
    index = int(t["index"])
    segment = gdb.parse_and_eval("mni_table")["segments"][index // SEGMENT]
    return string(segment["extra"][index % SEGMENT]["name"])


def describe(rt, t):
    name = name_of(t)
    return "thread %d%s %s: %s" % (
        number(t),
        ' "%s"' % name if name else "",
        symbol(t["fn"]) if int(t["fn"]) else "?",
        doing(rt, t),
    )


def backtrace_parked(t):
    """The backtrace from where the context was switched."""
    selected, frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        gdb.invalidate_cached_frames()
        parked.sp = int(t["sp"])
        lines = gdb.execute("backtrace", to_string=True).splitlines()
    finally:
        parked.sp = None
        gdb.invalidate_cached_frames()
        selected.switch()
        try:
            frame.select()
        except gdb.error:
            pass
    for line in lines:
        found = re.match(r"#(\d+)( .*)", line)
        if not found:
            gdb.write(line + "\n")
        elif found.group(1) != "0":  # 0: the kernel thread's own
            gdb.write("#%-3d%s\n" % (int(found.group(1)) - 1, found.group(2).lstrip()))


def backtrace_running(lwp):
    selected = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == lwp:
            thread.switch()
            gdb.execute("backtrace")
            selected.switch()
            return
    gdb.write("LWP %d is not known to gdb\n" % lwp)


def backtrace(rt, t):
    gdb.write(describe(rt, t) + "\n")
    state = int(t["state"])
    if int(t["flags"]) & BOUND:
        gdb.write("see `info threads`\n")
    elif state in (READY, WAITING) and int(t["sp"]):
        backtrace_parked(t)
    elif state == RUNNING:
        c = cpu_of(rt, t)
        if c is not None:
            backtrace_running(int(c["worker"]["tid"]))


class InfoMn(gdb.Command):
    """Lists the green threads of libmn."""

    def __init__(self):
        super().__init__("info mn", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        rt = runtime()
        n = 0
        for t in threads():
            gdb.write(describe(rt, t) + "\n")
            n += 1
        gdb.write("%d threads\n" % n)


class Mn(gdb.Command):
    """Green threads of libmn: mn bt ID, mn all-bt; info mn."""

    def __init__(self):
        super().__init__("mn", gdb.COMMAND_STACK, prefix=True)


class MnBt(gdb.Command):
    """The backtrace of a green thread: mn bt ID.  ID is a number of `info mn`, or an mn_thread."""

    def __init__(self):
        super().__init__("mn bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("mn bt ID")
        rt = runtime()
        backtrace(rt, find(argument))


class MnAllBt(gdb.Command):
    """The backtraces of all green threads."""

    def __init__(self):
        super().__init__("mn all-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        rt = runtime()
        for t in threads():
            backtrace(rt, t)
            gdb.write("\n")


InfoMn()
Mn()
MnBt()
MnAllBt()
