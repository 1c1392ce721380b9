"""What threads share, as a table for a million operations and as CSV.

Goal: at most a thousand for a million operations (0.1 %) in all, whatever the
number of threads, but where all objects go from thread to thread. What is
above is marked.
"""

import csv
from typing import List

from tools.bench.driver.events import PREFIX
from tools.bench.driver.model import Run
from tools.bench.report import tables

GOAL = 1000  # For a million operations.


def _names(counted: List[Run]) -> List[str]:
    """The names of all counts, in the order in which they were left."""
    return list(
        dict.fromkeys(
            name
            for run in counted
            for name in run.extra
            if name.startswith(PREFIX)
        )
    )


def _title(name: str) -> str:
    return name[len(PREFIX) :]


def rows(counted: List[Run]) -> tables.Rows:
    names = _names(counted)
    titles = [_title(name).replace("_", " ") for name in names]
    result = [["for 10^6 operations", "operations"] + titles + ["all"]]
    for run in counted:
        each = [1e6 * run.extra.get(n, 0) / max(run.ops, 1) for n in names]
        total = sum(each)
        result.append(
            [run.job, str(run.ops)]
            + ["%.0f" % value for value in each]
            + ["%.0f%s" % (total, " !" if total > GOAL else "")]
        )
    return result


def write_csv(path: str, counted: List[Run]) -> None:
    """The counts themselves, not for a million operations."""
    names = _names(counted)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["job", "operations"] + [_title(n) for n in names])
        for run in counted:
            counts = [run.extra.get(name, 0) for name in names]
            writer.writerow([run.job, run.ops] + counts)
