"""stress-ng on memalloc.so: its allocator, memory, mapping and break stressors.

Role: stress-ng tries to break malloc (random sizes, calloc, realloc, aligned
forms, trims), moves the program break by itself, maps and unmaps, and checks
what it wrote (--verify).

Invariants: the work is a number of operations, not a time. A failed
verification is a status that is not 0.
Locking: none; the stressors are processes of their own.
"""

import re

from testing.real_programs import real_program

_STRESSORS = {
    "malloc": ("8000", "--malloc-bytes", "64M", "--malloc-pthreads", "2"),
    "vm": ("4000", "--vm-bytes", "32M"),
    "mmap": ("20", "--mmap-bytes", "16M"),
    "brk": ("100000",),
    "bigheap": ("2000", "--bigheap-growth", "64K"),
}


class StressNgTest(real_program.RealProgramTest):
    def test_stressors(self):
        stress_ng = self.program("stress-ng", "stress-ng")
        session = real_program.Session(self, real_program.MEMALLOC)
        for name, (operations, *options) in _STRESSORS.items():
            with self.subTest(name):
                run = session.run(
                    [
                        *(stress_ng, f"--{name}", "2"),
                        *(f"--{name}-ops", operations, *options),
                        *("--verify", "--metrics-brief", "--timeout", "120"),
                    ]
                )
                text = (run.stdout + run.stderr).decode(errors="replace")
                self.assertIn("successful run completed", text)
                self.assertNotIn("fail:", text)
                row = re.search(rf" {name} +(\d+) +([\d.]+) .*", text)
                self.assertIsNotNone(row, text)
                print(f"{name}: {row[1]} operations in {row[2]} s", flush=True)


if __name__ == "__main__":
    real_program.main()
