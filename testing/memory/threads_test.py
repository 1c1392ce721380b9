"""Memory of many threads: 10,000 short ones, and 1,000 that are blocked.

The bounds are what was measured and some air; what peers take is shown beside
it. Short threads leave a hundredth of 300 KiB behind, so that the heap of all
is as large as that of one: the bound is what lives, a quarter, and 8 MiB. A
thread that allocates a little of some classes has a thread heap of two pages
and a page of each class (eight classes here): the bound is twelve pages for
each thread, above what the same threads take without malloc.
"""

from testing.memory import budget

_SHORT = 10_000
_LIVE = 1_000
_PAGES = 12


class ThreadsTest(budget.BudgetTest):
    def _runs(self, *arguments):
        names = [budget.MEMALLOC, *budget.peers_for_the_record()]
        return {name: self.measure(name, *arguments) for name in names}

    def test_short(self):
        runs = self._runs("short", _SHORT)
        self.show(
            f"{_SHORT} short threads",
            {
                name: {k: budget.mib(f[k]) for k in ("live", "rss", "peak")}
                for name, f in runs.items()
            },
        )
        ours = runs[budget.MEMALLOC]
        self.assertGreater(ours["live"], 20 * budget.MIB)
        self.assertLessEqual(ours["peak"], ours["live"] * 1.25 + 8 * budget.MIB)

    def test_live(self):
        none = self._runs("none", _LIVE)
        live = self._runs("live", _LIVE)
        above = {name: live[name]["rss"] - none[name]["rss"] for name in live}
        self.show(
            f"{_LIVE} blocked threads",
            {
                name: {
                    "live": budget.mib(live[name]["live"]),
                    "without malloc": budget.mib(none[name]["rss"]),
                    "with": budget.mib(live[name]["rss"]),
                    "a thread": budget.kib(above[name] / _LIVE),
                }
                for name in live
            },
        )
        self.assertLessEqual(above[budget.MEMALLOC], _LIVE * _PAGES * 4096)


if __name__ == "__main__":
    budget.main()
