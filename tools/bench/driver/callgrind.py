"""Counts instructions under valgrind's callgrind.

What is counted is what runs inside one shared object, in all threads. Unlike
time, it is the same on a quiet machine and on a busy one. With several threads
it is only nearly so: which of them comes first still depends on the moment.
"""

import os
import shutil
import tempfile
from typing import List, Tuple

from tools.bench.driver import execute
from tools.bench.driver.execute import Finished


class Uncounted(Exception):
    """There is no count, and why."""


def is_installed() -> bool:
    return shutil.which("valgrind") is not None


def instructions_in(profile: str, name: str) -> int:
    """The instructions inside the object of this base name, from the text of
    a profile.

    An object holds from its `ob=` line to the next one; names are written once
    and then meant by their number. A line of figures is a position and a cost;
    the one after `calls=` is what the callee took, which is counted there.
    """
    names = {}
    inside = is_callees = False
    total = 0
    for line in profile.splitlines():
        key, _, value = line.partition("=")
        if key in ("ob", "cob"):
            number, _, path = value.partition(" ")
            if path:
                names[number] = path
            if key == "ob":
                inside = os.path.basename(names.get(number, "")) == name
        elif key == "calls":
            is_callees = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            figures = line.split()
            if inside and not is_callees and len(figures) > 1:
                total += int(figures[1])
            is_callees = False
    return total


def run(
    command: List[str], preload: str, timeout: float
) -> Tuple[Finished, int]:
    """Runs a command with this object preloaded; how it ended, and the
    instructions inside the object."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "profile")
        finished = execute.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + path]
            + command,
            execute.environment(preload),
            timeout,
        )
        if finished.failure:
            raise Uncounted(finished.failure)
        with open(path, encoding="utf-8") as file:
            count = instructions_in(file.read(), os.path.basename(preload))
    if not count:
        raise Uncounted("nothing ran in " + preload)
    return finished, count
