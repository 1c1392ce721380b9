"""A budget of instructions for each pattern.

    tools/bazel test //tools/bench:budgets_test
    tools/bazel run //tools/bench:budgets_test -- --update

What memalloc executes for an operation, start and growth of the heap included,
may be 1.3 times what tests/budgets.txt says: enough for another compiler, too
little for a slow path that is taken too often. The fast paths themselves are
counted to the instruction by //testing/golden.
"""

import json
import os
import sys
import unittest

from tools.bench import bench
from tools.bench.driver import callgrind, patterns
from tools.bench.driver.model import PATTERN

TABLE = "tools/bench/tests/budgets.txt"
UPDATE = "tools/bazel run //tools/bench:budgets_test -- --update"
HEAD = """\
# Instructions inside memalloc.so for an operation, at a hundredth of the work,
# counted by callgrind: see budgets_test.py. Update by
#   %s
""" % UPDATE

BOUND = 1.3
_SCALE = 0.01
_TIMEOUT = 120.0

# How often these hand over depends on which thread comes first.
_LEFT_OUT = ("xmalloc-",)


def measure():
    """Pattern -> instructions for an operation."""
    binary = bench.data("tools/bench/workloads/workloads")
    counted = {}
    for job in patterns.Patterns(binary, "").jobs(_SCALE):
        if job.kind != PATTERN or job.name.startswith(_LEFT_OUT):
            continue
        finished, count = callgrind.run(
            [binary, "--workload=" + job.name, "--scale=%r" % job.scale],
            bench.data("memalloc/memalloc.so"),
            _TIMEOUT,
        )
        counted[job.name] = count / json.loads(finished.stdout)["ops"]
    return counted


def read_table(path):
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return {name: float(figure) for name, figure in lines}


def write_table(path, counted):
    with open(path, "w", encoding="ascii") as file:
        file.write(HEAD)
        for name, figure in counted.items():
            file.write("%-16s %8.1f\n" % (name, figure))


class BudgetsTest(unittest.TestCase):
    def test_every_pattern_keeps_to_its_budget(self):
        if not callgrind.is_installed():
            reason = "valgrind is not installed: apt-get install valgrind"
            print("skipped: " + reason)
            self.skipTest(reason)
        budgets, counted = read_table(bench.data(TABLE)), measure()
        for name, figure in counted.items():
            budget = budgets.get(name)
            print("%-16s %8.1f of %s" % (name, figure, budget))
            with self.subTest(name):
                self.assertIsNotNone(budget, "no budget: " + UPDATE)
                self.assertLessEqual(figure, BOUND * budget, UPDATE)
        self.assertEqual(sorted(budgets), sorted(counted), UPDATE)


def update():
    if not callgrind.is_installed():
        sys.exit("valgrind is not installed: apt-get install valgrind")
    root = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not root:
        sys.exit("call it by: " + UPDATE)
    write_table(os.path.join(root, TABLE), measure())


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        unittest.main(verbosity=2)
