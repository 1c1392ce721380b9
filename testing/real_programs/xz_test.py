"""xz -T2 on memalloc.so: worker threads with large buffers.

Role: every worker allocates tens of megabytes for its match finder, and
blocks travel from the threads that fill them to the one that writes.

Invariants: with a fixed block size the compressed file does not depend on
timing, so both sides are equal byte for byte; each side's file decompresses
to the input again.
Locking: none here; the threads are xz's own.
"""

import random

from testing.real_programs import real_program

_BYTES = 6 << 20


def _input() -> bytes:
    rng = random.Random(3)
    words = [rng.randbytes(rng.randrange(1, 12)) for _ in range(4000)]
    parts, size = [], 0
    while size < _BYTES:
        part = b"".join(rng.choices(words, k=2000)) + rng.randbytes(500)
        parts.append(part)
        size += len(part)
    return b"".join(parts)


class XzTest(real_program.RealProgramTest):
    def test_threads(self):
        xz = self.program("xz", "xz-utils")
        plain = _input()

        def work(session):
            packed = session.run(
                [xz, "-T2", "-4", "--block-size=1MiB", "-c"],
                stdin=plain,
                min_peak=50_000_000,
            ).stdout
            self.assertLess(len(packed), len(plain) * 3 // 4)
            file = session.dir / "packed.xz"
            file.write_bytes(packed)
            again = session.run([xz, "-T2", "-dc", file], min_peak=8_000_000)
            self.assert_equal("round trip", plain, again.stdout)
            listing = session.run([xz, "-lvv", "packed.xz"])
            self.assertIn(b"CRC64", listing.stdout)
            cut = file.read_bytes()[:-1000]
            broken = session.run([xz, "-T2", "-dc"], stdin=cut, status=1)
            return {
                "packed": packed,
                "listing": listing.stdout,
                "broken": broken.stderr,
            }

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
