"""The sections of the reports in Markdown: each a title and its text."""

from typing import List, Tuple

from tools.bench.report import curves, events, machine, tables
from tools.bench.report.report import Report
from tools.bench.report.summary import Comparison

Section = Tuple[str, str]

_EVENTS = """\
How often, for a million operations, memalloc took its lock or wrote to a line
of the cache that other threads write too, counted from the process's start to
its end. `NAME@N` is the pattern with N threads. The goal is below %d in all
(0.1 %%), but for patterns whose objects all go from thread to thread; what is
above it has a `!`.

"""


def convention(report: Report) -> str:
    """How to read the ratios."""
    return (
        "A ratio is %s's figure divided by the other allocator's, taken"
        " within a round where both ran one after the other; shown is the"
        " median of %d round(s) and half the range between the quartiles."
        " **Below 1 %s is better**; losses of more than 5 %% are bold.\n"
    ) % (report.subject, report.rounds(), report.subject)


def losses(comparison: Comparison) -> str:
    found = tables.losses(comparison)
    if not found:
        return "None: no rival is ahead by more than 5 % on any row.\n"
    rows = [["workload", "behind the best by", "the best"]]
    for ratio, job, rival in found:
        rows.append([job, "%.0f %%" % (100 * (ratio - 1)), rival])
    return tables.markdown(rows)


def _facts(pairs) -> str:
    return tables.markdown([["", ""]] + [list(pair) for pair in pairs])


def _of_workloads(report: Report) -> List[Section]:
    time = report.comparisons[0]
    means = tables.markdown(tables.mean_rows(report.comparisons))
    sections = [
        ("Geometric means", means),
        ("Where the best rival is ahead in time", losses(time)),
    ]
    for comparison in report.comparisons:
        rows = tables.comparison_rows(comparison)
        if len(rows) > 1:
            text = tables.markdown(rows, mark=True)
            sections.append((comparison.metric.title, text))
    part = report.workloads
    latency = tables.latency_rows(part.runs, part.allocators)
    if len(latency) > 1:
        text = tables.markdown(latency)
        sections.append(("Latency of single calls, ns", text))
    if report.limits:
        text = tables.markdown(tables.limit_rows(report.limits))
        sections.append(("The physical limit", text))
    return sections


def _of_series(report: Report) -> List[Section]:
    text = ["Lower is better; flat is the goal.\n"]
    for key, lines in report.series.items():
        text.append("%s over %s, %s:\n" % key)
        text.append(tables.markdown(curves.rows_of(lines)))
    return [("Growth curves", "\n".join(text))]


def everything(report: Report) -> List[Section]:
    sections = []
    if report.workloads:
        sections += _of_workloads(report)
    if report.series:
        sections += _of_series(report)
    if report.events:
        text = _EVENTS % events.GOAL
        text += tables.markdown(events.rows(report.events))
        sections.append(("What threads share", text))
    failures = tables.failure_rows(report.failures())
    if len(failures) > 1:
        sections.append(("Runs that failed", tables.markdown(failures)))
    if report.workloads:
        rows = [["workload", "what it is"]]
        rows += [[job.name, job.about] for job in report.workloads.jobs]
        sections.append(("The workloads", tables.markdown(rows)))
    sections.append(("The machine", _facts(report.measurement.machine)))
    versions = _facts(machine.versions(report.allocators()))
    sections.append(("The allocators", versions))
    return sections


def write(sections: List[Section], level: int) -> str:
    """The sections, with headings of this level."""
    return "\n".join(
        "%s %s\n\n%s" % ("#" * level, title, text) for title, text in sections
    )
