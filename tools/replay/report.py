"""What replays of one trace came to: as a table and as CSV."""

import csv
import os
import statistics
from typing import List

from tools.bench.driver.model import Run
from tools.bench.driver.traces import Plan

_MIB = 1 << 20
_CALLS = ("malloc", "calloc", "aligned", "realloc", "free", "sized free")
# Live memory below this share of its peak says little about fragmentation.
_LEAST_LIVE = 0.05


class Result:
    """The rounds of one allocator."""

    def __init__(self, allocator: str):
        self.allocator = allocator
        self.failure = ""
        self.rss_kib: List[int] = []  # At each sample, of the first round.
        self._runs: List[Run] = []

    def add(self, run: Run, rss_kib: List[int]) -> None:
        self.failure = self.failure or run.failure
        self._runs.append(run)
        self.rss_kib = self.rss_kib or rss_kib

    def median(self, figure: str) -> float:
        return statistics.median(getattr(run, figure) for run in self._runs)


def describe(plan: Plan) -> str:
    about = plan.about
    calls = [
        "%d %s" % (count, name)
        for name, count in zip(_CALLS, about["calls"])
        if count
    ]
    text = "%s: %d calls of %s (pid %d) in %d thread%s: %s\n" % (
        plan.name,
        sum(about["calls"]),
        about["program"],
        about["process_id"],
        about["threads"],
        "" if about["threads"] == 1 else "s",
        ", ".join(calls),
    )
    text += "live: %.2f MiB at the peak, %.2f MiB at the end" % (
        about["peak_live_bytes"] / _MIB,
        about["end_live_bytes"] / _MIB,
    )
    if not about["has_ended"]:
        text += "\nthe process did not end by exit: what it did last may be cut"
    for key, what in (
        ("unknown_pointers", "calls with pointers of unknown origin"),
        ("lost_ends", "allocations whose end was not recorded"),
        ("failed", "calls that failed when they were recorded"),
    ):
        if about[key]:
            text += "\nleft out or made up for: %d %s" % (about[key], what)
    return text


def fragmentation(plan: Plan, result: Result) -> List[float]:
    """RSS divided by live bytes at each sample, nan where little is alive."""
    least = _LEAST_LIVE * plan.about["peak_live_bytes"]
    return [
        rss * 1024 / live if live > least else float("nan")
        for rss, live in zip(result.rss_kib, plan.about["live_bytes"])
    ]


def table(plan: Plan, results: List[Result]) -> str:
    head = ("", "seconds", "CPU s", "peak MiB", "final MiB", "RSS/live")
    rows = [head]
    for result in results:
        if result.failure:
            rows.append((result.allocator, result.failure) + ("",) * 4)
            continue
        known = [f for f in fragmentation(plan, result) if f == f]
        rows.append(
            (
                result.allocator,
                "%.3f" % result.median("seconds"),
                "%.3f" % result.median("cpu_seconds"),
                "%.2f" % (result.median("peak_rss_kib") / 1024),
                "%.2f" % (result.median("final_rss_kib") / 1024),
                "%.2f" % statistics.mean(known) if known else "-",
            )
        )
    widths = [
        max(len(row[i]) for row in rows if i != 1 or not row[1][:1].isalpha())
        for i in range(len(head))
    ]
    widths[1] = max(widths[1], len(head[1]))
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write_csv(folder: str, plan: Plan, results: List[Result]) -> None:
    """Memory over time: a row for each sample."""
    path = os.path.join(folder, "memory.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        drawn = [result for result in results if result.rss_kib]
        writer.writerow(
            ["live_bytes"] + [r.allocator + "_rss_kib" for r in drawn]
        )
        for i, live in enumerate(plan.about["live_bytes"]):
            writer.writerow([live] + [r.rss_kib[i] for r in drawn])
