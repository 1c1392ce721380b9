"""GNU ls on memalloc.so: one tree, listed in every way that allocates.

Role: the smallest real program, and the one where the start-up of a
preloaded allocator shows most: locale, name service and colour tables are
read before main's own work.

Invariants: both sides list the very same tree, so their output is equal byte
for byte, inode numbers and time stamps included. Names are long, sparse in
ASCII and many enough that ls regrows its tables several times.
Locking: none; one process a listing.
"""

import os
import random

from testing.real_programs import real_program

_FOLDERS = 12
_FILES = 250


class LsTest(real_program.RealProgramTest):
    def _make_tree(self):
        rng = random.Random(1)
        tree = self.dir / "tree"
        for number in range(_FOLDERS):
            folder = tree / f"folder {number} ä"
            folder.mkdir(parents=True)
            for file in range(_FILES):
                name = f"{file}-{'ñx日 ' * rng.randrange(1, 12)}{file % 7}.txt"
                path = folder / name
                path.write_bytes(b"x" * rng.randrange(3000))
                os.utime(path, (file, rng.randrange(2**31)))
            (folder / "link").symlink_to("../nowhere")
            (folder / "run").write_text("#!/bin/sh\n")
            (folder / "run").chmod(0o755)
        return tree

    def test_listings(self):
        ls = self.program("ls", "coreutils")
        tree = self._make_tree()
        listings = {
            "long": ["-lAR", "--time-style=full-iso"],
            "columns": ["-C", "-R", "-w", "200", "--quoting-style=c"],
            "colours": ["-lR", "--color=always", "-i", "-F"],
            "by version": ["-vR1", "--group-directories-first"],
            "by size": ["-lShR", "-n"],
            "by time": ["-tR", "-m"],
        }

        def work(session):
            results = {}
            for name, options in listings.items():
                run = session.run([ls, *options, tree])
                self.assertGreater(run.stdout.count(b".txt"), 2000)
                results[name] = run.stdout
            missing = session.run([ls, "nowhere"], status=2)
            results["missing"] = missing.stderr
            return results

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
