"""The sqlite3 shell on memalloc.so: tables, indexes, joins, vacuum.

Role: a database with its own page cache on malloc, and many short-lived
blocks of the parser, the sorter and the expression evaluator.

Invariants: data/work.sql uses no clock and no random source, so the output
is equal byte for byte on both sides, and so is a dump of the whole database;
the database that memalloc wrote is then read by the shell on libc.
Locking: none; PRAGMA threads gives the sorter helper threads.
"""

import subprocess

from testing.real_programs import real_program


class SqliteTest(real_program.RealProgramTest):
    def test_shell(self):
        sqlite = self.program("sqlite3", "sqlite3")
        script = real_program.data("work.sql").read_bytes()

        def work(session):
            database = session.dir / "work.db"
            run = session.run(
                [sqlite, "-bail", database], stdin=script, min_peak=10_000_000
            )
            self.assertIn(b"integrity|ok\n", run.stdout)
            dump = session.run([sqlite, database, ".dump"])
            self.assertGreater(len(dump.stdout), 5_000_000)
            on_libc = subprocess.run(
                [sqlite, database, ".dump"], capture_output=True, check=True
            )
            self.assert_equal("read by libc", dump.stdout, on_libc.stdout)
            return {
                "stdout": run.stdout,
                "stderr": run.stderr,
                "dump": dump.stdout,
            }

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
