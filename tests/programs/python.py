"""Threads in every way that Python programs use them; the argument says which part.  Exit status 0: all right."""
import concurrent.futures as futures
import gc
import multiprocessing
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref


def run(target, count, *args):
    threads = [threading.Thread(target=target, args=(i,) + args) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread does not end"


def threads():
    lock, total, seen = threading.Lock(), [0], set()

    def add(i):
        for _ in range(2000):
            with lock:
                total[0] += 1
        seen.add(threading.get_native_id())

    run(add, 6)
    assert total[0] == 12000, total
    assert os.getpid() not in seen and seen, seen

    # A bounded queue (conditions with deadlines), a barrier, a semaphore, an event.
    items, got = queue.Queue(4), []

    def consume(i):
        while (item := items.get(timeout=20)) is not None:
            got.append(item)

    consumers = [threading.Thread(target=consume, args=(i,)) for i in range(3)]
    for thread in consumers:
        thread.start()
    for i in range(1000):
        items.put(i, timeout=20)
    for _ in consumers:
        items.put(None)
    for thread in consumers:
        thread.join()
    assert sorted(got) == list(range(1000))

    barrier, event, room = threading.Barrier(3), threading.Event(), threading.Semaphore(1)
    turns = []

    def meet(i):
        for turn in range(20):
            with room:
                turns.append(turn)
            barrier.wait(20)
        assert event.wait(20)

    timer = threading.Timer(0.1, event.set)
    timer.start()
    run(meet, 3)
    assert turns == sorted(turns) and len(turns) == 60
    assert not threading.Lock().acquire() is False
    held = threading.Lock()
    held.acquire()
    start = time.monotonic()
    assert not held.acquire(timeout=0.1)
    assert 0.09 < time.monotonic() - start < 5


def pools():
    with futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: n * n, range(500))) == [n * n for n in range(500)]
        failing = pool.submit(lambda: 1 // 0)
        assert isinstance(failing.exception(20), ZeroDivisionError)
        done, _ = futures.wait([pool.submit(pow, 2, i) for i in range(50)], timeout=20)
        assert len(done) == 50
    with futures.ThreadPoolExecutor(4, initializer=lambda: time.sleep(0.01)) as pool:
        hashes = list(pool.map(lambda b: __import__("hashlib").sha256(b * 100000).hexdigest(), [b"a", b"b"] * 20))
    assert len(set(hashes)) == 2


def names():
    found = []

    def look(i):
        for _ in range(20):
            found.append(socket.getaddrinfo("localhost", 80 + i, type=socket.SOCK_STREAM)[0][4][1])
            socket.getaddrinfo("127.0.0.1", i)
            try:
                socket.getaddrinfo("no-such-name.invalid", 1, flags=socket.AI_NUMERICHOST)
            except socket.gaierror:
                found.append(0)

    run(look, 8)
    assert len(found) == 320 and found.count(0) == 160, found
    assert sorted(set(found) - {0}) == list(range(80, 88))


def fork():
    stop, lock, counts = threading.Event(), threading.Lock(), [0] * 4

    def busy(i):
        while not stop.is_set():
            with lock:
                counts[i] += 1
            bytearray(1000 + counts[i] % 5000)

    threads = [threading.Thread(target=busy, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(12):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    signal.alarm(30)
                    assert threading.active_count() == 1
                    results = []
                    run(lambda i: results.append(bytes(100000 * i)), 4)
                    status = 40 + len(results)
                finally:
                    os._exit(status)
            _, status = os.waitpid(pid, 0)
            assert os.waitstatus_to_exitcode(status) == 44, status

        # A fork by a thread that is not main: it becomes main in the child.
        outcome = []

        def forker(i):
            pid = os.fork()
            if pid == 0:
                signal.alarm(30)
                ok = threading.current_thread() is threading.main_thread()
                run(lambda j: None, 2)
                os._exit(7 if ok else 8)
            outcome.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        run(forker, 4)
        assert outcome == [7] * 4, outcome
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(counts)


def square(n):
    return n * n


def counting(n):
    with counter.get_lock():
        counter.value += n
    return threading.get_ident() != 0


def share(shared):
    global counter
    counter = shared


def multiprocessing_():
    context = multiprocessing.get_context("fork")
    counter_ = context.Value("i", 0)
    with context.Pool(3, share, (counter_,)) as pool:
        assert pool.map(square, range(200)) == [n * n for n in range(200)]
        assert all(pool.map(counting, [1] * 100))
    assert counter_.value == 100
    messages = context.Queue()
    children = [context.Process(target=messages.put, args=(i,)) for i in range(4)]
    for child in children:
        child.start()
    assert sorted(messages.get(timeout=20) for _ in children) == [0, 1, 2, 3]
    for child in children:
        child.join(20)
        assert child.exitcode == 0, child
    gate = context.Semaphore(0)
    child = context.Process(target=gate.release)
    child.start()
    assert gate.acquire(timeout=20)
    child.join()
    with futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert sum(pool.map(square, range(50))) == sum(n * n for n in range(50))


def subprocesses():
    outputs = {}

    def start(i):
        for turn in range(5):
            text = subprocess.run(["/bin/echo", "%d.%d" % (i, turn)], stdout=subprocess.PIPE, check=True).stdout
            outputs[i, turn] = text.decode().strip()

    run(start, 6)
    assert outputs == {(i, turn): "%d.%d" % (i, turn) for i in range(6) for turn in range(5)}


def signals():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(threading.current_thread().name))
    worker_id = []
    stop = threading.Event()

    def sleeper():
        worker_id.append(threading.get_ident())
        stop.wait(20)

    thread = threading.Thread(target=sleeper)
    thread.start()
    while not worker_id:
        time.sleep(0.01)
    for _ in range(20):
        before = len(seen)
        signal.pthread_kill(worker_id[0], signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while len(seen) == before and time.monotonic() < deadline:
            time.sleep(0.001)
    assert seen == ["MainThread"] * 20, seen
    stop.set()
    thread.join()

    # Blocked everywhere, taken by a thread that waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    taken = []
    thread = threading.Thread(target=lambda: taken.append(signal.sigtimedwait([signal.SIGUSR2], 20)))
    thread.start()
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGUSR2)
    thread.join()
    assert taken[0].si_signo == signal.SIGUSR2

    # An alarm interrupts main's wait for a lock.
    class Rung(Exception):
        pass

    def ring(number, frame):
        raise Rung

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    held = threading.Lock()
    held.acquire()
    try:
        held.acquire(timeout=20)
        raise AssertionError("not interrupted")
    except Rung:
        pass


def local():
    class Value:
        pass

    mine, alive = threading.local(), []

    def work(i):
        mine.value = Value()
        mine.number = i
        alive.append(weakref.ref(mine.value))
        time.sleep(0.02)
        assert mine.number == i

    run(work, 8)
    gc.collect()
    assert [ref() for ref in alive] == [None] * 8, "values outlive their threads"
    assert not hasattr(mine, "number")


def daemon_threads():
    """The process ends while daemon threads run."""
    for i in range(4):
        threading.Thread(target=time.sleep if i % 2 else spin, args=(1000,), daemon=True).start()


def spin(seconds):
    while True:
        pass


def many():
    """Threads with small and with large stacks, one after another and many at once."""
    for size in (64 * 1024, 16 * 1024 * 1024, 0):
        threading.stack_size(size)
        run(lambda i: None, 100)
    gate = threading.Event()
    threading.stack_size(128 * 1024)
    threads = [threading.Thread(target=gate.wait) for _ in range(200)]
    for thread in threads:
        thread.start()
    assert threading.active_count() == 201
    tasks = len(os.listdir("/proc/self/task"))
    gate.set()
    for thread in threads:
        thread.join()
    assert tasks >= 201, tasks  # more: LWPs that wait for a next thread


part = sys.argv[1]
globals().get(part + "_", globals().get(part))()
