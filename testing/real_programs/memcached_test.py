"""memcached on memalloc.so, driven through plain sockets.

Role: a server with worker threads that cuts its own slabs out of large
blocks, and grows hash tables and connection buffers by malloc.

Invariants: the clients of a test use keys of their own, so what each reads
is a function of what it wrote, whichever thread served it; the transcripts
are equal byte for byte on both sides. No item is ever evicted (64 MB are
far more than is stored). Loopback only, on a port chosen free.
Locking: one socket and one transcript a client thread; joined before use.
"""

import random
import socket
import threading

from testing.real_programs import real_program
from testing.real_programs import server

_CLIENTS = 6
_ITEMS = 600


class _Client:
    """A connection that speaks memcached's text protocol."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._file = self._socket.makefile("rwb")

    def stats(self) -> bytes:
        """The server's own statistics."""
        reply = line = self.command("stats")
        while line not in (b"END\r\n", b""):
            line = self._file.readline()
            reply += line
        return reply

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def command(self, line: str, body: bytes = None) -> bytes:
        """One command; the reply up to its last line."""
        self._file.write(line.encode() + b"\r\n")
        if body is not None:
            self._file.write(body + b"\r\n")
        self._file.flush()
        reply = self._file.readline()
        words = reply.split()
        while words and words[0] == b"VALUE":
            reply += self._file.read(int(words[3]) + 2)
            last = self._file.readline()
            reply += last
            words = last.split()
        return reply


def _talk(port: int, name: int, transcript: list) -> None:
    """What one client does; everything it hears goes to `transcript`."""
    rng = random.Random(name)
    client = _Client(port)

    def say(line, body=None):
        transcript.append(client.command(line, body))

    for i in range(_ITEMS):
        body = rng.randbytes(rng.choice((10, 100, 1000, 5000)))
        say(f"set c{name}k{i} {i} 0 {len(body)}", body)
    say(f"set c{name}large 0 0 900000", rng.randbytes(900000))
    say(f"set c{name}n 0 0 1", b"7")
    for _ in range(_ITEMS):
        i = rng.randrange(_ITEMS)
        say(f"get c{name}k{i} c{name}k{i + 1} c{name}k{i + 2}")
        say(f"incr c{name}n {i}")
        action = rng.randrange(4)
        if action == 0:
            say(f"delete c{name}k{i}")
        elif action == 1:
            say(f"append c{name}k{i} 0 0 300", rng.randbytes(300))
        elif action == 2:
            say(f"add c{name}k{i} 1 0 50", rng.randbytes(50))
        else:
            say(f"replace c{name}k{i} 2 0 4000", rng.randbytes(4000))
    say(f"get c{name}large")
    say(f"get c{name}n")
    client.close()


class MemcachedTest(real_program.RealProgramTest):
    def test_clients(self):
        memcached = self.program("memcached", "memcached")

        def work(session):
            def argv(port):
                # -u counts only for root, whom it wants to be named.
                return [
                    *(memcached, "-l", "127.0.0.1", "-p", port, "-U", "0"),
                    *("-t", "4", "-m", "64", "-c", "64", "-u", "root"),
                ]

            started = server.Server(session, argv)
            transcripts = [[] for _ in range(_CLIENTS)]
            threads = [
                threading.Thread(target=_talk, args=(started.port, n, t))
                for n, t in enumerate(transcripts)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            client = _Client(started.port)
            stats = client.stats()
            client.close()
            self.assertIn(b"STAT threads 4\r\n", stats)
            self.assertIn(b"STAT evictions 0\r\n", stats)
            started.stop(min_peak=8_000_000)
            return {
                f"client {n}": b"".join(transcript)
                for n, transcript in enumerate(transcripts)
            }

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
