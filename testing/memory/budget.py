"""Runs one program on memalloc and on its peers and prints what memory it took.

Role: the part that the tests of this folder share. A test derives from
BudgetTest, runs its program on some allocators by measure(), shows the figures
by show(), and asserts the budget for memalloc.

Invariants: every run has proved which allocator it was on (the program says
which object its malloc is in), so that no figure has the wrong name. Budgets
are about memory alone; time is bounded only against hanging. Peers that a
budget does not compare with run if MEMORY_PEERS is set, for the record; a peer
that is not installed is left out, and the output says so.
Locking: none; one program runs at a time.
"""

import functools
import os
import subprocess
import sys
import unittest
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from tools.bench.driver import allocators

KIB = 1024
MIB = 1024 * KIB

MEMALLOC = "memalloc"
LIBC = "libc"
PEERS = (LIBC, "mimalloc", "jemalloc", "tcmalloc")

_HANG_SECONDS = 240
_COMPLAINTS = ("memalloc: ", "ERROR: ld.so:")

Figures = Dict[str, int]


class Finished(NamedTuple):
    """What a program printed: who served it, and the figures."""

    allocator: str
    figures: Figures


def memalloc_so() -> str:
    """The absolute path of memalloc.so."""
    return os.path.realpath(os.environ["MEMALLOC_LIBRARY"])


def program() -> str:
    """The program of this test, linked to no allocator."""
    return os.path.abspath(os.environ["MEMORY_PROGRAM"])


@functools.lru_cache(maxsize=None)
def find(name: str) -> Tuple[Optional[allocators.Allocator], str]:
    """An allocator, or None and how to install it."""
    found, missing = allocators.resolve([name], memalloc_so(), ".")
    return (found[0], "") if found else (None, missing[0])


def installed(names: Sequence[str]) -> List[str]:
    """Those that are there; the others are named in the output."""
    for name in names:
        if find(name)[1]:
            print(f"SKIPPED peer {find(name)[1]}", flush=True)
    return [name for name in names if find(name)[0]]


def peers_for_the_record() -> List[str]:
    """All peers if MEMORY_PEERS is set, else none."""
    return installed(PEERS) if os.environ.get("MEMORY_PEERS") else []


def environment(name: str) -> Dict[str, str]:
    """Of a program on allocator `name`; nothing else of the caller's."""
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    preload = find(name)[0].preload
    if preload:
        env["LD_PRELOAD"] = preload
    return env


def _expected(name: str) -> str:
    """What a program on allocator `name` says of it."""
    if name == MEMALLOC:
        return name
    return os.path.basename(find(name)[0].preload or "libc.so.6")


def _parse(output: str) -> Finished:
    pairs = dict(line.split("=", 1) for line in output.splitlines())
    allocator = pairs.pop("allocator")
    return Finished(allocator, {key: int(v) for key, v in pairs.items()})


@functools.lru_cache(maxsize=None)
def _run(name: str, arguments: Tuple[str, ...]) -> Finished:
    command = [program(), *arguments]
    done = subprocess.run(
        command,
        env=environment(name),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_HANG_SECONDS,
        check=False,
    )
    complained = any(text in done.stderr for text in _COMPLAINTS)
    if done.returncode != 0 or complained:
        raise AssertionError(
            f"{command} on {name}: status {done.returncode}\n{done.stderr}"
        )
    return _parse(done.stdout)


class BudgetTest(unittest.TestCase):
    """A test of one budget."""

    def measure(self, name: str, *arguments) -> Figures:
        """The program's figures on allocator `name`; one run for each test."""
        finished = _run(name, tuple(str(a) for a in arguments))
        self.assertEqual(_expected(name), finished.allocator)
        return finished.figures

    def show(self, title: str, rows: Dict[str, Dict[str, object]]) -> None:
        """Prints a table: a row for each allocator."""
        columns = list(dict.fromkeys(c for row in rows.values() for c in row))
        print(f"\n{title}")
        print(f"  {'':10}" + "".join(f"{c:>18}" for c in columns))
        for name, row in rows.items():
            cells = "".join(f"{row.get(c, '-'):>18}" for c in columns)
            print(f"  {name:10}{cells}", flush=True)

    def no_larger_than_jemalloc(self, title: str, measure) -> None:
        """Compares RSS over live data, summed over rounds, with jemalloc's.

        `measure(names)` runs the program on each allocator and returns its
        figures by name: live, rss, live_sum and rss_sum.
        """
        if not installed(["jemalloc"]):
            self.skip(find("jemalloc")[1])
        names = [MEMALLOC, "jemalloc"]
        names += [n for n in peers_for_the_record() if n not in names]
        runs = measure(names)
        ratio = {n: f["rss_sum"] / f["live_sum"] for n, f in runs.items()}
        self.show(
            title,
            {
                name: {
                    "live at the end": mib(figures["live"]),
                    "RSS": mib(figures["rss"]),
                    "RSS / live, mean": f"{ratio[name]:.3f}",
                }
                for name, figures in runs.items()
            },
        )
        self.assertLessEqual(ratio[MEMALLOC], ratio["jemalloc"])

    def skip(self, reason: str) -> None:
        """Skips this test, with a reason that shows in every kind of log."""
        print(f"SKIPPED {self.id()}: {reason}", flush=True)
        self.skipTest(reason)


def mib(size: float) -> str:
    """Bytes as MiB, for tables."""
    return f"{size / MIB:.1f} MiB"


def kib(size: float) -> str:
    """Bytes as KiB, for tables."""
    return f"{size / KIB:.0f} KiB"


def main() -> None:
    """Runs the tests of the calling module that the arguments name, or all."""
    unittest.main(module=sys.modules["__main__"], verbosity=2)
