"""What the parts of the driver pass to each other.

An Allocator is measured on a Job; the result is a Run. A run that went wrong
carries the reason in `failure` instead of figures, and stays in every report:
an allocator that crashes is a result, not a gap.
"""

import dataclasses
from typing import Dict, List, Optional, Tuple

PATTERN = "pattern"
PROGRAM = "program"
LATENCY = "latency"
LIMIT = "limit"

# The parts that a measurement can have.
WORKLOADS = "workloads"
CURVES = "curves"
EVENTS = "events"


@dataclasses.dataclass(frozen=True)
class Allocator:
    name: str
    preload: str = ""  # Path of a shared object; empty: nothing is preloaded.
    static: bool = False  # Linked into the pattern binary.
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Job:
    name: str  # Row of the tables.
    kind: str
    about: str = ""
    workload: str = ""  # Of the pattern binary; the name when empty.
    scale: float = 1.0
    threads: int = 0
    live: int = 0
    # Growth curves: which curve, and where on its x-axis this job is.
    curve: str = ""
    point: int = 0


@dataclasses.dataclass
class Run:
    allocator: str
    job: str
    round: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss_kib: int = 0
    final_rss_kib: Optional[int] = None  # Unknown for programs that ended.
    ops: int = 0
    failure: str = ""
    extra: Dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Part:
    """Jobs, who was measured on them, and what came out."""

    jobs: List[Job]
    allocators: List[Allocator]
    runs: List[Run]


@dataclasses.dataclass
class Measurement:
    """All that reports are made of; nothing in them comes from elsewhere."""

    subject: str  # The allocator that the others are compared with.
    time: str  # The field of Run that counts as time.
    machine: List[Tuple[str, str]]  # Facts about it, by name.
    parts: Dict[str, Part]
    complete: bool = True  # Else it was interrupted.
