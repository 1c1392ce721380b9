"""The allocation patterns: jobs of the `workloads` binary."""

import json
import os
import subprocess
from typing import Dict, List, Optional

from tools.bench.driver import execute
from tools.bench.driver.model import (
    LATENCY,
    LIMIT,
    PATTERN,
    Allocator,
    Job,
    Run,
)

# `leak` beside the same work with no allocator at all.
LIMIT_OF = "leak"
LIMIT_JOB = "leak-bump"


def _kind(name: str) -> str:
    if name.startswith("latency"):
        return LATENCY
    return LIMIT if name == LIMIT_JOB else PATTERN


class Patterns:
    """Knows the two binaries: on libc's malloc, and with memalloc linked."""

    def __init__(self, binary: str, static_binary: str):
        self._binary = binary
        self._static_binary = static_binary

    def jobs(self, scale: float) -> List[Job]:
        listing = subprocess.run(
            [self._binary, "--list"], capture_output=True, text=True, check=True
        ).stdout
        pairs = [line.split("\t", 1) for line in listing.splitlines()]
        return [Job(n, _kind(n), about, scale=scale) for n, about in pairs]

    def run(
        self,
        job: Job,
        allocator: Allocator,
        number: int,
        timeout: float,
        extra_env: Optional[Dict[str, str]] = None,
    ) -> Run:
        command = [
            self._static_binary if allocator.static else self._binary,
            "--workload=" + (job.workload or job.name),
            "--scale=%r" % job.scale,
            "--threads=%d" % job.threads,
            "--live=%d" % job.live,
        ]
        result = Run(allocator.name, job.name, number)
        env = execute.environment(allocator.preload, extra_env)
        finished = execute.run(command, env, timeout)
        result.failure = finished.failure
        if result.failure:
            return result
        try:
            figures = json.loads(finished.stdout)
        except ValueError:
            result.failure = "no figures in its output"
            return result
        result.failure = self._wrong_malloc(allocator, figures["malloc_from"])
        for name, value in figures.items():
            if name in ("workload", "malloc_from"):
                continue
            if hasattr(result, name):
                setattr(result, name, value)
            else:
                result.extra[name] = value
        return result

    def _wrong_malloc(self, allocator: Allocator, found_in: str) -> str:
        """Why the malloc in use cannot be this allocator's; else empty."""
        in_libc = os.path.basename(found_in).startswith("libc.")
        if in_libc and (allocator.preload or allocator.static):
            return "the process used libc's malloc instead"
        if not in_libc and not (allocator.preload or allocator.static):
            return "the process used malloc of " + found_in
        return ""
