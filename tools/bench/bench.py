"""Compares allocators: the benchmark tool.

    tools/bazel run //tools/bench -- [--allocators ...] [--workloads ...]
        [--rounds N] [--out DIR] [--smoke | --curves ... | --events | --publish]

This file only puts the parts together: `driver` finds, orders and runs what
is to be measured, `report` makes tables, files and pictures of the runs.
Exit status: 0 done (also when an allocator failed: that is a result), 1 a
smoke run found that memalloc or libc fails, 2 wrong usage.
"""

import fnmatch
import os
import sys
import tempfile
from typing import List

from tools.bench import arguments, interpreter
from tools.bench.driver import allocators, curves, events, patterns, schedule
from tools.bench.driver import traces
from tools.bench.driver.model import CURVES, EVENTS, WORKLOADS
from tools.bench.driver.model import LATENCY, LIMIT, PATTERN, PROGRAM
from tools.bench.driver.model import Allocator, Job, Measurement, Part, Run
from tools.bench.driver.programs import Programs
from tools.bench.driver.redis import Redis
from tools.bench.report import machine, publish, results, saved, summary
from tools.bench.report.report import Report

_ROOT = os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
)
_GROUPS = {
    "all": (PATTERN, PROGRAM, LATENCY, LIMIT),
    "patterns": (PATTERN, LIMIT),
    "programs": (PROGRAM,),
    "latency": (LATENCY,),
}


class Usage(Exception):
    """The command line asks for something that is not there."""


