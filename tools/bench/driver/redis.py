"""redis-server under redis-benchmark: a server as a workload.

The server runs on the allocator, the client on libc. What counts is the time
the client takes for a fixed number of requests; the server's memory is read
at its peak, and again when everything has been deleted. The server listens on
a socket in a scratch folder only, and saves nothing. Debian's server is linked
with jemalloc: for libc's malloc, libc itself is preloaded.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from typing import List

from tools.bench.driver import execute
from tools.bench.driver.model import PROGRAM, Allocator, Job, Run

_NAME = "redis"
_LIBC = "libc.so.6"
_KEYS = 50_000
_LOADS = (
    # Commands of redis-benchmark with the size of the values.
    (["-t", "set,get,incr,lpush,rpop,sadd,hset,zadd", "-d", "100"], 40_000),
    (["-t", "set,get", "-d", "4000"], 30_000),
)


class _ServerFailed(Exception):
    pass


def _status(pid: int, field: str) -> int:
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(field + r":\s+(\d+) kB", file.read()).group(1))


def _cpu_seconds(pid: int) -> float:
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Redis:
    def jobs(self, scale: float) -> List[Job]:
        about = "redis-server under redis-benchmark, values of 100 and 4000 B"
        return [Job(_NAME, PROGRAM, about, scale=scale)]

    def missing(self, _: str) -> str:
        if shutil.which("redis-server") and shutil.which("redis-benchmark"):
            return ""
        return _NAME + ": apt-get install redis-server redis-tools"

    def run(
        self, job: Job, allocator: Allocator, number: int, timeout: float
    ) -> Run:
        result = Run(allocator.name, job.name, number)
        deadline = time.monotonic() + timeout
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            socket = os.path.join(scratch, "socket")
            log = os.path.join(scratch, "log")
            with open(log, "wb") as output:
                server = subprocess.Popen(
                    ["redis-server", "--port", "0", "--unixsocket", socket]
                    + ["--save", "", "--appendonly", "no", "--dir", scratch],
                    env=execute.environment(allocator.preload or _LIBC),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                self._wait_for(server, socket, log, deadline)
                self._drive(job, server, socket, result, deadline)
            except _ServerFailed as failure:
                result.failure = str(failure)
            finally:
                execute.kill_session(server)
        return result

    def _wait_for(self, server, socket: str, log: str, deadline: float) -> None:
        while not os.path.exists(socket):
            if server.poll() is not None:
                with open(log, errors="replace", encoding="utf-8") as file:
                    text = file.read()
                reason = execute.explain(server.returncode, text)
                raise _ServerFailed(reason or "the server ended early")
            if time.monotonic() > deadline:
                raise _ServerFailed(execute.HANGS + ": no answer from it")
            time.sleep(0.005)
        with open(log, errors="replace", encoding="utf-8") as file:
            failure = execute.explain(0, file.read())
        if failure:
            raise _ServerFailed(failure)

    def _drive(
        self, job: Job, server, socket: str, result: Run, deadline: float
    ) -> None:
        cpu = _cpu_seconds(server.pid)
        start = time.monotonic()
        for arguments, requests in _LOADS:
            count = str(max(50, round(requests * job.scale)))
            self._client(
                server,
                ["redis-benchmark", "-s", socket, "-q", "-P", "8"]
                + ["-n", count, "-r", str(_KEYS), *arguments],
                deadline,
            )
        result.seconds = time.monotonic() - start
        result.cpu_seconds = _cpu_seconds(server.pid) - cpu
        result.peak_rss_kib = _status(server.pid, "VmHWM")
        self._client(
            server, ["redis-cli", "-s", socket, "flushall", "sync"], deadline
        )
        result.final_rss_kib = _status(server.pid, "VmRSS")

    def _client(self, server, command: List[str], deadline: float) -> None:
        left = max(0.1, deadline - time.monotonic())
        finished = execute.run(command, execute.environment(""), left)
        if server.poll() is not None:
            raise _ServerFailed(
                execute.explain(server.returncode, "") or "the server ended"
            )
        if finished.failure:
            raise _ServerFailed("the client: " + finished.failure)
