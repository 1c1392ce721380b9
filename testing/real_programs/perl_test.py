"""perl on memalloc.so: strings, hashes, closures, regular expressions.

Role: an interpreter that counts references, so memory is returned the
moment the last one goes, and that grows strings and tables by realloc.

Invariants: hash order is fixed by PERL_HASH_SEED, and data/work.pl prints
digests of what it built, so both sides are equal byte for byte. Perl frees
its whole heap at the end (PERL_DESTRUCT_LEVEL), which walks every object.
Locking: none; one process, and children that it forks.
"""

from testing.real_programs import real_program


class PerlTest(real_program.RealProgramTest):
    def test_script(self):
        perl = self.program("perl", "perl")

        def work(session):
            run = session.run(
                [perl, real_program.data("work.pl")],
                min_peak=30_000_000,
                env={"PERL_HASH_SEED": "0", "PERL_DESTRUCT_LEVEL": "2"},
            )
            self.assertTrue(run.stdout.endswith(b"done\n"), run.stdout)
            if session.allocator == real_program.MEMALLOC:
                self.assertEqual(1 + 4, len(run.stats), "forked children")
            return {"stdout": run.stdout, "stderr": run.stderr}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
