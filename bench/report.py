"""Statistics over rounds, and the ways to print them."""
import json
import os
import statistics

from models import BASELINE

RECORD_PROBE = 110  # ns: the probe of the machine that the records are from, which moved between 55 and 215


class Series:
    """The figures of one job under one model, by round; a round that failed is missing."""

    def __init__(self, job, model):
        self.job, self.model = job, model
        self.samples = {}  # round -> Sample
        self.probes = []   # ns, two a round; of jobs that need fresh memory, one
        self.trouble = None

    def values(self, key=None):
        if key is None:
            return [s.value for s in self.samples.values()]
        return [float(s.keys[key]) for s in self.samples.values() if key in s.keys]


def spread(values):
    """Half the distance between the quartiles, in percent of the median."""
    if len(values) < 3 or not statistics.median(values):
        return None
    q = statistics.quantiles(values, n=4, method="inclusive")
    return (q[2] - q[0]) / 2 / abs(statistics.median(values)) * 100


def paired_ratios(series, base):
    """The ratio within each round: both figures were taken one after the other."""
    return [s.value / base.samples[r].value for r, s in series.samples.items()
            if r in base.samples and base.samples[r].value > 0]


def within(job, value, bar):
    return value <= bar if job.better == "lower" else value >= bar


def limit(job, bar, unit=""):
    return "%s%g%s" % ("<=" if job.better == "lower" else ">=", round(bar, 3), unit)


def verdict(series, base):
    """(bar, whether it is met) or None."""
    job = series.job
    if series.model.name in job.bars and series.samples:
        most = job.bars[series.model.name]
        if callable(most):
            if not series.probes:
                return None
            most = most(statistics.median(series.probes))
        return limit(job, most, " " + job.unit), within(job, statistics.median(series.values()), most)
    if series.model.name != "1to1" or not series.samples:
        return None
    if job.most is not None:
        return "<=%g %s" % (job.most, job.unit), statistics.median(series.values()) <= job.most
    ratios = paired_ratios(series, base) if base else []
    if job.bar is None or not ratios:
        return None
    return "<=%g" % job.bar, statistics.median(ratios) <= job.bar


def share_verdict(series, base):
    """Whether the smallest share is what the job asks, or at most 0.1 below the baseline's; None: neither."""
    if series.job.fair and series.model.ours and series.samples:
        return statistics.median(series.values("share")) >= series.job.fair
    if not series.job.share or series.model.name != "1to1" or not series.samples:
        return None
    if not base or not base.samples:
        return None
    return statistics.median(series.values("share")) >= statistics.median(base.values("share")) - 0.1


def fastest(series):
    best = min if series[0].job.better == "lower" else max
    return best(series, key=lambda o: statistics.median(o.values()))


def against(series, others):
    """Ratios to models of the same run that are to be met."""
    got = []
    for mine, name, bar in series.job.against:
        other = next((o for o in others if o.model.name == name), None)
        ratios = paired_ratios(series, other) if other and series.model.name == mine else []
        if ratios:
            ratio = statistics.median(ratios)
            got.append({"model": name, "ratio": ratio, "bar": limit(series.job, bar),
                        "met": within(series.job, ratio, bar)})
    return {"against": got} if got else {}


def against_peers(series, others):
    """
    The keys of the report that compare with peers that had as many CPUs: the fastest one; and of those whose figure
    is on record, the fastest: bar / record is the ratio to it that the bar implies.
    """
    if not series.model.ours or not series.samples:
        return {}
    peers = [o for o in others if o.model.peer and o.model.set == series.model.set and paired_ratios(series, o)]
    if not peers:
        return {}
    best = fastest(peers)
    e = {"best_peer": best.model.name, "peer_ratio": statistics.median(paired_ratios(series, best))}
    bar = series.job.bars.get(series.model.name)
    if callable(bar):
        bar = bar(RECORD_PROBE)
    recorded = [o for o in peers if o.model.name in series.job.records]
    if bar and recorded:
        best = fastest(recorded)
        e["recorded_peer"] = best.model.name
        e["recorded_peer_ratio"] = statistics.median(paired_ratios(series, best))
        e["peer_bar"] = bar / series.job.records[best.model.name]
        e["peer_bar_met"] = e["recorded_peer_ratio"] <= e["peer_bar"]
    return e


def missed(e):
    """Whether a bar was missed: the one relative to a peer of the same run, where there is one, decides."""
    return (not e.get("peer_bar_met", e.get("bar_met", True)) or not e.get("share_bar_met", True)
            or not all(a["met"] for a in e.get("against", ())))


