"""512 MiB handed from one thread to the next: memory serves whoever needs it.

A producer allocates and sleeps or ends; a consumer frees all and allocates as
much again. The peak is at most 1.15 times what was requested.
"""

from testing.memory import budget

_BUDGET = 1.15


class HandoverTest(budget.BudgetTest):
    def _check(self, smallest: int, largest: int) -> None:
        for producer in ("asleep", "ended"):
            with self.subTest(producer=producer):
                arguments = (smallest, largest, producer)
                names = [budget.MEMALLOC, *budget.peers_for_the_record()]
                runs = {name: self.measure(name, *arguments) for name in names}
                self.show(
                    f"512 MiB of {smallest} to {largest} bytes, handed over by"
                    f" a thread that is {producer}",
                    {
                        name: {
                            "first": budget.mib(figures["produced_rss"]),
                            "peak": budget.mib(figures["peak"]),
                            "peak / live": "%.3f"
                            % (figures["peak"] / figures["live"]),
                        }
                        for name, figures in runs.items()
                    },
                )
                ours = runs[budget.MEMALLOC]
                self.assertGreaterEqual(ours["peak"], ours["live"])
                self.assertLessEqual(ours["peak"], ours["live"] * _BUDGET)

    def test_16_to_64(self):
        self._check(16, 64)

    def test_16_to_1024(self):
        self._check(16, 1024)

    def test_1k_to_32k(self):
        self._check(1024, 32 * 1024)


if __name__ == "__main__":
    budget.main()
