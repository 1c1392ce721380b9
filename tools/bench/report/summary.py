"""From runs to figures: medians of ratios, spreads, geometric means.

One convention everywhere: a ratio is the subject's figure divided by the
peer's, so below 1 the subject (memalloc) is better. Ratios are taken within a
round, where both ran one after the other, and the median is taken over the
rounds: what slows down a whole round cancels out.
"""

import dataclasses
import math
import statistics
from typing import Dict, List, Optional, Tuple

from tools.bench.driver.model import PATTERN, PROGRAM, Allocator, Job, Run

Pair = Tuple[str, str]  # Job, allocator.


@dataclasses.dataclass(frozen=True)
class Metric:
    key: str  # Field of Run.
    title: str
    unit: str
    divisor: float


WALL = Metric("seconds", "Time", "s", 1)
CPU = Metric("cpu_seconds", "CPU time", "s", 1)
PEAK = Metric("peak_rss_kib", "Peak RSS", "MiB", 1024)
FINAL = Metric("final_rss_kib", "Final RSS", "MiB", 1024)


@dataclasses.dataclass(frozen=True)
class Cell:
    ratio: float = math.nan
    spread: float = 0.0  # Half the range between the quartiles, of the median.
    rounds: int = 0
    failure: str = ""

    @property
    def known(self) -> bool:
        return self.rounds > 0 and not self.failure


@dataclasses.dataclass
class Comparison:
    """The subject against all peers on all jobs, by one metric."""

    metric: Metric
    subject: str
    peers: List[str]
    rivals: List[str]  # Peers that are other allocators, not variants of ours.
    jobs: List[Job]
    cells: Dict[Pair, Cell]
    absolute: Dict[Pair, float]  # Medians, in the metric's unit.

    def cell(self, job: str, peer: str) -> Cell:
        return self.cells.get((job, peer), Cell())


def geometric_mean(values: List[float]) -> float:
    if not values:
        return math.nan
    return math.exp(sum(math.log(value) for value in values) / len(values))


def median_and_spread(values: List[float]) -> Tuple[float, float]:
    median = statistics.median(values)
    if len(values) < 2:
        return median, 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, (high - low) / 2 / median


def _by_round(
    runs: List[Run], metric: Metric
) -> Tuple[Dict[Pair, Dict[int, float]], Dict[Pair, str]]:
    values: Dict[Pair, Dict[int, float]] = {}
    failures: Dict[Pair, str] = {}
    for run in runs:
        pair = (run.job, run.allocator)
        if run.failure:
            failures.setdefault(pair, run.failure)
            continue
        value = getattr(run, metric.key)
        if value:  # None where it is not known; zero cannot be divided by.
            values.setdefault(pair, {})[run.round] = value / metric.divisor
    return values, failures


def _cell(
    mine: Dict[int, float],
    theirs: Dict[int, float],
    failure: str,
) -> Cell:
    if failure:
        return Cell(failure=failure)
    ratios = [mine[r] / theirs[r] for r in sorted(mine) if r in theirs]
    if not ratios:
        return Cell()
    median, spread = median_and_spread(ratios)
    return Cell(median, spread, len(ratios))


def compare(
    runs: List[Run],
    jobs: List[Job],
    allocators: List[Allocator],
    subject: str,
    metric: Metric,
) -> Comparison:
    values, failures = _by_round(runs, metric)
    jobs = [job for job in jobs if job.kind in (PATTERN, PROGRAM)]
    peers = [a.name for a in allocators if a.name != subject]
    rivals = [a.name for a in allocators if a.name != subject and not a.static]
    cells = {}
    for job in jobs:
        for peer in peers:
            ours, theirs = (job.name, subject), (job.name, peer)
            failure = failures.get(theirs, "")
            if ours in failures and not failure:
                failure = "%s failed" % subject
            cells[theirs] = _cell(
                values.get(ours, {}), values.get(theirs, {}), failure
            )
    absolute = {
        pair: statistics.median(of_round.values())
        for pair, of_round in values.items()
        if pair not in failures
    }
    return Comparison(metric, subject, peers, rivals, jobs, cells, absolute)


def mean_over(
    comparison: Comparison, peer: str, kind: str
) -> Tuple[float, int, int]:
    """The geometric mean over the jobs of a kind, over how many of them, and
    how many there are."""
    jobs = [job.name for job in comparison.jobs if job.kind == kind]
    cells = [comparison.cell(job, peer) for job in jobs]
    ratios = [cell.ratio for cell in cells if cell.known]
    return geometric_mean(ratios), len(ratios), len(jobs)


def against_best(
    comparison: Comparison, job: str
) -> Optional[Tuple[str, float]]:
    """The rival that is best on this job, and the subject's ratio to it."""
    known = [
        (comparison.cell(job, rival).ratio, rival)
        for rival in comparison.rivals
        if comparison.cell(job, rival).known
    ]
    if not known:
        return None
    ratio, rival = max(known)
    return rival, ratio


def medians_of_extra(runs: List[Run], names: List[str]) -> Dict[Pair, Dict]:
    """Medians over the rounds of further figures, such as percentiles."""
    collected: Dict[Pair, Dict[str, List[float]]] = {}
    for run in runs:
        if run.failure:
            continue
        for name in names:
            if name in run.extra:
                of_pair = collected.setdefault((run.job, run.allocator), {})
                of_pair.setdefault(name, []).append(run.extra[name])
    return {
        pair: {name: statistics.median(v) for name, v in figures.items()}
        for pair, figures in collected.items()
    }


def limit_ratios(
    runs: List[Run], job: str, limit_job: str
) -> Dict[str, Tuple[float, float]]:
    """Each allocator's time on `job` over that of doing it without any."""
    values, failures = _by_round(runs, WALL)
    limit = next((v for (j, _), v in values.items() if j == limit_job), {})
    result = {}
    for (name, allocator), of_round in values.items():
        if name != job or (name, allocator) in failures:
            continue
        ratios = [of_round[r] / limit[r] for r in of_round if r in limit]
        if ratios:
            result[allocator] = median_and_spread(ratios)
    return result


def failures_of(runs: List[Run]) -> List[Run]:
    return [run for run in runs if run.failure]
