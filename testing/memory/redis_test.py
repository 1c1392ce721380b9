"""redis-server, most of whose keys are deleted and set anew: as on jemalloc.

Debian's redis is linked to jemalloc, under malloc's own names: a preload takes
their place. The proof is redis' own account of jemalloc, whose statistics know
of next to nothing, beside memalloc.so in the process's mappings.

All servers run at once and get the same commands, so that what lives is the
same and RSS can be compared: by the sum over the rounds, each when it is full.
Keys are filled, nine of ten deleted at random and set anew with values of other
sizes. The servers listen on sockets in a folder of the test and save nothing.
"""

import itertools
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from typing import Dict, Iterable, List

from testing.memory import budget

_ROUNDS = 10
# Smallest and largest value, round by round.
_SIZES = (
    *((40, 60), (100, 140), (16, 400), (300, 500), (24, 48)),
    *((200, 220), (16, 1500), (80, 90), (700, 1100), (10, 200)),
)
_START_SECONDS = 60
_BATCH = 2000


class Client:
    """A connection that wants no replies but to ask()."""

    def __init__(self, path: str):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")
        self._socket.sendall(b"CLIENT REPLY OFF\r\n")

    def send(self, commands: bytes) -> None:
        """Sends without waiting."""
        self._socket.sendall(commands)

    def wait(self) -> None:
        """Returns when the server has done all that was sent."""
        self._socket.sendall(b"CLIENT REPLY ON\r\n")
        reply = self._file.readline()
        self._socket.sendall(b"CLIENT REPLY OFF\r\n")
        if reply != b"+OK\r\n":
            raise AssertionError(f"redis answered {reply!r}")

    def ask(self, command: bytes) -> str:
        """The answer to one command that gives a bulk string."""
        self._socket.sendall(b"CLIENT REPLY ON\r\n")
        self._file.readline()
        self._socket.sendall(command + b"\r\n")
        length = int(self._file.readline()[1:])
        text = self._file.read(length + 2).decode()
        self._socket.sendall(b"CLIENT REPLY OFF\r\n")
        return text

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _listens(path: str) -> bool:
    """Whether somebody does; the file is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _send_all(clients: Iterable[Client], commands: Iterable[bytes]) -> None:
    """The same commands to each, and waits for all."""
    clients = list(clients)
    commands = iter(commands)
    while batch := b"".join(itertools.islice(commands, _BATCH)):
        for client in clients:
            client.send(batch)
    for client in clients:
        client.wait()


def _key(number: int) -> bytes:
    return b"key:%08d" % number


class Data:
    """The keys and their values' sizes; the same for every server."""

    def __init__(self, keys: int):
        self._keys = keys
        self._random = random.Random(1)
        self._text = b"v" * max(most for _, most in _SIZES)
        self._sizes: Dict[int, int] = {}
        self._next = 0

    def fill(self, number: int) -> Iterable[bytes]:
        """Sets keys until there are all, with the sizes of that round."""
        least, most = _SIZES[number % len(_SIZES)]
        while len(self._sizes) < self._keys:
            size = self._random.randint(least, most)
            self._sizes[self._next] = size
            yield b"*3\r\n$3\r\nSET\r\n$12\r\n%b\r\n$%d\r\n%b\r\n" % (
                _key(self._next),
                size,
                self._text[:size],
            )
            self._next += 1

    def delete(self) -> Iterable[bytes]:
        """Deletes nine of ten, at random, in random order."""
        gone = [key for key in self._sizes if self._random.random() < 0.9]
        self._random.shuffle(gone)
        for key in gone:
            del self._sizes[key]
            yield b"*2\r\n$3\r\nDEL\r\n$12\r\n%b\r\n" % _key(key)

    def live(self) -> int:
        """Bytes of keys and values."""
        return sum(self._sizes.values()) + len(self._sizes) * len(_key(0))


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        rss = re.search(r"Rss:\s+(\d+) kB", file.read())
    return int(rss.group(1)) * budget.KIB


class RedisTest(budget.BudgetTest):
    def setUp(self):
        super().setUp()
        # Short: the path of a socket may have 107 characters.
        self._dir = tempfile.mkdtemp(prefix="redis-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self._dir, ignore_errors=True)

    def _start(self, name: str, path: str) -> subprocess.Popen:
        env = budget.environment(name)
        if name == budget.LIBC:
            env["LD_PRELOAD"] = "libc.so.6"
        server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", path]
            + ["--save", "", "--appendonly", "no", "--dir", self._dir],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        end = time.monotonic() + _START_SECONDS
        while not _listens(path):
            self.assertIsNone(server.poll(), "redis-server ended early")
            self.assertLess(time.monotonic(), end, "redis-server hangs")
            time.sleep(0.01)
        return server

    def _check_allocator(self, name: str, server, client: Client) -> None:
        with open(f"/proc/{server.pid}/maps", encoding="ascii") as file:
            maps = file.read()
        info = client.ask(b"INFO memory")
        served = re.search(r"allocator_allocated:(\d+)", info)
        used = re.search(r"used_memory:(\d+)", info)
        self.assertTrue(served and used, info)
        by_jemalloc = int(served.group(1)) > int(used.group(1)) // 2
        self.assertEqual(name == "jemalloc", by_jemalloc, info)
        is_ours = name == budget.MEMALLOC
        self.assertEqual(is_ours, budget.memalloc_so() in maps)

    def _run(self, names: List[str], keys: int) -> Dict[str, budget.Figures]:
        paths = {name: os.path.join(self._dir, name) for name in names}
        servers = {name: self._start(name, paths[name]) for name in names}
        clients = {name: Client(paths[name]) for name in names}
        data = Data(keys)
        runs = {name: {"rss_sum": 0, "live_sum": 0} for name in names}
        _send_all(clients.values(), data.fill(0))
        for number in range(1, _ROUNDS + 1):
            _send_all(clients.values(), data.delete())
            _send_all(clients.values(), data.fill(number))
            for name, figures in runs.items():
                figures["rss"] = _resident(servers[name].pid)
                figures["live"] = data.live()
                figures["rss_sum"] += figures["rss"]
                figures["live_sum"] += figures["live"]
        for name in names:
            self._check_allocator(name, servers[name], clients[name])
            clients[name].close()
            servers[name].terminate()
            self.assertEqual(0, servers[name].wait())
        return runs

    def test_rounds(self):
        if not shutil.which("redis-server"):
            self.skip("redis-server: apt-get install redis-server")
        keys = int(os.environ["SERVER_KEYS"])
        self.no_larger_than_jemalloc(
            f"redis-server, {keys} keys, {_ROUNDS} rounds",
            lambda names: self._run(names, keys),
        )


if __name__ == "__main__":
    budget.main()
