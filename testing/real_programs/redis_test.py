"""redis-server on memalloc.so: benchmark, dump, restart, append-only file.

Role: a server that keeps everything in small blocks, asks for usable sizes,
frees in a background thread (UNLINK, FLUSHALL ASYNC) and saves from a forked
child while the parent goes on. Debian's redis brings jemalloc along, so the
preload also has to win against an allocator that is linked in; the libc side
is the program as it is installed.

Invariants: the data is written by one client in one order, so every reply is
equal byte for byte on both sides, and so is Redis' own digest of the data
(DEBUG DIGEST) before and after the restart. The server listens on loopback
only, on a port chosen free, and runs no longer than the test.
Locking: none here; redis brings its own background threads.
"""

import subprocess

from testing.real_programs import real_program
from testing.real_programs import server

_BENCHMARKS = (
    "ping_mbulk,set,get,incr,lpush,rpop,sadd,hset,spop,zadd,zpopmin,"
    "lrange_100,mset"
)
_READS = (
    "DBSIZE",
    "GET string:77",
    "STRLEN big:3",
    "GETRANGE big:3 100 140",
    "HGET hash:5 field:40",
    "HLEN hash:5",
    "LRANGE list:2 -5 -1",
    "SORT list:3 LIMIT 0 10",
    "SCARD set:1",
    "SINTERCARD 2 set:1 set:2",
    "ZRANGE zset:4 0 5 WITHSCORES",
    "ZSCORE zset:4 member:17",
    "XLEN stream",
    "XRANGE stream 5-0 7-0",
    "PFCOUNT hyper",
    "BITCOUNT bits",
    "OBJECT ENCODING set:1",
    "EVAL \"return redis.call('GET', KEYS[1]) .. string.rep('x', 30)\" 1"
    " string:9",
)


def _commands() -> str:
    """The data set: every type, small and large, grown and cut."""
    lines = []
    for i in range(8000):
        lines.append(f"SET string:{i} {'v' * (i % 200)}{i}")
    for i in range(10):
        lines.append(f"SETRANGE big:{i} {i * 100_000} {'big' * 50}")
        lines.append(f"SET gone:{i} {'z' * 1000} EX 10000")
        for k in range(150):
            lines.append(f"HSET hash:{i} field:{k} {'h' * k}")
            lines.append(f"RPUSH list:{i} {k * 7919 % 1009}")
            lines.append(f"SADD set:{i} m{k * i} {k}")
            lines.append(f"ZADD zset:{i} {k * 31 % 97}.5 member:{k}")
    for i in range(1, 400):
        lines.append(f"XADD stream {i}-0 name n{i} text {'t' * (i % 90)}")
        lines.append(f"PFADD hyper e{i}")
        lines.append(f"SETBIT bits {i * 97} 1")
        lines.append(f"APPEND appended {i},")
    for i in range(0, 8000, 5):
        lines.append(f"UNLINK string:{i}")
    lines.append("UNLINK gone:0 big:0 hash:0 zset:0 list:0")
    # The first one stores the result in the key, and so alters the digest.
    lines.append("PFCOUNT hyper")
    return "\n".join(lines) + "\n"


class RedisTest(real_program.RealProgramTest):
    def setUp(self):
        super().setUp()
        self.server = self.program("redis-server", "redis-server")
        self.cli = self.program("redis-cli", "redis-tools")
        self.benchmark = self.program("redis-benchmark", "redis-tools")

    def _start(self, session, *options):
        def argv(port):
            return [
                *(self.server, "--port", port, "--bind", "127.0.0.1"),
                *("--dir", session.dir, "--save", ""),
                *("--enable-debug-command", "yes", *options),
            ]

        started = server.Server(session, argv)
        # It listens while it still loads its files.
        server.wait_until(
            self,
            "redis answers",
            lambda: self._ask(started, "PING") == b"PONG\n",
        )
        return started

    def _ask(self, started, command: str) -> bytes:
        """A question from outside the comparison, such as a progress."""
        run = subprocess.run(
            [self.cli, "-p", str(started.port), *command.split()],
            capture_output=True,
            timeout=60,
            check=True,
        )
        return run.stdout

    def _send(self, started, commands: str) -> bytes:
        """Commands, one a line, by a client on the session's allocator."""
        run = started.session.run(
            [self.cli, "-p", started.port], stdin=commands.encode()
        )
        return run.stdout

    def _shutdown(self, started, how: str, min_peak: int) -> None:
        self._send(started, f"SHUTDOWN {how}\n")
        started.wait(min_peak=min_peak)

    def test_benchmark(self):
        def work(session):
            started = self._start(session)
            run = session.run(
                [
                    *(self.benchmark, "-p", started.port, "-t", _BENCHMARKS),
                    *("-n", "8000", "-c", "20", "-r", "3000", "-d", "300"),
                    *("-P", "16", "--csv"),
                ],
            )
            names = [s.split(b",")[0] for s in run.stdout.splitlines()]
            errors = self._ask(started, "INFO errorstats")
            results = {"benchmarks": names, "errors": errors}
            self._send(started, "FLUSHALL ASYNC\n")
            results["left"] = self._send(started, "DBSIZE\n")
            server.wait_until(
                self,
                "the background thread has freed everything",
                lambda: b"lazyfree_pending_objects:0\r"
                in self._ask(started, "INFO memory"),
            )
            self._shutdown(started, "NOSAVE", 5_000_000)
            return results

        self.assert_same(work)

    def test_restart_from_dump(self):
        def work(session):
            started = self._start(session)
            results = {
                "replies": self._send(started, _commands()),
                "digest": self._send(started, "DEBUG DIGEST\n"),
            }
            reads = "\n".join(_READS) + "\n"
            results["reads"] = self._send(started, reads)
            # The child that saves works in a copy of the heap.
            self._send(started, "BGSAVE\n" + "INCR counter\n" * 500)
            server.wait_until(
                self,
                "the child has saved",
                lambda: b"rdb_bgsave_in_progress:0\r"
                in self._ask(started, "INFO persistence"),
            )
            info = self._ask(started, "INFO persistence")
            self.assertIn(b"rdb_last_bgsave_status:ok\r", info)
            self._send(started, "DEL counter\n")
            self._shutdown(started, "SAVE", 5_000_000)
            self.assertTrue((session.dir / "dump.rdb").is_file())

            started = self._start(session)
            again = self._send(started, "DEBUG DIGEST\n")
            self.assert_equal("after restart", results["digest"], again)
            again = self._send(started, reads)
            self.assert_equal("after restart", results["reads"], again)
            self._shutdown(started, "NOSAVE", 5_000_000)
            return results

        self.assert_same(work)

    def test_append_only_file(self):
        def work(session):
            options = ("--appendonly", "yes", "--appendfsync", "no")
            started = self._start(session, *options)
            self._send(started, _commands())
            results = {"digest": self._send(started, "DEBUG DIGEST\n")}
            self._send(started, "BGREWRITEAOF\n")
            server.wait_until(
                self,
                "the child has rewritten the file",
                lambda: b"aof_rewrite_in_progress:0\r"
                in self._ask(started, "INFO persistence"),
            )
            info = self._ask(started, "INFO persistence")
            self.assertIn(b"aof_last_bgrewrite_status:ok\r", info)
            self._shutdown(started, "NOSAVE", 5_000_000)
            started = self._start(session, *options)
            again = self._send(started, "DEBUG DIGEST\n")
            self.assert_equal("after restart", results["digest"], again)
            self._shutdown(started, "NOSAVE", 5_000_000)
            return results

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
