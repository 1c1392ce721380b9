"""Tests of how instructions are read from a profile."""

import unittest

from tools.bench.driver import callgrind

# The library's main part calls itself and libc; a name stands once in full.
PROFILE = """\
# callgrind format
events: Ir
positions: line

ob=(1) /bin/program
fn=(1) main
0 100
cob=(2) /x/memalloc.so
cfn=(2) malloc
calls=3 0
0 60

ob=(2)
fn=(2)
0 20
+3 10
cfn=(3) refill
calls=1 0
* 30

fn=(3)
0 7
cob=(3) /lib/libc.so.6
cfn=(4) memset
calls=1 0
0 23

ob=(3)
fn=(4)
0 23

totals: 160
"""


class CallgrindTest(unittest.TestCase):
    def test_an_object_s_own_instructions(self):
        for name, count in (
            ("program", 100),
            ("memalloc.so", 37),
            ("libc.so.6", 23),
            ("other.so", 0),
        ):
            found = callgrind.instructions_in(PROFILE, name)
            self.assertEqual(found, count, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
