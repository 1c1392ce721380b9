"""Counts what threads share: jobs on memalloc_events.so.

That build adds a line to MEMALLOC_STATS_FILE when the process ends: how often
it took its lock, and how often it wrote to a line that other threads write,
from the process's start to its end. The patterns are counted, and those over
which there are growth curves also at each number of threads. The counting
itself is slow: the times of these runs mean nothing.
"""

import os
import tempfile
from typing import Dict, List

from tools.bench.driver import curves
from tools.bench.driver.model import PATTERN, Allocator, Job, Run
from tools.bench.driver.patterns import Patterns

# What the names of counts in Run.extra begin with.
PREFIX = "event_"


def jobs(chosen: List[Job], scale: float) -> List[Job]:
    result = [job for job in chosen if job.kind == PATTERN]
    names = {job.name for job in result}
    over_threads, _ = curves.jobs([curves.THREADS], scale)
    return result + [job for job in over_threads if job.workload in names]


def counts_of(text: str) -> Dict[str, int]:
    """The counts in a statistics file of one process."""
    for line in text.splitlines():
        pairs = [word.partition("=") for word in line.split()]
        fields = {name: value for name, _, value in pairs}
        if "locks" not in fields:
            continue  # The summary's line.
        del fields["pid"]
        return {PREFIX + name: int(count) for name, count in fields.items()}
    return {}


class Events:
    """Runs a pattern and adds what it counted to its figures."""

    def __init__(self, patterns: Patterns):
        self._patterns = patterns

    def run(
        self, job: Job, allocator: Allocator, number: int, timeout: float
    ) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "statistics")
            result = self._patterns.run(
                job, allocator, number, timeout, {"MEMALLOC_STATS_FILE": path}
            )
            if result.failure:
                return result
            counts = {}
            if os.path.exists(path):
                with open(path, encoding="ascii") as file:
                    counts = counts_of(file.read())
        result.extra.update(counts)
        if not counts:
            result.failure = "it left no counts"
        return result
