"""All reports of one measurement: files into a folder, text for a terminal."""

import os
from typing import List

from tools.bench.driver import patterns
from tools.bench.driver.model import Allocator, Job, Run
from tools.bench.report import files, summary, tables


def _terminal_text(
    runs: List[Run],
    allocators: List[Allocator],
    comparisons: List[summary.Comparison],
    limits,
    colour: bool,
) -> str:
    parts = []
    for comparison in comparisons:
        rows = tables.comparison_rows(comparison)
        if len(rows) > 1:
            parts.append(
                "%s: %s divided by the other's; below 1 it is better\n%s"
                % (
                    comparison.metric.title,
                    comparison.subject,
                    tables.terminal(rows, colour),
                )
            )
    latency = tables.latency_rows(runs, allocators)
    if len(latency) > 1:
        parts.append("Latency, ns\n" + tables.terminal(latency))
    if limits:
        parts.append(tables.terminal(tables.limit_rows(limits)))
    failures = tables.failure_rows(runs)
    if len(failures) > 1:
        parts.append("Failed\n" + tables.terminal(failures))
    return "\n".join(parts)


def write_all(
    folder: str,
    runs: List[Run],
    jobs: List[Job],
    allocators: List[Allocator],
    subject: str,
    time_metric: summary.Metric,
    drawing,
    colour: bool,
) -> str:
    """Writes every file and returns the tables for the terminal.

    `drawing` is the module that draws, or None.
    """
    comparisons = [
        summary.compare(runs, jobs, allocators, subject, metric)
        for metric in (time_metric, summary.PEAK, summary.FINAL)
    ]
    limits = summary.limit_ratios(runs, patterns.LIMIT_OF, patterns.LIMIT_JOB)
    pictures = []
    # There is nothing to draw of a single allocator.
    if drawing and comparisons[0].peers and comparisons[0].jobs:
        pictures.append(drawing.overview(folder, comparisons))
        pictures.append(drawing.details(folder, comparisons))
    files.write_runs(os.path.join(folder, "runs.csv"), runs)
    files.write_ratios(os.path.join(folder, "ratios.csv"), comparisons)
    files.write_markdown(
        os.path.join(folder, "results.md"),
        jobs,
        allocators,
        runs,
        comparisons,
        limits,
        pictures,
    )
    return _terminal_text(runs, allocators, comparisons, limits, colour)
