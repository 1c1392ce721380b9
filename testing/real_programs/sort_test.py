"""GNU sort on memalloc.so: threads, spilled runs and merges.

Role: sort allocates one large buffer and splits the work over threads, and
with a small buffer it spills runs to files, through a compressor that it
forks, and merges them again.

Invariants: every listing is a function of the input alone (random order has
its random source given), so both sides are equal byte for byte; and the
main one is checked against Python's own sort, so that two equal wrong
answers do not pass.
Locking: none; one process a run.
"""

import random

from testing.real_programs import real_program

_LINES = 120_000


def _input() -> bytes:
    rng = random.Random(2)
    words = [
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=k))
        for k in range(1, 60)
        for _ in range(20)
    ]
    return "".join(
        f"{rng.choice(words)} {rng.randrange(10**9)} {rng.choice(words)}\n"
        for _ in range(_LINES)
    ).encode()


class SortTest(real_program.RealProgramTest):
    def test_sort(self):
        sort = self.program("sort", "coreutils")
        self.program("gzip", "gzip")
        text = _input()
        source = self.dir / "input"
        source.write_bytes(text)
        c_locale = {"LC_ALL": "C"}

        def work(session):
            def run(*options, **more):
                argv = [sort, "--parallel=2", *options]
                return session.run(argv, **more).stdout

            results = {
                "from stdin": run(stdin=text, env=c_locale),
                "spilled": run("-S", "1M", source, env=c_locale),
                "compressed": run(
                    "-S", "2M", "--compress-program=gzip", source
                ),
                "keys": run(
                    "-k2,2nr", "-k1,1", source, min_peak=len(text)
                ),
                "folded": run("-f", "-u", "-k3,3", source),
                "random": run("-R", f"--random-source={source}", source),
            }
            half = session.dir / "half"
            half.write_bytes(results["from stdin"])
            results["merged"] = run("-m", half, half, env=c_locale)
            return results

        self.assert_same(work)

    def test_order(self):
        sort = self.program("sort", "coreutils")
        text = _input()
        wanted = b"".join(sorted(text.splitlines(keepends=True)))

        def work(session):
            run = session.run([sort], stdin=text, env={"LC_ALL": "C"})
            self.assert_equal("sorted by Python", wanted, run.stdout)
            return {"sorted": run.stdout}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
