"""1 GiB allocated and freed: the process is as small as before.

At once after malloc_trim(0), and by itself while the program goes on with
small objects. Who freed the memory should not matter: the thread that goes on,
one that has ended, or one that sleeps from then on. That one may keep what a
thread heap keeps at hand: bins, magazines, and 3 MiB of empty blocks.
"""

from testing.memory import budget

_BUDGET = 8 * budget.MIB
_KEPT_BY_SLEEPER = 8 * budget.MIB
# Against hanging; how long it took is shown.
_SECONDS = 20


class GiveBackTest(budget.BudgetTest):
    def _check(self, how: str, who: str) -> None:
        bound = _BUDGET + (_KEPT_BY_SLEEPER if who == "idle" else 0)
        arguments = (how, who, bound // budget.MIB, _SECONDS)
        rows = {}
        for name in [budget.MEMALLOC, *budget.peers_for_the_record()]:
            figures = self.measure(name, *arguments)
            start = figures["start_rss"]
            row = {
                "full": budget.mib(figures["full_rss"] - start),
                "freed": budget.mib(figures["freed_rss"] - start),
                "at the end": budget.mib(figures["end_rss"] - start),
            }
            if "milliseconds" in figures:
                row["after"] = f"{figures['milliseconds'] / 1000:.2f} s"
            rows[name] = row
        self.show(f"1 GiB allocated and freed by: {who}; then {how}", rows)
        ours = self.measure(budget.MEMALLOC, *arguments)
        self.assertGreater(ours["full_rss"], 1024 * budget.MIB)
        self.assertLessEqual(ours["end_rss"] - ours["start_rss"], bound)
        if how == "trim":
            self.assertEqual(1, ours["trimmed"])

    def test_trim_main(self):
        self._check("trim", "main")

    def test_trim_idle(self):
        self._check("trim", "idle")

    def test_trim_ended(self):
        self._check("trim", "ended")

    def test_activity_main(self):
        self._check("activity", "main")

    def test_activity_idle(self):
        self._check("activity", "idle")

    def test_activity_ended(self):
        self._check("activity", "ended")


if __name__ == "__main__":
    budget.main()
