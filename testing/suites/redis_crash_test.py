"""redis-server on memalloc.so is killed under load and recovers.

Role: clients write, read, grow and delete values of all types at random while
the server saves from forked children; then it is killed by SIGKILL, wherever
it stands, and starts again from its append-only file.

Invariants: with appendfsync always, whatever was acknowledged before the kill
must be there afterwards, with its contents; a value that was not acknowledged
may be there or not. Loopback only; the load ends with the server.
Locking: none; the load is a process of its own.
"""

import socket
import subprocess

from testing.real_programs import real_program
from testing.real_programs import server

_ROUNDS = 3
_ACKNOWLEDGED = 1000  # writes of a round
_LOAD = "set,get,incr,lpush,rpush,lpop,sadd,spop,hset,zadd,zpopmin,mset"


def _value(i: int) -> str:
    return f"{i}:" + chr(ord("a") + i % 26) * (i * 7919 % 3000)


class Client:
    """A connection that sends one command at a time."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._replies = self._socket.makefile("rb")

    def ask(self, *words: str) -> bytes:
        """The reply: a line, or the bulk that it announces."""
        parts = [f"*{len(words)}\r\n"]
        parts += [f"${len(word)}\r\n{word}\r\n" for word in words]
        self._socket.sendall("".join(parts).encode())
        line = self._replies.readline()
        if not line.startswith(b"$"):
            return line.strip()
        size = int(line[1:])
        return self._replies.read(size + 2)[:size] if size >= 0 else b""

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


class RedisCrashTest(real_program.RealProgramTest):
    def _start(self, session):
        def argv(port):
            return [
                *(self.program("redis-server", "redis-server"), "--port", port),
                *("--bind", "127.0.0.1", "--dir", session.dir, "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "always"),
            ]

        started = server.Server(session, argv)
        client = Client(started.port)
        server.wait_until(
            self, "redis answers", lambda: client.ask("PING") == b"+PONG"
        )
        return started, client

    def _start_load(self, port: int) -> subprocess.Popen:
        load = subprocess.Popen(
            [
                self.program("redis-benchmark", "redis-tools"),
                *("-p", str(port), "-t", _LOAD, "-l", "-q"),
                *("-r", "2000", "-n", "20000", "-c", "16", "-d", "700"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(real_program.kill_group, load)
        return load

    def _check(self, client, count: int) -> None:
        for i in range(count):
            self.assertEqual(
                _value(i).encode(), client.ask("GET", f"mine:{i}"), f"key {i}"
            )

    def test_acknowledged_writes_survive(self):
        session = real_program.Session(self, real_program.MEMALLOC)
        written = 0
        for _ in range(_ROUNDS):
            started, client = self._start(session)
            self._check(client, written)
            load = self._start_load(started.port)
            for i in range(_ACKNOWLEDGED):
                reply = client.ask("SET", f"mine:{written}", _value(written))
                self.assertEqual(b"+OK", reply)
                written += 1
                if i == _ACKNOWLEDGED // 2:
                    client.ask("BGREWRITEAOF")
            self.assertIsNone(load.poll(), "the load ended too early")
            started.assert_allocator(started.process.pid)
            started.crash()
            real_program.kill_group(load)
            client.close()
        started, client = self._start(session)
        self._check(client, written)
        self.assertEqual(b"", client.ask("GET", f"mine:{written}"))
        client.close()
        started.stop(min_peak=5_000_000)
        print(f"killed {_ROUNDS} times; {written} writes, none lost")


if __name__ == "__main__":
    real_program.main()
