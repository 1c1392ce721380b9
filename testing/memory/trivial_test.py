"""A trivial program: at most 200 KiB more RSS than on libc.

Preloaded, linked and fully static, each against the same program on libc that
is linked the same way. RSS is read from outside, while the program waits, as a
mean: the kernel maps file pages by 64 KiB around each that is needed, and where
a file begins is random. Private memory is the part that no other process
shares.
"""

import functools
import os
import statistics
import subprocess
from typing import Dict, NamedTuple

from testing.memory import budget

_BUDGET = 200 * budget.KIB
_PRIVATE_BUDGET = 100 * budget.KIB
_RUNS = 30


class Memory(NamedTuple):
    """Of a process, in bytes."""

    rss: float
    private: float


def _rollup(pid: int) -> Memory:
    figures = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            key, value = line.split()[:2]
            figures[key.rstrip(":")] = int(value) * budget.KIB
    return Memory(figures["Rss"], figures["Anonymous"])


class TrivialTest(budget.BudgetTest):
    @functools.lru_cache(maxsize=None)
    def _memory(self, variable: str, allocator: str = budget.LIBC) -> Memory:
        found = []
        for _ in range(_RUNS):
            with subprocess.Popen(
                [os.environ[variable]],
                env=budget.environment(allocator),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as process:
                self.assertEqual(b"ready\n", process.stdout.readline())
                found.append(_rollup(process.pid))
                with open(f"/proc/{process.pid}/maps", encoding="ascii") as f:
                    mapped = budget.memalloc_so() in f.read()
                process.stdin.close()
                self.assertEqual(0, process.wait())
            self.assertEqual(allocator == budget.MEMALLOC, mapped, variable)
        return Memory(*map(statistics.mean, zip(*found)))

    def _show(self, title: str, runs: Dict[str, Memory]) -> None:
        on_libc = runs[budget.LIBC]
        self.show(
            f"A trivial program, {title}",
            {
                name: {
                    "RSS": budget.kib(memory.rss),
                    "above libc": budget.kib(memory.rss - on_libc.rss),
                    "private, above": budget.kib(
                        memory.private - on_libc.private
                    ),
                }
                for name, memory in runs.items()
            },
        )

    def _preloaded(self) -> Dict[str, Memory]:
        names = [budget.MEMALLOC, budget.LIBC]
        names += [n for n in budget.peers_for_the_record() if n not in names]
        return {name: self._memory("TRIVIAL_C", name) for name in names}

    def _linked(self, suffix: str) -> Dict[str, Memory]:
        return {
            budget.MEMALLOC: self._memory("TRIVIAL_MEMALLOC" + suffix),
            budget.LIBC: self._memory("TRIVIAL_LIBC" + suffix),
        }

    def _check(self, title: str, runs: Dict[str, Memory]) -> None:
        self._show(title, runs)
        ours = runs[budget.MEMALLOC]
        self.assertLessEqual(ours.rss - runs[budget.LIBC].rss, _BUDGET)

    def test_preloaded(self):
        self._check("preloaded", self._preloaded())

    def test_linked(self):
        self._check("linked", self._linked(""))

    def test_static(self):
        self._check("fully static", self._linked("_STATIC"))

    def test_private(self):
        for title, runs in (
            ("preloaded", self._preloaded()),
            ("linked", self._linked("")),
            ("fully static", self._linked("_STATIC")),
        ):
            with self.subTest(title):
                self._show(title, runs)
                above = runs[budget.MEMALLOC].private
                above -= runs[budget.LIBC].private
                self.assertLessEqual(above, _PRIVATE_BUDGET)


if __name__ == "__main__":
    budget.main()