def entry(series, base, others=()):
    """One object of the JSON report.  others: all series of the job."""
    values = series.values()
    median = statistics.median(values)
    last = series.samples[max(series.samples)]
    e = {
        "job": series.job.name,
        "model": series.model.name,
        "unit": series.job.unit,
        "better": series.job.better,
        "median": median,
        "min": min(values),
        "max": max(values),
        "rounds": len(values),
        "command": last.command,
        "values": values,
        "spread_percent": spread(values),
    }
    ratios = paired_ratios(series, base) if base else []
    if ratios and series.job.most is None:
        e["ratio"], e["ratio_to"] = statistics.median(ratios), base.model.name
        e["ratio_min"], e["ratio_max"] = min(ratios), max(ratios)
        e["ratio_of_medians"] = median / statistics.median(base.values())
    if series.job.share and series.values("share"):
        shares = series.values("share")
        e["smallest_share"] = statistics.median(shares)
        e["smallest_share_min"], e["smallest_share_max"] = min(shares), max(shares)
    if series.probes:
        e["probe"] = {"unit": "ns", "median": statistics.median(series.probes), "min": min(series.probes),
                      "max": max(series.probes)}
    bar = verdict(series, base)
    if bar:
        e["bar"], e["bar_met"] = bar
    e.update(against_peers(series, others))
    e.update(against(series, others))
    fair = share_verdict(series, base)
    if fair is not None:
        e["share_bar_met"] = fair
    return e


def write_json(path, entries):
    text = json.dumps(entries, indent=1) + "\n"
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 100000:
        return "%.0f" % value
    return "%.4g" % value if abs(value) < 1000 else "%.1f" % value


HEADINGS = ("job", "model", "unit", "median", "min", "max", "+-%", "ratio", "(min-max)", "bar", "share",
            "best peer", "probe ns")
LEFT = (0, 1, 2)


def row(e):
    ratio = between = bar = share = peer = probe = ""
    if "ratio" in e:
        ratio = "%.3f" % e["ratio"]
        if e["model"] != e["ratio_to"]:
            between = "%.2f-%.2f" % (e["ratio_min"], e["ratio_max"])
    if "bar" in e:
        bar = e["bar"] + (" ok" if e["bar_met"] else " MISSED")
    if "smallest_share" in e:
        share = "%.2f" % e["smallest_share"] + ("" if e.get("share_bar_met", True) else " LOW")
    if "best_peer" in e:
        peer = "%s %.3f" % (e["best_peer"], e["peer_ratio"])
        if "peer_bar" in e:
            if e["recorded_peer"] != e["best_peer"]:
                peer += ", %s %.3f" % (e["recorded_peer"], e["recorded_peer_ratio"])
            peer += " (<=%.3f %s)" % (e["peer_bar"], "ok" if e["peer_bar_met"] else "MISSED")
    for a in e.get("against", ()):
        text = "%.3f (%s %s)" % (a["ratio"], a["bar"], "ok" if a["met"] else "MISSED")
        peer += "%s%s %s" % (", " if peer else "", a["model"], text)
    if "probe" in e:
        probe = "%.0f (%.0f-%.0f)" % (e["probe"]["median"], e["probe"]["min"], e["probe"]["max"])
    spread_percent = e["spread_percent"]
    return (e["job"], e["model"], e["unit"], number(e["median"]), number(e["min"]), number(e["max"]),
            "" if spread_percent is None else "%.1f" % spread_percent, ratio, between, bar, share,
            peer, probe)


NOTES = """median, min, max over rounds; +-%: half the distance of the quartiles.  ratio: median of the ratios
to libc, for echo jobs to the loop, of the same round (below 1 is better, except for ops/s, req/s, x).  share: the
smallest thread's part of the mean.  best peer: the fastest peer with as many CPUs and the ratio to it; of one on
record, what the bar implies; then what else has to be met, and the ratio that is asked.
probe: core-to-core latency one way, before and after each round; of jobs with a million stacks the first touch of
a page, before each program."""


def table(entries):
    rows = [HEADINGS]
    previous = None
    for e in entries:
        cells = row(e)
        rows.append(cells if e["job"] != previous else ("",) + cells[1:])
        previous = e["job"]
    used = [i for i in range(len(HEADINGS)) if i != HEADINGS.index("best peer") or any(r[i] for r in rows[1:])]
    rows = [tuple(r[i] for i in used) for r in rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(used))]
    lines = []
    for r in rows:
        cells = [c.ljust(w) if i in LEFT else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n\n" + NOTES + "\n"


def markdown(entries, command, machine):
    """A table for README.md: one row a job, one column a model."""
    names = list(dict.fromkeys(e["model"] for e in entries))
    others = [n for n in names if n != BASELINE and any(e.get("ratio_to") == BASELINE for e in entries if e["model"] == n)]
    head = ["job"] + ["%s" % n for n in names] + ["%s/%s" % (n, BASELINE) for n in others]
    lines = ["`%s` printed, on %s:" % (command, machine), "", "| " + " | ".join(head) + " |",
             "|" + "---|" + "---:|" * (len(head) - 1)]
    for job in dict.fromkeys(e["job"] for e in entries):
        by_model = {e["model"]: e for e in entries if e["job"] == job}
        cells = [job]
        for n in names:
            e = by_model.get(n)
            text = "%s %s" % (number(e["median"]), e["unit"]) if e else ""
            if e and "smallest_share" in e:
                text += " (share %.2f)" % e["smallest_share"]
            if e and e.get("ratio_to", n) not in (n, BASELINE):
                text += " (%.2f of %s)" % (e["ratio"], e["ratio_to"])
            cells.append(text)
        for n in others:
            e = by_model.get(n)
            cells.append("%.2f" % e["ratio"] if e and e.get("ratio_to") == BASELINE else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
