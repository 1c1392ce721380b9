"""Servers on loopback, for the tests of redis, memcached and nginx.

Role: starts a server on a free port of 127.0.0.1, waits until it listens,
proves by /proc/PID/maps which allocator it runs on, and stops it.

Invariants: readiness is read from /proc (a listening socket on that port
whose inode is among the server's descriptors), so a foreign server that took
the port in between is never mistaken for ours; only then is another port
tried, and any other early end fails the test. stop() checks exit status,
stderr and the stats line; a server that is not stopped is killed with its
children by the test's clean-up.
Locking: none. Used by the tests that own a server.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, List, Sequence, Set

from testing.real_programs import real_program

_LISTEN = "0A"
_START_SECONDS = 60
_PORTS_TO_TRY = 5


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(test, what: str, condition: Callable[[], bool]) -> None:
    """Polls until condition() holds; a bound against hanging, no timing."""
    end = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > end:
            test.fail(f"not so after {_START_SECONDS} s: {what}")
        time.sleep(0.02)


def _listening_inodes(port: int) -> Set[str]:
    """Inodes of the sockets that listen on `port` (see proc(5), net/tcp)."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        address, state, inode = fields[1], fields[3], fields[9]
        if state == _LISTEN and int(address.split(":")[1], 16) == port:
            inodes.add(inode)
    return inodes


def _socket_inodes(pid: int) -> Set[str]:
    inodes = set()
    folder = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(folder):
            link = os.readlink(f"{folder}/{name}")
            if link.startswith("socket:["):
                inodes.add(link[len("socket:[") : -1])
    except OSError:
        # It ended, or closed a descriptor meanwhile: ask again later.
        return set()
    return inodes


def mapped_files(pid: int) -> Set[str]:
    """The files that process `pid` maps."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    rows = (line.split(maxsplit=5) for line in maps.splitlines())
    return {row[5] for row in rows if len(row) == 6}


def children(pid: int) -> List[int]:
    """The processes whose parent is `pid`."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{name}/stat").read_text()
        except OSError:
            # It ended while we were looking.
            continue
        # Fields after the name, which may contain anything: state, parent.
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(int(name))
    return found


class Server:
    """A running server. `argv_for_port` gives its command line."""

    def __init__(
        self,
        session: real_program.Session,
        argv_for_port: Callable[[int], Sequence[real_program.Argument]],
        **options,
    ):
        self.session = session
        self.test = session.test
        for _ in range(_PORTS_TO_TRY):
            self.port = free_port()
            self.argv = argv_for_port(self.port)
            if self._start(options):
                self._stopping = False
                self.test.addCleanup(self._report)
                self.assert_allocator(self.process.pid)
                return
        self.test.fail(f"{_PORTS_TO_TRY} ports were taken: {self.argv}")

    def _start(self, options) -> bool:
        """Starts it; False if somebody else got the port first."""
        self._log = self.session.dir / f"server-{self.port}.log"
        with open(self._log, "wb") as log:
            self.process, self._stats_file = self.session.popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **options,
            )
        wait_until(
            self.test,
            f"{self.argv[0]} listens: {self._log.read_bytes()!r}",
            lambda: self.listens() or self.process.poll() is not None,
        )
        status = self.process.poll()
        if status is None:
            return True
        real_program.kill_group(self.process)
        log = self._log.read_bytes()
        if b"in use" not in log:
            self.session.check_output(self.argv, status, None, b"", log)
        return False

    def listens(self) -> bool:
        """Whether the server itself holds a socket listening on its port."""
        return bool(
            _listening_inodes(self.port) & _socket_inodes(self.process.pid)
        )

    def assert_allocator(self, pid: int) -> None:
        """Process `pid` has memalloc.so mapped, or on libc has not."""
        mapped = real_program.library() in mapped_files(pid)
        wanted = self.session.allocator == real_program.MEMALLOC
        self.test.assertEqual(wanted, mapped, f"maps of {self.argv}, {pid}")

    def _report(self) -> None:
        """Says so if it died, which a client's failure may not show."""
        status = self.process.poll()
        if status is not None and not self._stopping:
            log = self._log.read_text(errors="replace")[-3000:]
            print(f"The server ended with {status}: {self.argv}\n{log}")

    def stop(self, number=signal.SIGTERM, min_peak: int = 1):
        """Asks it to end by a signal; the stats lines it left."""
        self.process.send_signal(number)
        return self.wait(min_peak)

    def crash(self):
        """Ends it by SIGKILL, with its children."""
        self._stopping = True
        real_program.kill_group(self.process)

    def wait(self, min_peak: int = 1):
        """Waits for an end already asked for; the stats lines it left."""
        self._stopping = True
        try:
            status = self.process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            real_program.kill_group(self.process)
            self.test.fail(f"did not stop: {self.argv}")
        log = self._log.read_bytes()
        self.session.check_output(self.argv, status, 0, b"", log)
        stats = self.session.check_proof(
            self.argv, self.process.pid, self._stats_file, min_peak
        )
        real_program.kill_group(self.process)
        return stats
