"""A model of a key-value server: no larger than on jemalloc.

Nine of ten keys are deleted at random and replaced by values of other sizes,
ten times. RSS over live data, summed over the rounds, is compared with
jemalloc's in the same run.
"""

import os

from testing.memory import budget

_ROUNDS = 10


class ServerTest(budget.BudgetTest):
    def test_model(self):
        if not budget.installed(["jemalloc"]):
            self.skip(budget.find("jemalloc")[1])
        keys = os.environ["SERVER_KEYS"]
        names = [budget.MEMALLOC, "jemalloc"]
        names += [n for n in budget.peers_for_the_record() if n not in names]
        runs = {name: self.measure(name, keys, _ROUNDS) for name in names}
        ratio = {n: f["rss_sum"] / f["live_sum"] for n, f in runs.items()}
        self.show(
            f"A server of {keys} keys, {_ROUNDS} rounds",
            {
                name: {
                    "live at the end": budget.mib(figures["live"]),
                    "RSS": budget.mib(figures["rss"]),
                    "RSS / live, mean": f"{ratio[name]:.3f}",
                }
                for name, figures in runs.items()
            },
        )
        self.assertLessEqual(ratio[budget.MEMALLOC], ratio["jemalloc"])


if __name__ == "__main__":
    budget.main()
