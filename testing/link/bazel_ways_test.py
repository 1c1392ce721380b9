"""Runs programs that name memalloc in each of the ways that Bazel offers.

`deps`, `malloc =` and --custom_malloc must all lead to a program whose memory
is memalloc's, dynamic and fully static; the same program that names none of
them runs on libc, which shows that the others are what makes the difference.

In a user's build with a sanitizer memalloc steps aside: the library is empty,
and the same program runs, on the sanitizer's malloc.

Each argument is PROGRAM=EXPECTED, the program's first words of output. They
come from BUILD, where which_malloc.c and all_names.cc are linked.
"""

import os
import subprocess
import sys
import unittest


class BazelWaysTest(unittest.TestCase):
    """The test cases are added by main, one a program."""

    def check(self, program, expected):
        result = subprocess.run(
            [os.path.abspath(program)],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertTrue(result.stdout.startswith(expected), result.stdout)


def main():
    for argument in sys.argv[1:]:
        program, expected = argument.split("=")
        name = f"test_{os.path.basename(program)}"

        def method(self, program=program, expected=expected):
            self.check(program, expected)

        setattr(BazelWaysTest, name, method)
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
