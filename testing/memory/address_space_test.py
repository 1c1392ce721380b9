"""Address space: giving back makes no mappings, and nothing is reserved.

10,000 times memory given back adds at most 8 mappings. A growing heap maps
little more than it uses, so that a limit on the address space at twice the peak
is enough, and so is a kernel that does not overcommit.
"""

from testing.memory import budget

_CYCLES = 10_000
_NEW_MAPPINGS = 8
_OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
# What a process maps and does not use, whatever it does: libraries, the map of
# addresses (8 MiB), what lies below the first arena (16 MiB), a step of growth
# (16 MiB), and the rest of a huge block's last slot.
_FIXED = 48 * budget.MIB


class AddressSpaceTest(budget.BudgetTest):
    def test_purges(self):
        names = [budget.MEMALLOC, *budget.peers_for_the_record()]
        runs = {name: self.measure(name, "purges", _CYCLES) for name in names}
        self.show(
            f"Mappings, memory given back {_CYCLES} times",
            {name: dict(figures) for name, figures in runs.items()},
        )
        ours = runs[budget.MEMALLOC]
        self.assertGreater(ours["gave_back"], _CYCLES // 2)
        self.assertLessEqual(ours["most"] - ours["before"], _NEW_MAPPINGS)

    def _show_growth(self, title, runs):
        keys = ("live", "peak", "mapped", "private_mapped", "most_unused")
        self.show(
            title,
            {n: {k: budget.mib(f[k]) for k in keys} for n, f in runs.items()},
        )

    def test_no_reserve(self):
        for size in (1, 64, 512):
            with self.subTest(mib=size):
                names = [budget.MEMALLOC, *budget.peers_for_the_record()]
                runs = {n: self.measure(n, "grow", size) for n in names}
                self._show_growth(f"A heap that grows to {size} MiB", runs)
                ours = runs[budget.MEMALLOC]
                bound = _FIXED + ours["live"] // 16
                self.assertLessEqual(ours["most_unused"], bound)

    def test_limit(self):
        for size in (32, 256):
            with self.subTest(mib=size):
                peak = self.measure(budget.MEMALLOC, "grow", size)["peak"]
                ours = self.measure(budget.MEMALLOC, "limit", size, 2 * peak)
                self._show_growth(
                    f"{size} MiB under ulimit -v {2 * peak // budget.KIB}",
                    {budget.MEMALLOC: ours},
                )

    def test_no_overcommit(self):
        """Changes the machine for a second: run it alone, as root."""
        with open(_OVERCOMMIT, encoding="ascii") as file:
            before = file.read()
        try:
            self._set_overcommit("2")
        except OSError as error:
            self.skip(f"{_OVERCOMMIT} cannot be set: {error}")
        try:
            self.assertEqual("2\n", self._overcommit())
            ours = self.measure(budget.MEMALLOC, "grow", 512)
        finally:
            self._set_overcommit(before.strip())
        self._show_growth(
            "512 MiB with vm.overcommit_memory=2", {budget.MEMALLOC: ours}
        )

    def _overcommit(self) -> str:
        with open(_OVERCOMMIT, encoding="ascii") as file:
            return file.read()

    def _set_overcommit(self, value: str) -> None:
        with open(_OVERCOMMIT, "w", encoding="ascii") as file:
            file.write(value)


if __name__ == "__main__":
    budget.main()
