"""Runs a real program on libc and on memalloc.so and compares what it did.

Role: the part that every test of this folder shares. A test derives from
RealProgramTest and hands assert_same() a function that does the work on one
Session (one allocator: the program as installed, or with memalloc.so
preloaded) and returns what must be equal on both.

Invariants: a program that ran under memalloc has proved it, or the test
fails. The proof is the line that memalloc.so appends to MEMALLOC_STATS_FILE
when a process ends, matched by process id; a server shows its mappings too
(server.py). Programs start in their own session with an environment made
here, so that nothing of the caller's shell takes part, and are killed with
all their children when a test ends, fails or is terminated.
Locking: none; programs are started from the main thread.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Union

LIBC = "libc"
MEMALLOC = "memalloc"

# Where Debian keeps servers; a user's PATH often leaves these out.
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

# What no run may print: the allocator's own complaints, and the loader's when
# it could not preload.
_COMPLAINTS = (b"memalloc: ", b"ERROR: ld.so:")

Results = Dict[str, Union[bytes, str, int, list, dict, None]]
Argument = Union[str, Path]

_live_groups = set()


class Run(NamedTuple):
    """One finished program."""

    status: int
    stdout: bytes
    stderr: bytes
    # One dictionary per process that ended on memalloc; empty on libc.
    stats: List[Dict[str, str]]


def library() -> str:
    """The absolute path of memalloc.so, as /proc/PID/maps shows it."""
    named = os.environ.get("LIBRARY_UNDER_TEST")
    if not named:
        raise RuntimeError("LIBRARY_UNDER_TEST is not set: run this by Bazel")
    path = os.path.realpath(named)
    if not os.path.isfile(path):
        raise RuntimeError(f"LIBRARY_UNDER_TEST: there is no {path}")
    if " " in path or ":" in path:
        raise RuntimeError(f"LD_PRELOAD cannot name {path}")
    return path


def preloads() -> str:
    """The value of LD_PRELOAD: memalloc.so, and what a test adds to it."""
    named = os.environ.get("PRELOADED_TOO", "")
    return " ".join([library(), *map(os.path.realpath, named.split())])


def data(name: str) -> Path:
    """A file of the folder data/."""
    return Path(os.path.abspath(__file__)).parent / "data" / name


def kill_group(process: subprocess.Popen) -> None:
    """Ends a program and its children, and reaps it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    _live_groups.discard(process.pid)


def parse_stats(path: Path) -> List[Dict[str, str]]:
    """The lines that processes appended at their end."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [dict(item.split("=", 1) for item in s.split(" ")) for s in lines]


class Session:
    """One allocator's side of a comparison, with a directory of its own."""

    def __init__(self, test: "RealProgramTest", allocator: str, suffix=""):
        self.test = test
        self.allocator = allocator
        self._name = allocator + suffix
        self.dir = test.dir / self._name
        (self.dir / "tmp").mkdir(parents=True)
        (test.dir / "stats").mkdir(exist_ok=True)
        self._runs = 0

    def _environment(self, extra: Optional[Dict[str, str]]) -> Dict[str, str]:
        env = {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.dir),
            "TMPDIR": str(self.dir / "tmp"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        env.update(extra or {})
        return env

    def popen(self, argv: Sequence[Argument], env=None, **options):
        """Starts argv on the allocator; returns it and its stats file."""
        self._runs += 1
        name = f"{self._name}-{self._runs}"
        stats_file = self.test.dir / "stats" / name
        environment = self._environment(env)
        environment["MEMALLOC_STATS_FILE"] = str(stats_file)
        if self.allocator == MEMALLOC:
            environment["LD_PRELOAD"] = preloads()
        options.setdefault("cwd", self.dir)
        process = subprocess.Popen(
            [str(a) for a in argv],
            env=environment,
            start_new_session=True,
            **options,
        )
        _live_groups.add(process.pid)
        self.test.addCleanup(kill_group, process)
        return process, stats_file

    def run(
        self,
        argv: Sequence[Argument],
        stdin: bytes = b"",
        status: int = 0,
        min_peak: int = 1,
        children: Sequence[str] = (),
        timeout: float = 300,
        **options,
    ) -> Run:
        """Runs argv to its end; it must exit with `status`.

        On memalloc, argv's own process must have had blocks of at least
        `min_peak` bytes in use at its peak, and every name in `children` must
        be a program that ended on memalloc too. A peak says something about
        the program's own work where it is well above the 1 to 3 MB of blocks,
        one of each size class, that the smallest program has.
        """
        pipe = subprocess.PIPE
        process, stats_file = self.popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, **options
        )
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            kill_group(process)
            self.test.fail(f"{self._label(argv)} hung: {timeout} s are over")
        self.check_output(argv, process.returncode, status, out, err)
        stats = self.check_proof(argv, process.pid, stats_file, min_peak)
        if self.allocator == MEMALLOC:
            seen = {s["program"] for s in stats if s["peak_bytes"] != "0"}
            for child in children:
                self.test.assertIn(child, seen, self._label(argv))
        kill_group(process)
        return Run(process.returncode, out, err, stats)

    def _label(self, argv: Sequence[Argument]) -> str:
        command = " ".join(str(a) for a in argv)
        return f"[on {self.allocator}] {command[:300]}"

    def check_output(self, argv, status, wanted, out, err) -> None:
        """A program ended as it should and said nothing of an allocator."""
        tail = err[-2000:].decode(errors="replace")
        if status != wanted:
            how = f"ended with status {status}, not {wanted}"
            if status < 0:
                how = f"died of {signal.Signals(-status).name}"
            text = out[-1000:].decode(errors="replace")
            self.test.fail(
                f"{self._label(argv)} {how}\nstderr: {tail}\nstdout: {text}"
            )
        for complaint in _COMPLAINTS:
            if complaint in err:
                self.test.fail(f"{self._label(argv)} complained: {tail}")

    def check_proof(self, argv, pid, stats_file, min_peak=1):
        """Process `pid` ended on this session's allocator; all its lines."""
        stats = parse_stats(stats_file)
        label = self._label(argv)
        if self.allocator == LIBC:
            self.test.assertEqual([], stats, label)
            return stats
        own = [line for line in stats if line["pid"] == str(pid)]
        self.test.assertEqual(
            1, len(own), f"{label}: lines of process {pid} in {stats}"
        )
        self.test.assertGreaterEqual(int(own[0]["peak_bytes"]), min_peak, label)
        return stats


