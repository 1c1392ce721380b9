"""What a measurement says: the figures of all reports, computed once.

Parts that were not measured are None or empty here, and their tables are left
out of every report.
"""

from typing import List

from tools.bench.driver import patterns
from tools.bench.driver.model import CURVES, EVENTS, WORKLOADS
from tools.bench.driver.model import Allocator, Measurement, Run
from tools.bench.report import curves, summary

_TIMES = {metric.key: metric for metric in (summary.WALL, summary.CPU)}


class Report:
    def __init__(self, measurement: Measurement):
        self.measurement = measurement
        self.subject = measurement.subject
        self.workloads = measurement.parts.get(WORKLOADS)
        self.comparisons: List[summary.Comparison] = []  # Time, peak, final.
        self.limits = {}
        self.series: curves.Series = {}
        self.events: List[Run] = []  # Those that were counted.
        if self.workloads:
            self._compare(_TIMES[measurement.time])
        part = measurement.parts.get(CURVES)
        if part:
            self.series = curves.series(part.runs, part.jobs, part.allocators)
        part = measurement.parts.get(EVENTS)
        if part:
            self.events = [run for run in part.runs if not run.failure]

    def _compare(self, time: summary.Metric) -> None:
        part = self.workloads
        self.comparisons = [
            summary.compare(
                part.runs, part.jobs, part.allocators, self.subject, metric
            )
            for metric in (time, summary.PEAK, summary.FINAL)
        ]
        self.limits = summary.limit_ratios(
            part.runs, patterns.LIMIT_OF, patterns.LIMIT_JOB
        )

    def rounds(self) -> int:
        runs = self.workloads.runs if self.workloads else []
        return 1 + max((run.round for run in runs), default=0)

    def allocators(self) -> List[Allocator]:
        """All that were measured, each once."""
        found = {}
        for part in self.measurement.parts.values():
            for allocator in part.allocators:
                found.setdefault(allocator.name, allocator)
        return list(found.values())

    def failures(self) -> List[Run]:
        return [
            run
            for part in self.measurement.parts.values()
            for run in summary.failures_of(part.runs)
        ]
