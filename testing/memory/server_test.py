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
        keys = os.environ["SERVER_KEYS"]
        self.no_larger_than_jemalloc(
            f"A server of {keys} keys, {_ROUNDS} rounds",
            lambda names: {n: self.measure(n, keys, _ROUNDS) for n in names},
        )


if __name__ == "__main__":
    budget.main()
