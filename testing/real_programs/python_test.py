"""CPython on memalloc.so: json, threads, multiprocessing.

Role: a garbage-collected interpreter whose own small-object allocator sits
on malloc. It runs twice: as it is, and with PYTHONMALLOC=malloc, which sends
every single object to malloc.

Invariants: data/work.py prints digests that depend on nothing but itself;
hash randomisation is off. Children of both start methods take part: forked
ones work in a copied heap while the parent has threads' memory about, spawned
ones end normally and leave a line each.
Locking: none here; the threads are in the script.
"""

import sys

from testing.real_programs import real_program

# Two spawned workers and the resource tracker that multiprocessing starts.
_SPAWNED = 3


class PythonTest(real_program.RealProgramTest):
    def _run(self, session, min_peak, **env):
        run = session.run(
            [sys.executable, "-B", "-s", real_program.data("work.py")],
            min_peak=min_peak,
            env={"PYTHONHASHSEED": "0", **env},
        )
        if session.allocator == real_program.MEMALLOC:
            self.assertGreaterEqual(len(run.stats), 1 + _SPAWNED, run.stats)
        self.assertTrue(run.stdout.endswith(b"done\n"), run.stdout)
        return {"stdout": run.stdout, "stderr": run.stderr}

    def test_as_it_is(self):
        self.assert_same(lambda s: self._run(s, 10_000_000))

    def test_every_object_on_malloc(self):
        self.assert_same(
            lambda s: self._run(s, 20_000_000, PYTHONMALLOC="malloc")
        )


if __name__ == "__main__":
    real_program.main()
