"""Recorded traces: jobs that replay what a program did.

A trace (docs/trace_format.md), perhaps compressed by gzip, is made a plan once;
`player` runs that under each allocator.
"""

import dataclasses
import gzip
import json
import os
import shutil
import tempfile
import weakref
from typing import Dict, List, Tuple

from tools.bench.driver import execute
from tools.bench.driver.model import PROGRAM, Allocator, Job, Run

PREFIX = "trace:"

# How many calls a thread may be ahead of the slowest one.
WINDOW = 1000

_GZIP = b"\x1f\x8b"
_SUFFIXES = (".gz", ".trace")
_PREPARE_SECONDS = 600


class Unusable(Exception):
    """A file that is no trace, or a damaged one."""


@dataclasses.dataclass(frozen=True)
class Plan:
    name: str  # Of the trace's file, without its suffixes.
    path: str
    about: Dict  # What `prepare` says of it.
    warnings: str  # What was left out of a damaged one.


def _name_of(path: str) -> str:
    name = os.path.basename(path)
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            name = name[: -len(suffix)]
    return name


class Traces:
    """Knows the two binaries; plans live as long as this does."""

    def __init__(self, prepare: str, player: str):
        self._prepare = prepare
        self._player = player
        self._folder = tempfile.mkdtemp(prefix="traces-")
        weakref.finalize(self, shutil.rmtree, self._folder, True)
        self._plans: Dict[str, Plan] = {}

    def add(self, path: str, skip_damaged: bool = False) -> Plan:
        """Makes a plan of the trace; raises Unusable."""
        name = _name_of(path)
        if name in self._plans:
            raise Unusable("%s: there are two traces of this name" % name)
        plan = os.path.join(self._folder, "%d.plan" % len(self._plans))
        whole = self._unpacked(path, plan + ".trace")
        command = [self._prepare, whole, plan]
        if skip_damaged:
            command.insert(1, "--skip_damaged")
        finished = execute.run(
            command, execute.environment(""), _PREPARE_SECONDS
        )
        if whole != path and os.path.exists(whole):
            os.unlink(whole)
        said = finished.stderr.strip().replace(whole, path)
        if finished.failure:
            raise Unusable(said or "%s: %s" % (path, finished.failure))
        made = Plan(name, plan, json.loads(finished.stdout), said)
        self._plans[name] = made
        return made

    def _unpacked(self, path: str, target: str) -> str:
        try:
            with open(path, "rb") as file:
                if file.read(len(_GZIP)) != _GZIP:
                    return path
            with gzip.open(path) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
        except (OSError, EOFError) as error:
            why = "%s: it cannot be read: %s" % (path, error)
            raise Unusable(why) from None
        return target

    def jobs(self) -> List[Job]:
        return [
            Job(
                PREFIX + plan.name,
                PROGRAM,
                "%d calls of %s"
                % (sum(plan.about["calls"]), plan.about["program"]),
            )
            for plan in self._plans.values()
        ]

    def missing(self, _: str) -> str:
        return ""

    def run(
        self, job: Job, allocator: Allocator, number: int, timeout: float
    ) -> Run:
        plan = self._plans[job.name[len(PREFIX) :]]
        return self.play(plan, allocator, number, timeout)[0]

    def play(
        self,
        plan: Plan,
        allocator: Allocator,
        number: int,
        timeout: float,
        window: int = WINDOW,
    ) -> Tuple[Run, List[int]]:
        """A replay, and the KiB that it had more at each sample."""
        result = Run(allocator.name, PREFIX + plan.name, number)
        finished = execute.run(
            [self._player, plan.path, str(window)],
            execute.environment(allocator.preload),
            timeout,
        )
        result.failure = finished.failure
        if result.failure:
            return result, []
        figures = json.loads(finished.stdout)
        in_libc = os.path.basename(figures["malloc_from"]).startswith("libc.")
        if in_libc == bool(allocator.preload):
            result.failure = (
                "the process used malloc of " + figures["malloc_from"]
            )
        elif figures["calls"] != plan.about["calls"]:
            result.failure = "not all calls were replayed"
        result.seconds = figures["seconds"]
        result.cpu_seconds = figures["cpu_seconds"]
        result.peak_rss_kib = figures["peak_rss_kib"]
        result.final_rss_kib = figures["final_rss_kib"]
        result.ops = figures["ops"]
        return result, figures["rss_kib"]
