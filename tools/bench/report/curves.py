"""Growth curves as tables and CSV.

Two figures for each point: nanoseconds of wall time a call, and, where the
workload tells how many bytes were alive, peak RSS a live byte. What a process
has before the work is subtracted, but the same for all: that of the allocator
with the least, since what an allocator takes in advance is its own affair.
"""

import csv
import statistics
from typing import Dict, List, Tuple

from tools.bench.driver.model import Allocator, Job, Run
from tools.bench.report import tables

TIME = "ns a call"
MEMORY = "RSS a live byte"

# (workload, curve, figure) -> allocator -> [(point, value)].
Series = Dict[Tuple[str, str, str], Dict[str, List[Tuple[int, float]]]]


def _at_start(runs: List[Run]) -> Dict[str, float]:
    """For each job, the least RSS that a process had before the work."""
    least: Dict[str, float] = {}
    for run in runs:
        start = run.extra.get("start_rss_kib")
        if start is not None:
            least[run.job] = min(start, least.get(run.job, start))
    return least


def _figures(run: Run, start_rss_kib: float) -> Dict[str, float]:
    figures = {TIME: 1e9 * run.seconds / run.ops}
    live = run.extra.get("live_bytes", 0)
    if live:
        figures[MEMORY] = 1024 * (run.peak_rss_kib - start_rss_kib) / live
    return figures


def series(
    runs: List[Run], jobs: List[Job], allocators: List[Allocator]
) -> Series:
    """Medians over the rounds; failed points are missing from their line."""
    at_start = _at_start(runs)
    collected: Dict[Tuple[str, str], Dict[str, List[float]]] = {}
    for run in runs:
        if run.failure:
            continue
        of_pair = collected.setdefault((run.job, run.allocator), {})
        start = at_start.get(run.job, 0)
        for name, value in _figures(run, start).items():
            of_pair.setdefault(name, []).append(value)
    result: Series = {}
    for job in jobs:
        for allocator in allocators:
            figures = collected.get((job.name, allocator.name), {})
            for name, values in figures.items():
                lines = result.setdefault((job.workload, job.curve, name), {})
                line = lines.setdefault(allocator.name, [])
                line.append((job.point, statistics.median(values)))
    return result


def rows_of(lines: Dict[str, List[Tuple[int, float]]]) -> tables.Rows:
    points = sorted({point for line in lines.values() for point, _ in line})
    rows = [[""] + [str(point) for point in points]]
    for name, line in lines.items():
        values = dict(line)
        rows.append(
            [name]
            + ["%.4g" % values[p] if p in values else "-" for p in points]
        )
    return rows


def write_csv(path: str, all_series: Series) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["workload", "over", "figure", "allocator", "point", "value"]
        )
        for key, lines in all_series.items():
            for name, line in lines.items():
                for point, value in line:
                    writer.writerow([*key, name, point, value])
