"""The jobs: pthread functions, which every 1:1 model provides; those of green threads are in mn_jobs.py, proc_jobs.py and echo_jobs.py."""
from echo_jobs import ECHO_JOBS
from job import FunctionJob, ProgramJob
from mn_jobs import MN_JOBS
from pigz_file import measure_pigz
from proc_jobs import PROC_JOBS
from redis_ops import measure_redis


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
    for kind, about, n in (("shared", "a process-shared mutex", 4), ("robust", "a robust mutex", 4),
                           ("inherit", "a priority-inheriting mutex", 2), ("inherit", "the same", 4)):
        jobs.append(ProgramJob(
            "mutex_%s_%d" % (kind, n), "lock+unlock of %s that %d threads want" % (about, n), "mutex_contended",
            ["--threads", str(n), "--" + kind], share=True, two_cpus=True))
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
    ProgramJob("rwlock_read_2", "rdlock+unlock by 2 readers", "rwlock", ["--threads", "2"], bar=0.8,
               two_cpus=True),
    ProgramJob("rwlock_mixed_2", "the same, a tenth of them for writing", "rwlock",
               ["--threads", "2", "--writes", "100"], two_cpus=True),
    ProgramJob("rwlock_mixed_4", "the same by 4 threads", "rwlock", ["--threads", "4", "--writes", "100"],
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
    *MN_JOBS,
    *PROC_JOBS,
    *ECHO_JOBS,
]
