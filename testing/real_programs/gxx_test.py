"""g++ on memalloc.so: compiles and links a large program of templates.

Role: the compiler proper grows a garbage-collected heap by itself and uses
malloc for everything else: hash tables, bitmaps, symbol names, diagnostics.

Invariants: the source, its relative name and the options are the same on
both sides, and nothing random or dated enters, so the assembly, the object
and the executable are equal byte for byte. Each side then runs what it
compiled, on its own allocator. Every process that the driver starts must be
on memalloc.
Locking: none; one process after the other.
"""

import shutil

from testing.real_programs import real_program


class GxxTest(real_program.RealProgramTest):
    def test_compile(self):
        gxx = self.program("g++", "g++")

        def work(session):
            name = "stl_program.cc"
            shutil.copy(real_program.data(name), session.dir / name)
            options = ["-std=c++17", "-Wall", "-Wextra"]
            common = {"env": {"LC_ALL": "C"}}
            session.run(
                [gxx, *options, "-O1", "-c", name, "-o", "program.o"],
                children=("cc1plus", "as"),
                **common,
            )
            session.run(
                [gxx, "program.o", "-o", "program"],
                children=("collect2", "ld"),
                **common,
            )
            ran = session.run([session.dir / "program"])
            self.assertTrue(ran.stdout.endswith(b"done\n"), ran.stdout)
            return {
                "object": (session.dir / "program.o").read_bytes(),
                "program": (session.dir / "program").read_bytes(),
                "output": ran.stdout,
            }

        self.assert_same(work)

    def test_diagnostics(self):
        gxx = self.program("g++", "g++")
        source = (
            b"#include <algorithm>\n#include <list>\n#include <map>\n"
            b"std::map<int, std::list<int>> m;\n"
            b"int main() {\n"
            b"  std::sort(m.begin(), m.end());\n"
            b"  return undeclared;\n"
            b"}\n"
        )

        def work(session):
            run = session.run(
                [gxx, "-xc++", "-fsyntax-only", "-"],
                stdin=source,
                status=1,
                children=("cc1plus",),
            )
            self.assertIn(b"undeclared", run.stderr)
            return {"stderr": run.stderr}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
