"""All reports of one measurement: files into a folder, text for a terminal."""

import os
from typing import List

from tools.bench.driver.model import Measurement
from tools.bench.report import curves, events, files, saved, sections, tables
from tools.bench.report.report import Report


def _terminal_text(report: Report, colour: bool) -> str:
    parts = []
    for comparison in report.comparisons:
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
    if report.workloads:
        part = report.workloads
        latency = tables.latency_rows(part.runs, part.allocators)
        if len(latency) > 1:
            parts.append("Latency, ns\n" + tables.terminal(latency))
    if report.limits:
        parts.append(tables.terminal(tables.limit_rows(report.limits)))
    for key, lines in report.series.items():
        title = "%s over %s, %s\n" % key
        parts.append(title + tables.terminal(curves.rows_of(lines)))
    if report.events:
        parts.append(tables.terminal(events.rows(report.events)))
    failures = tables.failure_rows(report.failures())
    if len(failures) > 1:
        parts.append("Failed\n" + tables.terminal(failures))
    return "\n".join(parts)


def draw(folder: str, report: Report, drawing) -> List[str]:
    """Draws what there is to draw; the names of the pictures.

    `drawing` is the module that draws, or None.
    """
    pictures = []
    comparisons = report.comparisons
    # There is nothing to draw of a single allocator.
    if drawing and comparisons and comparisons[0].peers and comparisons[0].jobs:
        pictures.append(drawing.overview(folder, comparisons))
        pictures.append(drawing.details(folder, comparisons))
    if drawing and report.series:
        name = drawing.curves(folder, report.series, report.subject)
        pictures.append(name)
    return pictures


def _write_markdown(path: str, report: Report, pictures: List[str]) -> None:
    parts = ["# Benchmarks\n"]
    if report.workloads:
        parts.append(sections.convention(report))
    parts += ["![%s](%s)\n" % (name.split(".")[0], name) for name in pictures]
    parts.append(sections.write(sections.everything(report), 2))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


def write_all(
    folder: str, measurement: Measurement, drawing, colour: bool
) -> str:
    """Writes every file and returns the tables for the terminal."""
    report = Report(measurement)
    saved.save(os.path.join(folder, saved.NAME), measurement)
    pictures = draw(folder, report, drawing)
    if report.workloads:
        runs = report.workloads.runs
        files.write_runs(os.path.join(folder, "runs.csv"), runs)
        ratios = os.path.join(folder, "ratios.csv")
        files.write_ratios(ratios, report.comparisons)
    if report.series:
        curves.write_csv(os.path.join(folder, "curves.csv"), report.series)
    if report.events:
        events.write_csv(os.path.join(folder, "events.csv"), report.events)
    path = os.path.join(folder, "results.md")
    _write_markdown(path, report, pictures)
    return _terminal_text(report, colour)
