"""98 % of a large heap freed at random: no larger than the best of the peers.

The best of libc, mimalloc and jemalloc on the same program, in the same run:
after 3 s of ordinary work; after 12 s of it, when what jemalloc gives back in
its 10 s of decay is gone too; and after asking for the memory. Not at once: all
of them keep what was freed a moment ago, and what is compared then is how full
the heap was before.
"""

from testing.memory import budget

_COMPARED = ("libc", "mimalloc", "jemalloc")
_OBJECTS = 2_000_000
_KEPT_PER_THOUSAND = 20
_WORK_SECONDS = 3
_LONG_SECONDS = 12
# Pages that the survivors of two runs of one allocator do not share.
_NOISE = 1.01


class SurvivorsTest(budget.BudgetTest):
    def _check(self, when: str, seconds: int = _WORK_SECONDS) -> None:
        names = [budget.MEMALLOC, *budget.installed(_COMPARED)]
        names += [n for n in budget.peers_for_the_record() if n not in names]
        arguments = (_OBJECTS, _KEPT_PER_THOUSAND, seconds)
        runs = {name: self.measure(name, *arguments) for name in names}
        self.show(
            f"98 % of 2 million objects freed ({when}, {seconds} s of work)",
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

    def test_after_work(self):
        self._check("active_rss")

    def test_after_long(self):
        self._check("active_rss", _LONG_SECONDS)

    def test_trimmed(self):
        self._check("trimmed_rss")


if __name__ == "__main__":
    budget.main()
