"""g++ on memalloc.so compiles memalloc: the same objects as on libc.

Role: a compiler is the heaviest program that most machines have. All sources
of the library are compiled with its own options, on both allocators.

Invariants: nothing dated or random enters, so that each object is equal byte
for byte; every cc1plus has proved that it ran on memalloc.
Locking: none; one compilation after the other.
"""

import json
import sys
import time
from pathlib import Path

from testing.real_programs import real_program

_MANIFEST = Path("testing/link/memalloc_sources.json")


class GxxSelfTest(real_program.RealProgramTest):
    def test_objects_are_equal(self):
        gxx = self.program("g++", "g++")
        compilations = json.loads(_MANIFEST.read_text(encoding="utf-8"))
        self.assertGreater(len(compilations), 30)

        def work(session):
            objects = {}
            start = time.monotonic()
            for one in compilations:
                target = session.dir / "object.o"
                session.run(
                    [
                        *(gxx, *one["options"], "-I.", "-frandom-seed=1"),
                        *("-c", one["source"], "-o", target),
                    ],
                    cwd=Path.cwd(),
                    children=("cc1plus", "as"),
                )
                objects[one["source"]] = target.read_bytes()
            seconds = time.monotonic() - start
            print(
                f"on {session.allocator}: {len(objects)} objects of "
                f"{sum(map(len, objects.values()))} bytes in {seconds:.0f} s",
                file=sys.stderr,
            )
            return objects

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
