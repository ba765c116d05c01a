#!/usr/bin/env python3
"""The driver behind ./compare: runs every job under each model in interleaved rounds and prints a table.

doc/design/bench.md says why it measures the way it does.
"""
import argparse
import os
import platform
import shlex
import signal
import sys
import time

import models as all_models
import report
from jobs import JOBS
from running import Load, Run, Trouble

# What changes a library's behaviour: left to it, and shown.
SETTINGS = ("ODONATA_LWP", "ODONATA_DISABLE", "ODONATA_VERBOSE", "ODONATA_FAULT", "MN_CPUS", "MN_STACK",
            "MN_SLICE_US", "MN_SPIN_US", "MN_PIN", "MN_SHAKE", "MN_VERBOSE")
SRC = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def options():
    p = argparse.ArgumentParser(
        prog="compare", description="Runs the same work under every thread model and shows the difference.")
    p.add_argument("--quick", action="store_true",
                   help="short windows, few rounds: under three minutes for all jobs")
    p.add_argument("--json", metavar="FILE", help="also write the report there")
    p.add_argument("--markdown", action="store_true", help="print the table as README.md has it")
    p.add_argument("--list", action="store_true", help="print the jobs and models, run nothing")
    p.add_argument("--only", metavar="JOB", action="append", help="this job; may be given several times")
    p.add_argument("--model", metavar="NAME", action="append",
                   help="this model beside libc (or what else a job compares with) instead of all default ones; "
                   "may be given several times")
    p.add_argument("--peers", action="store_true",
                   help="also the runtimes from elsewhere; what Debian has of them is installed")
    p.add_argument("--vs-self", action="store_true", help="libc against libc: what equal models differ by")
    p.add_argument("--rounds", type=int, metavar="N", help="rounds (an odd number); 11, with --quick 5")
    p.add_argument("--seconds", type=float, metavar="S",
                   help="length of one figure's window; 0.3, with --quick 0.1")
    p.add_argument("--bars", action="store_true", help="exit code 1 if a bar is missed")
    p.add_argument("--build", default=os.path.join(SRC, "build"), help=argparse.SUPPRESS)
    args = p.parse_args()
    args.rounds = args.rounds or (5 if args.quick else 11)
    args.seconds = args.seconds or (0.1 if args.quick else 0.3)
    args.build = os.path.abspath(args.build)
    if args.rounds < 1 or args.seconds < 0.005:
        p.error("--rounds is at least 1, --seconds at least 0.005")
    for name in args.only or []:
        if name not in [j.name for j in JOBS]:
            p.error("no such job: %s (--list shows them)" % name)
    for name in args.model or []:
        if name not in [m.name for m in all_models.known()]:
            p.error("no such model: %s (--list shows them)" % name)
    return args


def show_list():
    print("jobs:")
    for job in JOBS:
        print("  %-26s %s" % (job.name, job.about))
    print("models:")
    for model in all_models.known():
        how = "" if model.default else " (with --peers)" if model.peer else " (with --model)"
        print("  %-26s %s%s" % (model.name, model.about, how))


def choose_models(args, jobs):
    """The models to measure, the baseline first.  A default one that is not built is left out, and said so."""
    if args.vs_self:
        wanted = [all_models.BASELINE, "libc-again"]
    elif args.model:
        wanted = [all_models.BASELINE] + args.model
        if args.peers:
            wanted += [m.name for m in all_models.known() if m.peer]
    else:
        wanted = None
    if wanted and not args.vs_self:
        wanted += [job.base for job in jobs]
    chosen = []
    for model in all_models.known():
        if model.name in wanted if wanted else model.default or (model.peer and args.peers):
            missing = model.locate(args.build)
            if missing and wanted:
                sys.exit("compare: model %s: %s" % (model.name, missing))
            if missing:
                print("model %s left out: %s" % (model.name, missing), file=sys.stderr)
            else:
                chosen.append(model)
    return chosen


def machine():
    cpu = "unknown CPU"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            cpu = next((s.partition(":")[2].strip() for s in f if s.startswith("model name")), cpu)
    except OSError:
        pass
    return "%d x %s, Linux %s, %s" % (len(os.sched_getaffinity(0)), cpu, platform.release().partition("-")[0],
                                      " ".join(platform.libc_ver()))


