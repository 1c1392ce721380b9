"""The pictures, drawn by matplotlib.

`overview`: a column of dots for each peer, a dot for each workload, and the
geometric mean as a bar; what is above the line is lost, in red, and the worst
are named. `details`: every ratio as a number on a colour between blue (better
than the peer) and red (worse), the same distance for the same factor.
`curves`: a line for each allocator, the subject's in black.
"""

import math
import os
from typing import List

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "memalloc"

from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from tools.bench.driver.model import PATTERN, PROGRAM, Job
from tools.bench.report import summary, tables
from tools.bench.report.curves import Series
from tools.bench.report.summary import Comparison

BETTER = "#2166ac"
WORSE = "#b2182b"
TIED = "#8c8c8c"

_FORMATS = ("svg", "png")
_FARTHEST = 6.0  # Factors beyond are drawn at the edge of the overview.
_COARSE = (0.125, 0.25, 0.5, 1, 2, 4, 8)  # Marks of an axis of factors.
_FINE = (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.4, 1.7, 2)
_NAMED = 3  # Worst dots that are named, a peer.


def _colour(ratio: float) -> str:
    if ratio > 1 + tables.TIE:
        return WORSE
    return BETTER if ratio < 1 - tables.TIE else TIED


def _save(figure, folder: str, name: str) -> str:
    for extension in _FORMATS:
        figure.savefig(
            os.path.join(folder, "%s.%s" % (name, extension)),
            dpi=130,
            bbox_inches="tight",
            # The same figures give the same file.
            metadata={"Date": None} if extension == "svg" else None,
        )
    pyplot.close(figure)
    return name + ".svg"


def _factor_axis(axis) -> None:
    """A logarithmic axis that is labelled in plain factors."""
    axis.set_major_formatter(FuncFormatter(lambda v, _: "%g" % v))
    axis.set_minor_formatter(NullFormatter())


def _of_kinds(comparison: Comparison, kinds) -> List[Job]:
    return [job for job in comparison.jobs if job.kind in kinds]


def _reach(comparison: Comparison, jobs: List[Job]) -> float:
    """How far the axis goes from 1, up as well as down, so that a loss looks
    as large as a win of the same factor."""
    cells = [
        comparison.cell(job.name, peer)
        for job in jobs
        for peer in comparison.peers
    ]
    far = [max(c.ratio, 1 / c.ratio) for c in cells if c.known]
    return min(_FARTHEST, 1.15 * max([1.3] + far))


