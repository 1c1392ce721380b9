"""98 % of a large heap freed at random: no larger than the best of the peers.

The best of libc, mimalloc and jemalloc on the same program, in the same run:
after 3 s of ordinary work, and after asking for the memory then; and jemalloc
after 12 s of it, when what it gives back in its 10 s of decay is gone too; the
others give nothing back by themselves. Not at once: all of them keep what was
freed a moment ago, and what is compared then is how full the heap was before.
"""

from testing.memory import budget

_COMPARED = ("libc", "mimalloc", "jemalloc")
_COMPARED_LONG = ("jemalloc",)
_OBJECTS = 2_000_000
_KEPT_PER_THOUSAND = 20
_WORK_SECONDS = 3
_LONG_SECONDS = 12
# Pages that the survivors of two runs of one allocator do not share.
_NOISE = 1.01


class SurvivorsTest(budget.BudgetTest):
    def _check(self, when, seconds=_WORK_SECONDS, compared=_COMPARED) -> None:
        installed = budget.installed(compared)
        if not installed:
            self.skip(f"none of {', '.join(compared)} is installed")
        names = [budget.MEMALLOC, *installed]
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
        best = min(runs[name][when] for name in installed)
        self.assertLessEqual(runs[budget.MEMALLOC][when], best * _NOISE)

    def test_after_work(self):
        self._check("active_rss")

    def test_after_long(self):
        self._check("active_rss", _LONG_SECONDS, _COMPARED_LONG)

    def test_trimmed(self):
        self._check("trimmed_rss")


if __name__ == "__main__":
    budget.main()
