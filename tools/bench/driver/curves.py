"""Growth curves: the same work over more threads, or over more live objects.

Over threads the work and the live set stay the same in total, so that a flat
line means that threads cost nothing. Over the live set, objects of 10 to 263
bytes, from what fits the first cache to gigabytes.
"""

import os
from typing import List, Tuple

from tools.bench.driver.model import PATTERN, Job

THREADS = "threads"
LIVE = "live"
CURVES = (THREADS, LIVE)

THREAD_COUNTS = (1, 2, 4, 16, 64)
LIVE_COUNTS = (10**3, 10**4, 10**5, 10**6, 10**7)

_THREAD_WORKLOADS = ("churn-threads", "larson", "xmalloc-n-n", "mstress")
# Live in all threads together, where the workload lets us choose: enough that
# RSS a live byte is not about what an idle process has.
_LIVE_OVER_THREADS = 200_000

_LIVE_WORKLOAD = "churn-million"

# More than any allocator needs for an object of that workload.
_BYTES_AN_OBJECT = 200


def _memory_available() -> int:
    pages = os.sysconf("SC_AVPHYS_PAGES")
    return pages * os.sysconf("SC_PAGE_SIZE")


def jobs(
    curves: List[str],
    scale: float,
    thread_counts=THREAD_COUNTS,
    live_counts=LIVE_COUNTS,
) -> Tuple[List[Job], List[str]]:
    """The jobs, and a line for each point this machine has no memory for."""
    result, left_out = [], []
    if THREADS in curves:
        for workload in _THREAD_WORKLOADS:
            for count in thread_counts:
                result.append(
                    Job(
                        "%s@%d" % (workload, count),
                        PATTERN,
                        workload=workload,
                        scale=scale,
                        threads=count,
                        live=_LIVE_OVER_THREADS,
                        curve=THREADS,
                        point=count,
                    )
                )
    if LIVE in curves:
        for count in live_counts:
            needed = count * _BYTES_AN_OBJECT
            if needed > _memory_available():
                left_out.append(
                    "%d live objects: needs %.1f GiB" % (count, needed / 2**30)
                )
                continue
            result.append(
                Job(
                    "%s@%d" % (_LIVE_WORKLOAD, count),
                    PATTERN,
                    workload=_LIVE_WORKLOAD,
                    # Where few objects live, filling takes no time: do more.
                    scale=scale * (4 if count < 10**6 else 1),
                    live=count,
                    curve=LIVE,
                    point=count,
                )
            )
    return result, left_out
