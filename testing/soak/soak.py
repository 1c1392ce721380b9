"""Everything at once, for as long as one likes:

    tools/bazel run //testing/soak -- --minutes=60

Role: two lanes of work run beside each other until the time is up. One is the
stress workloads in a single process (//testing/stress:soak: mailboxes between
threads that end and are replaced, pipelines, fork storms). The other takes in
turn fork and thread tests, and real programs on memalloc.so. Every one checks
the contents of its memory and ends with a status that is not 0 if they are
wrong.

Resident memory is bounded: the lanes' process trees are looked at twice a
second, and what the stress process has left after a round must not creep, from
the first half of its rounds to the second.

Invariants: a failure ends the soak, with the output of what failed; nothing is
left running. Ends with a table of what ran how often.
Locking: the lanes are processes; one loop here watches both.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_ROUND = re.compile(rb"^seed \d+: passed, (\d+) MiB resident$", re.MULTILINE)
_PAGE_SIZE = os.sysconf("SC_PAGESIZE")
_MIB = 1 << 20
_POLL_SECONDS = 0.5
# How much longer than asked for the last program of a lane may take.
_LAST_SECONDS = 900


class Failure(Exception):
    """Something went wrong; the message is for the user."""


def resident_bytes(roots):
    """Of the processes and all their descendants."""
    children, resident = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue  # it ended meanwhile
        parent = int(stat.rpartition(")")[2].split()[1])
        pid = int(folder.name)
        children.setdefault(parent, []).append(pid)
        resident[pid] = pages * _PAGE_SIZE
    total, left = 0, list(roots)
    while left:
        pid = left.pop()
        total += resident.get(pid, 0)
        left += children.get(pid, [])
    return total


def check_creep(rounds):
    """Whether the MiB left after each round stay what they were."""
    if len(rounds) < 8:
        return f"{len(rounds)} rounds: too few to see memory creep"
    half = len(rounds) // 2
    before = statistics.median(rounds[:half])
    after = statistics.median(rounds[half:])
    if after > before * 1.25 + 16:
        raise Failure(f"memory creeps: {before} MiB, then {after} MiB")
    return f"{len(rounds)} rounds; left after one: {before:g}, {after:g} MiB"


class Lane:
    """Commands that take turns, one at a time."""

    def __init__(self, commands, folder, environment):
        self._commands = commands
        self._environment = environment
        self._next = 0
        self._log = Path(folder) / f"{next(iter(commands))}.log"
        self.process = None
        self.runs = {}  # name: [runs, seconds]

    def start(self):
        """Starts the next one."""
        names = list(self._commands)
        self._name = names[self._next % len(names)]
        self._next += 1
        self._began = time.monotonic()
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                self._commands[self._name],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def has_ended(self):
        """Whether the running one ended; Failure if not well."""
        status = self.process.poll()
        if status is None:
            return False
        self.process = None
        row = self.runs.setdefault(self._name, [0, 0.0])
        row[0] += 1
        row[1] += time.monotonic() - self._began
        if status != 0:
            tail = self.output()[-4000:].decode(errors="replace")
            raise Failure(f"{self._name} ended with status {status}:\n{tail}")
        return True

    def output(self):
        """What the last one wrote."""
        return self._log.read_bytes()

    def kill(self):
        """Ends what still runs; real programs end with their test."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def run(lanes, end, max_resident):
    """Runs the lanes until the time `end`; their peak of resident memory."""
    peak = 0
    for lane in lanes:
        lane.start()
    while any(lane.process for lane in lanes):
        time.sleep(_POLL_SECONDS)
        running = [lane for lane in lanes if lane.process]
        resident = resident_bytes(lane.process.pid for lane in running)
        peak = max(peak, resident)
        if resident > max_resident:
            raise Failure(f"{resident // _MIB} MiB resident")
        for lane in running:
            if lane.has_ended() and time.monotonic() < end:
                lane.start()
        if time.monotonic() > end + _LAST_SECONDS:
            raise Failure("it hangs")
    return peak


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max_resident_mib", type=int, default=3072)
    parser.add_argument("--library", required=True, help="memalloc.so")
    parser.add_argument("--stress", required=True)
    parser.add_argument("--program", action="append", required=True)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    environment = dict(os.environ)
    environment["LIBRARY_UNDER_TEST"] = os.path.abspath(arguments.library)
    # Python programs among them find their runfiles by their own path.
    environment.pop("RUNFILES_DIR", None)
    stress = [
        *(os.path.abspath(arguments.stress), f"--minutes={arguments.minutes}"),
        *(f"--threads={arguments.threads}", f"--seed={arguments.seed}"),
    ]
    programs = {
        name: [os.path.abspath(path), *words]
        for name, path, *words in (p.split(",") for p in arguments.program)
    }
    start = time.monotonic()
    end = start + arguments.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        lanes = [
            Lane({"stress": stress}, folder, environment),
            Lane(programs, folder, environment),
        ]
        try:
            peak = run(lanes, end, arguments.max_resident_mib * _MIB)
            rounds = [int(mib) for mib in _ROUND.findall(lanes[0].output())]
            creep = check_creep(rounds)
        except Failure as failure:
            print(f"soak: FAILED: {failure}")
            return 1
        finally:
            for lane in lanes:
                lane.kill()
    for lane in lanes:
        for name, (count, seconds) in lane.runs.items():
            print(f"{name:<20} {count:>6} runs {seconds:>8.0f} s")
    print(f"stress: {creep}")
    print(f"at most {peak // _MIB} MiB resident in all")
    print(f"soak: passed, {(time.monotonic() - start) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
