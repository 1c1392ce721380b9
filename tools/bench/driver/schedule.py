"""The order of the runs, progress with the time left, and giving up.

Rounds go over all jobs; within a job the allocators follow each other at
once, so that whatever else the machine does hits all of them alike, and each
round starts with another allocator. A pair that failed is not tried again;
an allocator that hung three times is given up altogether.
"""

import sys
import time
from typing import Callable, Dict, List, Tuple

from tools.bench.driver import execute
from tools.bench.driver.model import Allocator, Job, Run

_HANGS_ALLOWED = 3

RunOne = Callable[[Job, Allocator, int], Run]


class Progress:
    """One line on stderr: where we are, and how long it will still take.

    The time left comes from what each pair took so far, and, for pairs that
    have not run, from the mean of those that have.
    """

    def __init__(self, pairs: List[Tuple[str, str]], rounds: int, stream=None):
        self._stream = stream or sys.stderr
        self._left = {pair: rounds for pair in pairs}
        self._took: Dict[Tuple[str, str], float] = {}
        self._total = rounds * len(pairs)
        self._width = 0
        self._last_line = 0.0

    def seconds_left(self) -> float:
        known = list(self._took.values())
        mean = sum(known) / len(known) if known else 0.0
        return sum(
            count * self._took.get(pair, mean)
            for pair, count in self._left.items()
        )

    def announce(self, pair: Tuple[str, str]) -> None:
        done = self._total - sum(self._left.values())
        line = "[%d/%d] %s on %s" % (done + 1, self._total, pair[0], pair[1])
        if self._took:
            line += ", %s left" % duration(self.seconds_left())
        if self._stream.isatty():
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif time.monotonic() > self._last_line + 10:
            # In a log, a line now and then.
            self._stream.write(line + "\n")
            self._last_line = time.monotonic()
        self._stream.flush()

    def finished(self, pair: Tuple[str, str], seconds: float) -> None:
        self._left[pair] -= 1
        self._took[pair] = seconds

    def dropped(self, pair: Tuple[str, str]) -> None:
        self._left[pair] = 0

    def note(self, text: str) -> None:
        if self._stream.isatty():
            self._stream.write("\r" + " " * self._width + "\r")
        self._stream.write(text + "\n")

    def close(self) -> None:
        if self._stream.isatty():
            self._stream.write("\r" + " " * self._width + "\r")


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return "%d min %02d s" % (minutes, rest) if minutes else "%d s" % rest


class _Measuring:
    """One measurement under way."""

    def __init__(self, pairs, run_one: RunOne, progress: Progress):
        self.runs: List[Run] = []
        self._wanted = set(pairs)
        self._run_one = run_one
        self._progress = progress
        self._hangs: Dict[str, int] = {}

    def step(self, job: Job, allocator: Allocator, number: int) -> None:
        pair = (job.name, allocator.name)
        if pair not in self._wanted:
            return
        self._progress.announce(pair)
        start = time.monotonic()
        run = self._run_one(job, allocator, number)
        self._progress.finished(pair, time.monotonic() - start)
        self.runs.append(run)
        if run.failure:
            self._failed(pair, run)

    def _failed(self, pair: Tuple[str, str], run: Run) -> None:
        self._progress.note("%s on %s: %s" % (*pair, run.failure))
        self._drop(pair)
        if not run.failure.startswith(execute.HANGS):
            return
        name = pair[1]
        self._hangs[name] = self._hangs.get(name, 0) + 1
        if self._hangs[name] < _HANGS_ALLOWED:
            return
        self._progress.note("%s is given up: it hung too often" % name)
        for left in sorted(p for p in self._wanted if p[1] == name):
            self._drop(left)
            self.runs.append(
                Run(name, left[0], run.round, failure="given up after hanging")
            )

    def _drop(self, pair: Tuple[str, str]) -> None:
        self._wanted.discard(pair)
        self._progress.dropped(pair)


def is_complete(
    runs: List[Run],
    rounds: int,
    jobs: List[Job],
    allocators: List[Allocator],
    applies: Callable[[Job, Allocator], bool],
) -> bool:
    """Whether every pair has its last round, or failed."""
    ended = {
        (run.job, run.allocator)
        for run in runs
        if run.failure or run.round == rounds - 1
    }
    return all(
        (job.name, allocator.name) in ended
        for job in jobs
        for allocator in allocators
        if applies(job, allocator)
    )


def measure(
    jobs: List[Job],
    allocators: List[Allocator],
    rounds: int,
    run_one: RunOne,
    applies: Callable[[Job, Allocator], bool],
    stream=None,
) -> List[Run]:
    """All runs, failed ones included, in the order in which they were made.

    Only pairs for which `applies` holds are run at all. When interrupted it
    returns what there is by then.
    """
    pairs = [
        (job.name, allocator.name)
        for job in jobs
        for allocator in allocators
        if applies(job, allocator)
    ]
    progress = Progress(pairs, rounds, stream)
    measuring = _Measuring(pairs, run_one, progress)
    try:
        for number in range(rounds):
            first = number % len(allocators)
            order = allocators[first:] + allocators[:first]
            for job in jobs:
                for allocator in order:
                    measuring.step(job, allocator, number)
    except KeyboardInterrupt:
        progress.note("interrupted: what follows is of the runs until now")
    progress.close()
    return measuring.runs