class RealProgramTest(unittest.TestCase):
    """A test of one program."""

    def setUp(self):
        super().setUp()
        parent = os.environ.get("TEST_TMPDIR")
        self.dir = Path(tempfile.mkdtemp(prefix="real-", dir=parent))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def program(self, name: str, package: str) -> str:
        """The path of a program that tools/bazel installs for tests."""
        found = shutil.which(name, path=SYSTEM_PATH)
        if not found:
            self.fail(f"{name} is not installed: apt-get install {package}")
        return found

    def optional_program(self, name: str, package: str) -> str:
        """The path of a program too heavy to install for a test."""
        found = shutil.which(name, path=SYSTEM_PATH)
        if not found:
            self.skip(f"{name} is not installed (apt-get install {package})")
        return found

    def skip(self, reason: str) -> None:
        """Skips this test, with a reason that shows in every kind of log."""
        print(f"SKIPPED {self.id()}: {reason}", flush=True)
        self.skipTest(reason)

    def assert_same(self, work: Callable[[Session], Results]) -> None:
        """`work` gives the same results on libc and on memalloc."""
        on_libc = work(Session(self, LIBC))
        on_memalloc = work(Session(self, MEMALLOC))
        self.assertEqual(list(on_libc), list(on_memalloc))
        for name, wanted in on_libc.items():
            self.assert_equal(name, wanted, on_memalloc[name])

    def assert_equal(self, name, wanted, got) -> None:
        """Equality that names the first difference of long texts only."""
        if wanted == got:
            return
        text = isinstance(wanted, (bytes, str))
        if not text or type(wanted) is not type(got):
            self.fail(f"{name}: libc {wanted!r:.500}, memalloc {got!r:.500}")
        pairs = enumerate(zip(wanted, got))
        at = next(
            (i for i, (a, b) in pairs if a != b), min(len(wanted), len(got))
        )
        near = slice(max(0, at - 60), at + 60)
        self.fail(
            f"{name} differs at offset {at}: "
            f"libc {wanted[near]!r} (of {len(wanted)}), "
            f"memalloc {got[near]!r} (of {len(got)})"
        )


def _terminated(number, _frame):
    # Not an exception: unittest would skip the clean-ups or swallow it.
    for group in list(_live_groups):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os._exit(128 + number)


def main() -> None:
    """Runs the tests of the calling module."""
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, _terminated)
    library()
    unittest.main(module=sys.modules["__main__"], verbosity=2)