class Progress:
    """One status line that overwrites itself on a terminal; elsewhere a line for each job of each round."""

    def __init__(self, total):
        self.total, self.done = total, 0
        self.start = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def before(self, text):
        if self.terminal:
            left = ""
            if self.done:
                each = (time.monotonic() - self.start) / self.done
                left = ", about %.0f s to go" % (each * (self.total - self.done))
            sys.stderr.write("\r\033[K%s  (%d of %d figures%s)" % (text, self.done, self.total, left))
            sys.stderr.flush()

    def after(self, figures, text):
        self.done += figures
        if not self.terminal:
            print("%4d s  %3d%%  %s" % (time.monotonic() - self.start, 100 * self.done // self.total, text),
                  file=sys.stderr, flush=True)

    def trouble(self, text):
        sys.stderr.write("%s%s\n" % ("\r\033[K" if self.terminal else "", text))
        sys.stderr.flush()

    def end(self):
        if self.terminal:
            sys.stderr.write("\r\033[K")


def one_round(run, job, series, number, order, progress):
    """Every model once, one right after the other, between two probes."""
    title = "round %d  %s" % (number + 1, job.name)
    if not series:
        return
    before = run.probe()[0] if job.two_cpus else None
    for one in order:
        if one.trouble:
            continue
        progress.before("%s  %s" % (title, one.model.name))
        try:
            sample = job.measure(run, one.model)
        except Trouble as e:
            one.trouble = str(e)
            progress.trouble("FAILED  %s under %s: %s" % (job.name, one.model.name, e))
            continue
        if sample is not None:
            one.samples[number] = sample
            if job.fresh:
                one.probes.append(float(sample.keys["page"]))
    if job.two_cpus:
        after = run.probe()[0]
        for one in series:
            one.probes += [before, after]
    shown = ["%s %s" % (one.model.name, report.number(one.samples[number].value))
             for one in series if number in one.samples]
    progress.after(len(order), "%s  %s %s" % (title, ", ".join(shown), job.unit))


def measure(run, jobs, rounds, progress):
    """
    Rounds are the outer loop: a slow minute of the machine then costs each job a round, and not one job all of
    them.  Within a round the models follow each other directly, and take turns in who is first.
    """
    series = {job.name: [report.Series(job, model) for model in run.models if job.runs_under(model)]
              for job in jobs}
    for number in range(rounds):
        run.new_round()
        for job in jobs:
            if number < job.rounds_of(rounds, run.quick):
                order = series[job.name][::-1] if number % 2 else series[job.name]
                one_round(run, job, series[job.name], number, order, progress)
    return series


def main():
    args = options()
    if args.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads may have seen enough
        show_list()
        return 0
    jobs = [j for j in JOBS if not args.only or j.name in args.only]
    chosen = choose_models(args, jobs)
    run = Run(args.build, chosen, args.quick, args.seconds)
    words = sys.argv[1:]
    if "--build" in words:  # the script's addition
        at = words.index("--build")
        del words[at:at + 2]
    command = shlex.join(["./compare"] + words)
    settings = ["%s=%s" % (name, os.environ[name]) for name in SETTINGS if name in os.environ]
    print("%s\n%d round%s, %g s a figure; models: %s%s\n" % (
        machine(), args.rounds, "s"[args.rounds == 1:], args.seconds, ", ".join(m.name for m in chosen),
        "; " + " ".join(settings) if settings else ""), flush=True)

    run.steps_per_us = max(run.probe()[1] for _ in range(5))
    progress = Progress(sum(j.rounds_of(args.rounds, args.quick) * sum(map(j.runs_under, chosen))
                            for j in jobs))
    began, load = time.monotonic(), Load()
    series = measure(run, jobs, args.rounds, progress)
    progress.end()

    entries, troubles = [], []
    for job in jobs:
        base = next((s for s in series[job.name] if s.model.name == job.base and s.samples), None)
        for one in series[job.name]:
            if one.trouble:
                troubles.append("%s under %s: %s" % (job.name, one.model.name, one.trouble))
            elif one.samples:
                entries.append(report.entry(one, base, series[job.name]))
    if args.markdown:
        print(report.markdown(entries, command, machine()))
    else:
        print(report.table(entries))
    if args.json:
        report.write_json(args.json, entries)
    others, stolen = load.percent()
    print("%d s in all; other programs had %.1f%% of the CPU time, the host took %.1f%%%s" % (
        time.monotonic() - began, others, stolen,
        ": figures are off, measure on a quiet machine" if others + stolen > 5 else ""))
    for text in troubles:
        print("FAILED  " + text)
    missed = ["%s (%s)" % (e["job"], e["model"]) for e in entries if report.missed(e)]
    if args.bars and missed:
        print("bars missed: " + ", ".join(missed))
    return 1 if troubles or not entries or (args.bars and missed) else 0


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)  # what was started is then killed and waited for
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Trouble as trouble:
        sys.exit("compare: %s" % trouble)
