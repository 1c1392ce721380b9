"""bash on memalloc.so: one long script of what shells allocate for.

Role: bash forks at every pipe and substitution, so that its children work on
in a copied heap, and it grows strings, arrays and hash tables all the time.

Invariants: data/work.bash prints a function of itself alone (no process
numbers, no times), so both sides are equal byte for byte. The programs it
starts inherit the preload and leave their lines as well.
Locking: none; bash has one thread and many processes.
"""

from testing.real_programs import real_program


class BashTest(real_program.RealProgramTest):
    def test_script(self):
        bash = self.program("bash", "bash")
        script = real_program.data("work.bash")

        def work(session):
            run = session.run(
                [bash, script, "one", "two words"],
                stdin=b"line of input\n" * 2000,
                min_peak=5_000_000,
                children=("sort", "cat", "tr"),
            )
            self.assertTrue(run.stdout.endswith(b"script is done\n"))
            return {"stdout": run.stdout, "stderr": run.stderr}

        self.assert_same(work)

    def test_error(self):
        bash = self.program("bash", "bash")

        def work(session):
            run = session.run([bash, "-c", "nothing-like-this"], status=127)
            return {"stderr": run.stderr}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