def data(path: str) -> str:
    """A file of the workspace that this program brings along."""
    return os.path.join(_ROOT, path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self._options = options
        # Where the user is, as `bazel run` tells.
        self._directory = os.environ.get("BUILD_WORKING_DIRECTORY", os.getcwd())
        self._patterns = patterns.Patterns(
            data("tools/bench/workloads/workloads"),
            data("tools/bench/workloads/workloads_memalloc"),
        )
        self._programs = Programs(
            data("tools/bench/launch/measured"), data("tools/bench/programs")
        )
        self._redis = Redis()
        self._traces = traces.Traces(
            data("tools/replay/prepare"), data("tools/replay/player")
        )
        self._events = events.Events(self._patterns)
        self._interrupted = False

    def all_jobs(self) -> List[Job]:
        scale = self._options.scale
        return (
            self._patterns.jobs(scale)
            + self._redis.jobs(scale)
            + self._programs.jobs(scale)
        )

    def _chosen_jobs(self) -> List[Job]:
        jobs = self.all_jobs()
        chosen = []
        for name in self._options.workloads:
            found = [
                job
                for job in jobs
                if job.kind in _GROUPS.get(name, ())
                or fnmatch.fnmatchcase(job.name, name)
            ]
            if not found:
                raise Usage("%s: no such workload; see --list" % name)
            chosen += found
        for path in self._options.traces:
            self._traces.add(os.path.join(self._directory, path))
        traced = self._traces.jobs()
        # Each once, in the order of the list.
        jobs = [job for job in jobs if job in chosen]
        return [job for job in jobs if self._is_installed(job)] + traced

    def _is_installed(self, job: Job) -> bool:
        if job.kind != PROGRAM:
            return True
        missing = self._runner(job).missing(job.name)
        if missing:
            _say("left out, not installed: " + missing)
        return not missing

    def _runner(self, job: Job):
        if job.kind != PROGRAM:
            return self._patterns
        if job.name.startswith(traces.PREFIX):
            return self._traces
        return self._redis if job.name == "redis" else self._programs

    def _run_one(self, job: Job, allocator: Allocator, number: int) -> Run:
        timeout = self._options.timeout
        return self._runner(job).run(job, allocator, number, timeout)

    def _count_one(self, job: Job, allocator: Allocator, number: int) -> Run:
        return self._events.run(job, allocator, number, self._options.timeout)

    def _allocators(self) -> List[Allocator]:
        found, missing = allocators.resolve(
            self._options.allocators,
            data("memalloc/memalloc.so"),
            self._directory,
        )
        for line in missing:
            _say("left out, not installed: " + line)
        if not found:
            raise Usage("no allocator is left")
        names = [allocator.name for allocator in found]
        ours = allocators.MEMALLOC if allocators.MEMALLOC in names else names[0]
        subject = self._options.subject or ours
        if subject not in names:
            raise Usage("--subject %s is not among the allocators" % subject)
        self._options.subject = subject
        return found

    def _folder(self) -> str:
        if not self._options.out:
            return tempfile.mkdtemp(prefix="memalloc-bench-")
        folder = os.path.join(self._directory, self._options.out)
        os.makedirs(folder, exist_ok=True)
        return folder

    def run(self) -> int:
        if self._options.publish:
            publish.check_documents(_workspace())
        if self._options.source:
            folder = os.path.join(self._directory, self._options.source)
            measurement = saved.load(os.path.join(folder, saved.NAME))
            folder = self._folder() if self._options.out else folder
        else:
            chosen = self._allocators()
            if self._options.publish:
                publish.check_versions(chosen)
            folder = self._folder()
            measurement = self._measure(chosen)
        drawing = None
        if not self._options.no_pictures:
            # Only here: it needs matplotlib.
            from tools.bench.report import plot as drawing
        text = results.write_all(
            folder, measurement, drawing, sys.stdout.isatty()
        )
        if not self._options.smoke:
            print(text)
        print("results are in " + folder)
        if self._options.publish:
            report = Report(measurement)
            for path in publish.publish(_workspace(), folder, report):
                print("published: " + path)
        if self._options.smoke:
            parts = measurement.parts.values()
            return _verdict([run for part in parts for run in part.runs])
        return 0

    def _measure(self, chosen: List[Allocator]) -> Measurement:
        parts = {}
        for name in self._options.parts:
            if not self._interrupted:
                parts[name] = self._part(name, chosen)
        metric = summary.CPU if self._options.cpu_time else summary.WALL
        return Measurement(
            self._options.subject,
            metric.key,
            machine.describe(),
            parts,
            complete=not self._interrupted,
        )

    def _part(self, name: str, chosen: List[Allocator]) -> Part:
        run_one, rounds = self._run_one, self._options.rounds
        if name == CURVES:
            jobs, left_out = curves.jobs(
                self._options.curves, self._options.scale
            )
            for line in left_out:
                _say("left out, too little memory: " + line)
        else:
            jobs = self._chosen_jobs()
        if name == EVENTS:
            jobs = events.jobs(jobs, self._options.scale)
            chosen = [allocators.counting(data("memalloc/memalloc_events.so"))]
            run_one, rounds = self._count_one, 1
        _say("measuring %s: %d jobs" % (name, len(jobs)))
        applies = _applies(chosen)
        runs = schedule.measure(jobs, chosen, rounds, run_one, applies)
        if not runs:
            raise Usage("nothing was measured")
        if not schedule.is_complete(runs, rounds, jobs, chosen, applies):
            self._interrupted = True
        return Part(jobs, chosen, runs)


def _workspace() -> str:
    """Where the documents are, as `bazel run` tells."""
    root = os.environ.get("BUILD_WORKSPACE_DIRECTORY", "")
    if not root:
        raise Usage("--publish needs `bazel run`, which tells the workspace")
    return root


def _applies(chosen: List[Allocator]):
    """Programs cannot be linked statically here; the limit has no allocator,
    so that one run of it a round is enough."""

    def applies(job: Job, allocator: Allocator) -> bool:
        if job.kind == LIMIT:
            return allocator is chosen[0]
        return job.kind != PROGRAM or not allocator.static

    return applies


def _verdict(runs: List[Run]) -> int:
    """What a smoke run found. That a peer fails is not our failure."""
    failed = [run for run in runs if run.failure]
    print("%d of %d runs work" % (len(runs) - len(failed), len(runs)))
    ours = (allocators.MEMALLOC, allocators.STATIC, allocators.LIBC)
    for run in failed:
        verdict = "FAILED" if run.allocator in ours else "fails"
        print("%s: %s on %s: %s"
              % (verdict, run.job, run.allocator, run.failure))
    return 1 if any(run.allocator in ours for run in failed) else 0


def main(argv: List[str]) -> int:
    options = arguments.parse(argv)
    bench = Bench(options)
    if options.list:
        for job in bench.all_jobs():
            print("%-16s %-8s %s" % (job.name, job.kind, job.about))
        return 0
    if not options.no_pictures and not interpreter.prefer_matplotlib():
        _say("bench: %s, or use --no-pictures" % interpreter.ADVICE)
        return 2
    try:
        return bench.run()
    except (
        Usage,
        allocators.UnknownAllocator,
        publish.CannotPublish,
        saved.Unreadable,
        traces.Unusable,
    ) as error:
        _say("bench: %s" % error)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
