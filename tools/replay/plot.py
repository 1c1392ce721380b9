"""Memory over time, drawn by matplotlib: what was alive and what each allocator
had for it, and below how much that was for each live byte."""

import os
from typing import List

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "memalloc"

from matplotlib import pyplot

from tools.bench.driver.traces import Plan
from tools.replay import report

_FORMATS = ("svg", "png")
_MIB = 1 << 20


def draw(folder: str, plan: Plan, results: List[report.Result]) -> None:
    live = plan.about["live_bytes"]
    calls = [sum(plan.about["calls"]) * (i + 1) / len(live)
             for i in range(len(live))]
    figure, (memory, ratio) = pyplot.subplots(
        2, sharex=True, figsize=(9, 6), height_ratios=(3, 2)
    )
    memory.fill_between(
        calls, [b / _MIB for b in live], color="0.85", label="live bytes"
    )
    for result in results:
        if not result.rss_kib:
            continue
        is_ours = result.allocator == "memalloc"
        style = {
            "color": "black" if is_ours else None,
            "linewidth": 2 if is_ours else 1.2,
        }
        memory.plot(
            calls,
            [kib / 1024 for kib in result.rss_kib],
            label=result.allocator,
            **style
        )
        ratio.plot(calls, report.fragmentation(plan, result), **style)
    memory.set_ylabel("MiB resident")
    memory.set_title("%s: memory over time" % plan.name)
    memory.legend(loc="best", frameon=False)
    memory.set_ylim(bottom=0)
    ratio.set_ylabel("resident / live")
    ratio.set_xlabel("calls")
    ratio.axhline(1, color="0.7", linewidth=0.8)
    ratio.set_ylim(bottom=0)
    for axes in (memory, ratio):
        axes.margins(x=0)
        axes.spines[["top", "right"]].set_visible(False)
    for extension in _FORMATS:
        figure.savefig(
            os.path.join(folder, "memory." + extension),
            dpi=110,
            bbox_inches="tight",
            # The same figures give the same file.
            metadata={"Date": None} if extension == "svg" else None,
        )
    pyplot.close(figure)
