"""A trivial program: at most 200 KiB more RSS than on libc.

Preloaded, linked and fully static, each against the same program on libc that
is linked the same way. RSS is read from outside, while the program waits.
"""

import os
import statistics
import subprocess
from typing import Dict

from testing.memory import budget

_BUDGET = 200 * budget.KIB
_RUNS = 7


def _rollup(pid: int) -> Dict[str, int]:
    figures = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            key, value = line.split()[:2]
            figures[key.rstrip(":")] = int(value) * budget.KIB
    return figures


class TrivialTest(budget.BudgetTest):
    def _rss(self, program: str, allocator: str = budget.LIBC) -> float:
        """The median of some runs; which pages are shared varies a little."""
        found = []
        # The first one brings the files into the page cache.
        for _ in range(_RUNS + 1):
            with subprocess.Popen(
                [program],
                env=budget.environment(allocator),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as process:
                self.assertEqual(b"ready\n", process.stdout.readline())
                found.append(_rollup(process.pid)["Rss"])
                with open(f"/proc/{process.pid}/maps", encoding="ascii") as f:
                    mapped = budget.memalloc_so() in f.read()
                process.stdin.close()
                self.assertEqual(0, process.wait())
            self.assertEqual(allocator == budget.MEMALLOC, mapped, program)
        return statistics.median(found[1:])

    def _check(self, title: str, on_libc: float, ours: float, others=()):
        rows = {budget.MEMALLOC: ours, budget.LIBC: on_libc, **dict(others)}
        self.show(
            f"A trivial program, {title}",
            {
                name: {"RSS": budget.kib(r), "above libc": budget.kib(r - on_libc)}
                for name, r in rows.items()
            },
        )
        self.assertLessEqual(ours - on_libc, _BUDGET)

    def test_preloaded(self):
        program = os.environ["TRIVIAL_LIBC"]
        others = {
            name: self._rss(program, name)
            for name in budget.peers_for_the_record()
            if name != budget.LIBC
        }
        self._check(
            "preloaded",
            self._rss(program),
            self._rss(program, budget.MEMALLOC),
            others,
        )

    def test_linked(self):
        self._check(
            "linked",
            self._rss(os.environ["TRIVIAL_LIBC"]),
            self._rss(os.environ["TRIVIAL_MEMALLOC"]),
        )

    def test_static(self):
        self._check(
            "fully static",
            self._rss(os.environ["TRIVIAL_LIBC_STATIC"]),
            self._rss(os.environ["TRIVIAL_MEMALLOC_STATIC"]),
        )


if __name__ == "__main__":
    budget.main()
