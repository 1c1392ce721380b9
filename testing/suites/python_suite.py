"""CPython's own tests on memalloc.so: modules of its package `test`.

Role: runs each module named on the command line by CPython's own runner, and
prints how many tests it had and how long they took. PYTHONMALLOC=malloc sends
every object to malloc; CPython's own allocator would keep the small ones.

Invariants: the interpreter has proved that it ran on memalloc. A module that
fails is run again on libc: what fails there too is no fault of memalloc's and
is skipped, with that reason.
Locking: none; one module after the other.
"""

import os
import re
import sys
import time

from testing.real_programs import real_program

MODULES = sys.argv[1:]
_SUITE = "/usr/lib/python3.11/test"
_RAN = re.compile(rb"^Ran (\d+) tests? in", re.MULTILINE)
_SECONDS = 1200


class PythonSuite(real_program.RealProgramTest):
    """One test a module; they are added below."""

    def run_module(self, allocator, module):
        """The number of tests that passed; fails if one did not."""
        session = real_program.Session(self, allocator, "-" + module)
        run = session.run(
            [sys.executable, "-B", "-m", "test", "-v", module],
            env={"PYTHONMALLOC": "malloc"},
            min_peak=1_000_000,
            timeout=_SECONDS,
        )
        return sum(map(int, _RAN.findall(run.stdout + run.stderr)))

    def check_module(self, module):
        if not os.path.isdir(_SUITE):
            self.fail("apt-get install libpython3.11-testsuite")
        start = time.monotonic()
        try:
            tests = self.run_module(real_program.MEMALLOC, module)
        except self.failureException as failure:
            try:
                self.run_module(real_program.LIBC, module)
            except self.failureException:
                self.skip(f"fails on libc too: {failure}")
            raise
        seconds = time.monotonic() - start
        self.assertGreater(tests, 0, module)
        print(f"{module}: {tests} tests in {seconds:.0f} s", flush=True)


def _add(module):
    setattr(PythonSuite, module, lambda self: self.check_module(module))


for _module in MODULES:
    _add(_module)

if __name__ == "__main__":
    if not MODULES:
        sys.exit("name modules of Python's package test, such as test_gc")
    # unittest takes arguments for names of tests of its own.
    del sys.argv[1:]
    real_program.main()
