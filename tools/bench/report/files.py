"""Writes the results of a run into a folder: CSV, Markdown, pictures."""

import csv
import os
from typing import List

from tools.bench.driver.model import Allocator, Job, Run
from tools.bench.report import machine, tables
from tools.bench.report.summary import Comparison


def write_runs(path: str, runs: List[Run]) -> None:
    """Every single run, for those who want to compute something else."""
    extras = sorted({name for run in runs for name in run.extra})
    fields = ["round", "job", "allocator", "seconds", "cpu_seconds"]
    fields += ["peak_rss_kib", "final_rss_kib", "ops", "failure"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(fields + extras)
        for run in runs:
            row = [getattr(run, field) for field in fields]
            writer.writerow(row + [run.extra.get(name, "") for name in extras])


def write_ratios(path: str, comparisons: List[Comparison]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["metric", "kind", "job", "subject", "peer", "subject_median"]
            + ["peer_median", "ratio", "spread", "rounds", "failure"]
        )
        for comparison in comparisons:
            for job in comparison.jobs:
                for peer in comparison.peers:
                    cell = comparison.cell(job.name, peer)
                    if not cell.known and not cell.failure:
                        continue
                    writer.writerow(
                        [comparison.metric.key, job.kind, job.name]
                        + [comparison.subject, peer]
                        + [
                            comparison.absolute.get((job.name, name), "")
                            for name in (comparison.subject, peer)
                        ]
                        + (
                            [cell.ratio, cell.spread, cell.rounds, ""]
                            if cell.known
                            else ["", "", "", cell.failure]
                        )
                    )


def _section(title: str, text: str) -> str:
    return "## %s\n\n%s\n" % (title, text)


def _losses(comparison: Comparison) -> str:
    found = tables.losses(comparison)
    if not found:
        return "None: no rival is ahead by more than 5 % on any row.\n"
    rows = [["workload", "behind the best by", "the best"]]
    for ratio, job, rival in found:
        rows.append([job, "%.0f %%" % (100 * (ratio - 1)), rival])
    return tables.markdown(rows)


def _facts(pairs) -> str:
    return tables.markdown([["", ""]] + [list(pair) for pair in pairs])


def write_markdown(
    path: str,
    jobs: List[Job],
    allocators: List[Allocator],
    runs: List[Run],
    comparisons: List[Comparison],
    limits,
    pictures: List[str],
) -> None:
    time = comparisons[0]
    rounds = 1 + max((run.round for run in runs), default=0)
    parts = [
        "# Benchmarks\n",
        (
            "A ratio is %s's figure divided by the other allocator's, taken"
            " within a round where both ran one after the other; shown is the"
            " median of %d round(s) and half the range between the quartiles."
            " **Below 1 %s is better**; losses of more than 5 %% are bold.\n"
        )
        % (time.subject, rounds, time.subject),
    ]
    parts += ["![%s](%s)\n" % (name.split(".")[0], name) for name in pictures]
    means = tables.markdown(tables.mean_rows(comparisons), mark=False)
    parts.append(_section("Geometric means", means))
    losses = _losses(time)
    parts.append(_section("Where the best rival is ahead in time", losses))
    for comparison in comparisons:
        rows = tables.comparison_rows(comparison)
        if len(rows) > 1:
            text = tables.markdown(rows, mark=True)
            parts.append(_section(comparison.metric.title, text))
    latency = tables.latency_rows(runs, allocators)
    if len(latency) > 1:
        parts.append(
            _section("Latency of single calls, ns", tables.markdown(latency))
        )
    if limits:
        text = tables.markdown(tables.limit_rows(limits))
        parts.append(_section("The physical limit", text))
    failures = tables.failure_rows(runs)
    if len(failures) > 1:
        parts.append(_section("Runs that failed", tables.markdown(failures)))
    rows = [["workload", "what it is"]] + [[j.name, j.about] for j in jobs]
    parts.append(_section("The workloads", tables.markdown(rows)))
    parts.append(_section("The machine", _facts(machine.describe())))
    versions = _facts(machine.versions(allocators))
    parts.append(_section("The allocators", versions))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))