def _dots(axes, place: int, reach: float, known) -> None:
    """A column of dots, of sorted (ratio, name)."""
    for number, (ratio, _) in enumerate(known):
        # Sideways a little, so that equal dots do not hide each other.
        offset = ((number * 7) % 11 - 5) / 30
        shown = min(max(ratio, 1 / reach), reach)
        # Beyond the axis: an arrow at its edge.
        marker = "o" if shown == ratio else "^" if ratio > 1 else "v"
        axes.plot(
            place + offset,
            shown,
            marker,
            color=_colour(ratio),
            markersize=4,
            clip_on=False,
        )
    _name_worst(axes, place, reach, known)
    mean = summary.geometric_mean([ratio for ratio, _ in known])
    if not math.isnan(mean):
        axes.plot([place - 0.4, place + 0.4], [mean, mean], "k-", lw=2)
        axes.annotate(
            "%.2f" % mean,
            (place, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )


def _name_worst(axes, place: int, reach: float, known) -> None:
    """Names the worst losses, as far as the names do not overlap."""
    last = math.inf
    for ratio, job in reversed(known[-_NAMED:]):
        shown = min(ratio, reach)
        if ratio <= 1 + tables.TIE or shown > last / reach**0.1:
            continue
        last = shown
        axes.annotate(
            job,
            (place, shown),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=WORSE,
        )


def _panel(axes, comparison: Comparison, jobs: List[Job]) -> None:
    axes.set_yscale("log", base=2)
    axes.axhline(1, color="black", linewidth=0.8)
    reach = _reach(comparison, jobs)
    axes.yaxis.set_major_locator(FixedLocator(_FINE if reach < 2 else _COARSE))
    _factor_axis(axes.yaxis)
    axes.set_ylim(1 / reach, reach)
    for place, peer in enumerate(comparison.peers):
        cells = [(comparison.cell(job.name, peer), job.name) for job in jobs]
        known = sorted((c.ratio, name) for c, name in cells if c.known)
        _dots(axes, place, reach, known)
    axes.set_xlim(-0.6, len(comparison.peers) - 0.4)
    axes.set_xticks(range(len(comparison.peers)))
    axes.set_xticklabels(comparison.peers, rotation=30, ha="right")
    axes.set_ylabel("%s ÷ the other" % comparison.subject)
    axes.grid(axis="y", alpha=0.3)


def overview(folder: str, comparisons: List[Comparison]) -> str:
    time, peak = comparisons[:2]
    panels = [
        ("%s, patterns" % time.metric.title, time, (PATTERN,)),
        ("%s, whole programs" % time.metric.title, time, (PROGRAM,)),
        (peak.metric.title, peak, (PATTERN, PROGRAM)),
    ]
    panels = [panel for panel in panels if _of_kinds(panel[1], panel[2])]
    width = len(panels) * (1.6 + 0.85 * len(time.peers))
    figure, all_axes = pyplot.subplots(
        1,
        len(panels),
        figsize=(width, 5.5),
        squeeze=False,
        layout="constrained",
    )
    for axes, (title, comparison, kinds) in zip(all_axes[0], panels):
        _panel(axes, comparison, _of_kinds(comparison, kinds))
        axes.set_title(title, pad=14)
    figure.suptitle(
        "A dot is a workload; bar and number are the geometric mean. Below the"
        " line (blue) %s is better, above it (red) worse." % time.subject,
        fontsize=10,
    )
    return _save(figure, folder, "overview")


def _means(comparison: Comparison, kind: str) -> List[float]:
    return [
        summary.mean_over(comparison, peer, kind)[0]
        for peer in comparison.peers
    ]


def _grid(axes, comparison: Comparison, with_names: bool) -> None:
    rows = [
        ("geomean, " + title, _means(comparison, kind), None)
        for kind, title in tables.KINDS
    ]
    means = len(rows)
    for job in comparison.jobs:
        cells = [comparison.cell(job.name, peer) for peer in comparison.peers]
        rows.append((job.name, [cell.ratio for cell in cells], cells))
    axes.set_facecolor("#d9d9d9")
    values = [
        [math.log2(r) if not math.isnan(r) else math.nan for r in ratios]
        for _, ratios, _ in rows
    ]
    axes.imshow(values, cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="auto")
    for y, (_, ratios, cells) in enumerate(rows):
        for x, ratio in enumerate(ratios):
            text = tables.ratio_text(ratio)
            if cells and cells[x].failure:
                text = "failed"
            far = not math.isnan(ratio) and abs(math.log2(ratio)) > 0.9
            axes.text(
                x,
                y,
                text,
                ha="center",
                va="center",
                fontsize=7,
                fontweight="bold" if y < means else "normal",
                color="white" if far else "black",
            )
    axes.axhline(means - 0.5, color="black", linewidth=1.5)
    axes.set_xticks(range(len(comparison.peers)))
    axes.set_xticklabels(comparison.peers, rotation=35, ha="left")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([name for name, _, _ in rows] if with_names else [])
    axes.tick_params(labelsize=8, length=0)
    axes.set_title(comparison.metric.title)


def details(folder: str, comparisons: List[Comparison]) -> str:
    rows = 2 + len(comparisons[0].jobs)
    width = 2 + len(comparisons) * (0.8 + 0.62 * len(comparisons[0].peers))
    figure, all_axes = pyplot.subplots(
        1,
        len(comparisons),
        figsize=(width, 1.8 + 0.23 * rows),
        squeeze=False,
        layout="constrained",
    )
    for place, comparison in enumerate(comparisons):
        # All have the same rows: named once.
        _grid(all_axes[0][place], comparison, with_names=place == 0)
    figure.suptitle(
        "%s ÷ the other allocator: blue and below 1, %s is better; red and"
        " above 1, worse" % (comparisons[0].subject, comparisons[0].subject),
        fontsize=10,
    )
    return _save(figure, folder, "details")


def curves(folder: str, all_series: Series, subject: str) -> str:
    columns = min(3, len(all_series))
    height = -(-len(all_series) // columns)
    figure, grid = pyplot.subplots(
        height,
        columns,
        figsize=(5 * columns, 3.6 * height),
        squeeze=False,
        layout="constrained",
    )
    places = [axes for line in grid for axes in line]
    for axes in places[len(all_series) :]:
        axes.set_visible(False)
    for axes, (key, lines) in zip(places, all_series.items()):
        workload, over, name = key
        for allocator, line in lines.items():
            own = allocator == subject
            axes.plot(
                [point for point, _ in line],
                [value for _, value in line],
                marker="o",
                markersize=4,
                label=allocator,
                linewidth=2.8 if own else 1.2,
                color="black" if own else None,
                zorder=3 if own else 2,
            )
        axes.set_xscale("log", base=2 if over == "threads" else 10)
        if over == "threads":
            _factor_axis(axes.xaxis)
        axes.set_ylim(bottom=0)
        axes.set_title("%s: %s" % (workload, name), fontsize=10)
        axes.set_xlabel("threads" if over == "threads" else "live objects")
        axes.grid(alpha=0.3)
    places[0].legend(fontsize=8)
    return _save(figure, folder, "curves")
