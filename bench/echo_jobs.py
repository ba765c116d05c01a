"""The echo jobs: a server of each model on one CPU, under the load of bench/echo/load.c, which stays on another.

A program of a model is its server; the load starts it and prints the figures.
"""
import os
import resource

from job import ProgramJob


class EchoJob(ProgramJob):
    group = "echo"

    def __init__(self, name, about, prefix, connections, idle=0, bars=None, **more):
        args = ["--name", prefix, "--connections", str(connections), "--flight", "64"]
        if idle:
            args += ["--idle", str(idle)]
        self.descriptors = connections + idle + 64
        super().__init__(name, about, "load", args, seconds=2, base="loop", **more)
        self.bars = bars or {}  # see mn_jobs.py

    def runs_under(self, model):
        return (super().runs_under(model) and model.set != "all CPUs"
                and resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= self.descriptors)

    def argv(self, run, model):
        server = model.argv(self.group, "echo", [], run.build)
        if server is None:
            return None
        return [os.path.join(run.build, "bench/echo/load")] + self.arguments(run) + ["--"] + server


def echo(prefix, about, connections, quick_rounds, rounds=None, kept=0.9, **more):
    """The jobs of one load."""
    def job(suffix, what, unit, **bars):
        return EchoJob(prefix + suffix, what, prefix, connections, unit=unit, quick_rounds=quick_rounds,
                       rounds=rounds, **bars, **more)

    jobs = [
        job("", about + "; requests per CPU second of the server", "req/s", better="higher",
            against=[("mn-1", "loop", 0.92), ("mn-1", "go-1", 1.3)]),
        job("_p99", "the same; latency that 99 of 100 stay below", "us", against=[("mn-1", "loop", 1.1)]),
    ]
    if more.get("idle"):
        jobs += [
            job("_memory", "the same; memory of an idle connection in the server", "B", bars={"mn-1": 5120}),
            job("_kept", "the same; requests per CPU second, part of those without idle connections", "x",
                better="higher", bars={"mn-1": kept}),
        ]
    return jobs


ECHO_JOBS = [
    *echo("echo_1k", "64 requests on their way over 1,000 connections", 1000, quick_rounds=3),
    *echo("echo_10k", "64 requests on their way over 10,000 connections", 10000, quick_rounds=1, rounds=5),
    *echo("echo_idle_16k", "64 active connections among 16,000 idle ones", 64, idle=16000, quick_rounds=1, rounds=3),
    *echo("echo_idle_100k", "64 active connections among 100,000 idle ones, where so many descriptors are allowed", 64,
          idle=100000, quick_rounds=1, rounds=1),
]
