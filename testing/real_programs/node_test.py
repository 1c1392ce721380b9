"""node with worker threads on memalloc.so; skipped where node is absent.

Role: V8 keeps JavaScript objects in mappings of its own, but everything
native (compiler zones, buffers, zlib streams, the workers' isolates, libuv)
comes from malloc, and workers come and go as threads.

Invariants: data/work.js prints digests in the order of the tasks, so both
sides are equal byte for byte. Node is too large to install for a test: where
it is absent, the test is skipped and says so.
Locking: none here; the workers are in the script.
"""

from testing.real_programs import real_program


class NodeTest(real_program.RealProgramTest):
    def test_workers(self):
        node = self.optional_program("node", "nodejs")

        def work(session):
            run = session.run(
                [node, real_program.data("work.js")], min_peak=50_000_000
            )
            self.assertTrue(run.stdout.endswith(b"done\n"), run.stdout)
            return {"stdout": run.stdout, "stderr": run.stderr}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
