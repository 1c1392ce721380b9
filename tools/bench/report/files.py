"""Writes runs and ratios as CSV."""

import csv
from typing import List

from tools.bench.driver.model import Run
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
