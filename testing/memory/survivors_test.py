"""98 % of a large heap freed at random: no larger than the best of the peers.

The best of libc, mimalloc and jemalloc on the same program, in the same run: at
once, after a while of ordinary work, and after asking for the memory.
"""

from testing.memory import budget

_COMPARED = ("libc", "mimalloc", "jemalloc")
_ARGUMENTS = (2_000_000, 20)
# Pages that the survivors of two runs of one allocator do not share.
_NOISE = 1.01


class SurvivorsTest(budget.BudgetTest):
    def _check(self, when: str) -> None:
        names = [budget.MEMALLOC, *budget.installed(_COMPARED)]
        names += [n for n in budget.peers_for_the_record() if n not in names]
        runs = {name: self.measure(name, *_ARGUMENTS) for name in names}
        self.show(
            f"98 % of 2 million objects freed ({when})",
            {
                name: {
                    key: budget.mib(figures[key])
                    for key in ("full_rss", "live", when)
                }
                for name, figures in runs.items()
            },
        )
        best = min(runs[n][when] for n in _COMPARED if n in runs)
        self.assertLessEqual(runs[budget.MEMALLOC][when], best * _NOISE)

    def test_at_once(self):
        self._check("rss")

    def test_after_work(self):
        self._check("active_rss")

    def test_trimmed(self):
        self._check("trimmed_rss")


if __name__ == "__main__":
    budget.main()
