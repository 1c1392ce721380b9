"""The tables, as rows of text, and how they look on a terminal and in
Markdown. Both show the same rows, so that neither can hide a loss.
"""

import math
from typing import Dict, List, Tuple

from tools.bench.driver.model import PATTERN, PROGRAM, Allocator, Run
from tools.bench.report import summary
from tools.bench.report.summary import Cell, Comparison

Rows = List[List[str]]  # The first is the heading.

KINDS = ((PATTERN, "patterns"), (PROGRAM, "programs"))
PERCENTILES = ("p50", "p99", "p999", "max")

# A ratio within this of 1 is a tie, not a win or a loss.
TIE = 0.05


def ratio_text(ratio: float) -> str:
    return "-" if math.isnan(ratio) else "%.2f" % ratio


def cell_text(cell: Cell) -> str:
    if cell.failure:
        return cell.failure.split(":")[0].split(" (")[0][:18]
    if not cell.known:
        return "-"
    return "%s ±%.0f%%" % (ratio_text(cell.ratio), 100 * cell.spread)


def comparison_rows(comparison: Comparison) -> Rows:
    unit = comparison.metric.unit
    rows = [
        ["", "%s, %s" % (comparison.subject, unit)]
        + list(comparison.peers)
        + ["the best"]
    ]
    for job in comparison.jobs:
        cells = [comparison.cell(job.name, peer) for peer in comparison.peers]
        own = comparison.absolute.get((job.name, comparison.subject))
        if own is None and not any(cell.failure for cell in cells):
            continue  # This metric is not known for this job.
        best = summary.against_best(comparison, job.name)
        rows.append(
            [job.name, "failed" if own is None else "%.3g" % own]
            + [cell_text(cell) for cell in cells]
            + ["%s %s" % (ratio_text(best[1]), best[0]) if best else "-"]
        )
    for kind, title in KINDS:
        means = [
            summary.mean_over(comparison, peer, kind)
            for peer in comparison.peers
        ]
        if not any(used for _, used, _ in means):
            continue
        texts = []
        for mean, used, total in means:
            text = ratio_text(mean)
            # Rows that failed are not in the mean: say so.
            if 0 < used < total:
                text += " (%d/%d)" % (used, total)
            texts.append(text)
        rows.append(["geomean, " + title, ""] + texts + [""])
    return rows


def mean_rows(comparisons: List[Comparison]) -> Rows:
    """One row a peer: the geometric means by metric and kind."""
    columns = [
        (comparison, kind, "%s, %s" % (comparison.metric.title, title))
        for comparison in comparisons
        for kind, title in KINDS
    ]
    columns = [
        column
        for column in columns
        if any(
            summary.mean_over(column[0], peer, column[1])[1]
            for peer in column[0].peers
        )
    ]
    rows = [["%s vs" % comparisons[0].subject] + [c[2] for c in columns]]
    for peer in comparisons[0].peers:
        means = [summary.mean_over(c, peer, kind)[0] for c, kind, _ in columns]
        rows.append([peer] + [ratio_text(mean) for mean in means])
    return rows


def losses(comparison: Comparison) -> List[Tuple[float, str, str]]:
    """(ratio, job, rival) where the best rival is ahead, worst first."""
    found = []
    for job in comparison.jobs:
        best = summary.against_best(comparison, job.name)
        if best and best[1] > 1 + TIE:
            found.append((best[1], job.name, best[0]))
    return sorted(found, reverse=True)


def score(comparison: Comparison) -> Tuple[int, int, int]:
    """On how many rows the subject is ahead of, level with and behind the best
    rival. Where it failed, it is behind."""
    ahead = level = behind = 0
    for job in comparison.jobs:
        best = summary.against_best(comparison, job.name)
        if best:
            ahead += best[1] < 1 - TIE
            level += 1 - TIE <= best[1] <= 1 + TIE
            behind += best[1] > 1 + TIE
        elif (job.name, comparison.subject) not in comparison.absolute:
            behind += 1
    return ahead, level, behind


def latency_rows(runs: List[Run], allocators: List[Allocator]) -> Rows:
    names = [
        "%s_%s_ns" % (call, percentile)
        for call in ("malloc", "free")
        for percentile in PERCENTILES
    ]
    medians = summary.medians_of_extra(runs, names)
    rows = [["", ""] + [name[:-3].replace("_", " ") for name in names]]
    jobs = list(dict.fromkeys(job for job, _ in medians))
    for job in jobs:
        for allocator in allocators:
            figures = medians.get((job, allocator.name))
            if figures:
                rows.append(
                    [job, allocator.name]
                    + ["%.0f" % figures[name] for name in names]
                )
    return rows


def limit_rows(ratios: Dict[str, Tuple[float, float]]) -> Rows:
    rows = [["allocator", "time of `leak` over a bare bump pointer"]]
    for name, (ratio, spread) in sorted(ratios.items(), key=lambda i: i[1]):
        rows.append([name, "%.2f ±%.0f%%" % (ratio, 100 * spread)])
    return rows


def failure_rows(failed: List[Run]) -> Rows:
    rows = [["allocator", "workload", "what happened"]]
    for run in failed:
        rows.append([run.allocator, run.job, run.failure])
    return rows


def _is_loss(text: str) -> bool:
    return _starts_with_ratio(text) and float(text.split()[0]) > 1 + TIE


def _is_win(text: str) -> bool:
    return _starts_with_ratio(text) and float(text.split()[0]) < 1 - TIE


def _starts_with_ratio(text: str) -> bool:
    first = text.split()[0] if text.split() else ""
    return first.replace(".", "", 1).isdigit() and "." in first


def terminal(rows: Rows, colour: bool = False) -> str:
    """Columns that line up; with colour, wins are blue and losses red."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for number, row in enumerate(rows):
        texts = []
        for place, text in enumerate(row):
            padded = (
                text.ljust(widths[place])
                if place == 0
                else text.rjust(widths[place])
            )
            # The first two columns are names and absolute figures.
            if colour and number > 0 and place > 1:
                if _is_loss(text):
                    padded = "\033[31m" + padded + "\033[0m"
                elif _is_win(text):
                    padded = "\033[34m" + padded + "\033[0m"
            texts.append(padded)
        lines.append("  ".join(texts).rstrip())
        if number == 0:
            lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines) + "\n"


def markdown(rows: Rows, mark: bool = False, names: int = 2) -> str:
    """With `mark`, losses are bold; the first columns, `names` of them, hold
    names and absolute figures."""
    lines = []
    for number, row in enumerate(rows):
        texts = [text.replace("|", "\\|") for text in row]
        if mark and number > 0:
            texts = texts[:names] + [
                "**%s**" % text if _is_loss(text) else text
                for text in texts[names:]
            ]
        lines.append("| " + " | ".join(texts) + " |")
        if number == 0:
            align = ["---"] + ["---:"] * (len(row) - 1)
            lines.append("| " + " | ".join(align) + " |")
    return "\n".join(lines) + "\n"
