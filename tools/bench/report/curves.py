"""Growth curves as CSV, Markdown and pictures.

Two figures for each point: nanoseconds of wall time a call, and, where the
workload tells how many bytes were alive, peak RSS a live byte. What a process
has before the work is subtracted, but the same for all: that of the allocator
with the least, since what an allocator takes in advance is its own affair.
"""

import csv
import os
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


def _write_csv(path: str, all_series: Series) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["workload", "over", "figure", "allocator", "point", "value"]
        )
        for key, lines in all_series.items():
            for name, line in lines.items():
                for point, value in line:
                    writer.writerow([*key, name, point, value])


def write_all(
    folder: str,
    runs: List[Run],
    jobs: List[Job],
    allocators: List[Allocator],
    subject: str,
    drawing,
) -> str:
    """Writes everything and returns the tables as text for the terminal.

    `drawing` is the module that draws, or None.
    """
    all_series = series(runs, jobs, allocators)
    if not all_series:
        return "no point was measured\n"
    _write_csv(os.path.join(folder, "curves.csv"), all_series)
    parts = ["# Growth curves\n", "Lower is better; flat is the goal.\n"]
    if drawing:
        picture = drawing.curves(folder, all_series, subject)
        parts.append("![curves](%s)\n" % picture)
    text = []
    for (workload, over, name), lines in all_series.items():
        rows = rows_of(lines)
        title = "%s over %s, %s" % (workload, over, name)
        parts.append("## %s\n\n%s" % (title, tables.markdown(rows)))
        text.append("%s\n%s" % (title, tables.terminal(rows)))
    failures = tables.failure_rows(runs)
    if len(failures) > 1:
        parts.append("## Runs that failed\n\n" + tables.markdown(failures))
        text.append(tables.terminal(failures))
    path = os.path.join(folder, "curves.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))
    return "\n".join(text)
