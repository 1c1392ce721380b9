"""java on memalloc.so; skipped where there is no JDK.

Role: the JVM keeps its objects in mappings of its own, but its compilers,
class metadata, thread structures, zlib and direct buffers come from malloc,
from many native threads at once. Compiling the source first (java runs a
single source file) makes the JIT compilers work hard.

Invariants: data/Work.java prints a function of itself alone, so both sides
are equal byte for byte. A JDK is too large to install for a test: where it is
absent, or java comes without a compiler, the test is skipped and says so.
Locking: none here; the threads are in the program.
"""

import subprocess

from testing.real_programs import real_program


class JavaTest(real_program.RealProgramTest):
    def test_program(self):
        package = "default-jdk-headless"
        java = self.optional_program("java", package)
        modules = subprocess.run(
            [java, "--list-modules"], capture_output=True, check=False
        )
        if b"jdk.compiler" not in modules.stdout:
            self.skip(f"{java} has no compiler (apt-get install {package})")

        def work(session):
            run = session.run(
                [
                    *(java, "-Xmx256m", "-XX:-UsePerfData"),
                    real_program.data("Work.java"),
                ],
                min_peak=20_000_000,
            )
            self.assertTrue(run.stdout.endswith(b"done\n"), run.stdout)
            return {"stdout": run.stdout, "stderr": run.stderr}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
