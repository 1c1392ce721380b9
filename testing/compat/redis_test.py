"""redis-server with memalloc_compat.so: what it tells of its allocator.

Debian's redis takes jemalloc from a shared library, so that its calls of
mallctl and malloc_stats_print go to whoever is preloaded. Without
memalloc_compat.so jemalloc itself would answer, and tell of a heap that nobody
uses.
"""

import re
import subprocess

from testing.real_programs import real_program
from testing.real_programs import server

# Memory goes back when redis asks for that, and not before.
NEVER = {
    "MEMALLOC_PURGE_DELAY": "2147483648",
    "MEMALLOC_TRIM_THRESHOLD": "1T",
}
KEYS = 50_000


class RedisTest(real_program.RealProgramTest):
    def setUp(self):
        super().setUp()
        program = self.program("redis-server", "redis-server")
        self.cli = self.program("redis-cli", "redis-tools")
        session = real_program.Session(self, real_program.MEMALLOC)

        def argv(port):
            return [
                *(program, "--port", port, "--bind", "127.0.0.1"),
                *("--dir", session.dir, "--save", ""),
                *("--enable-debug-command", "yes"),
            ]

        self.server = server.Server(session, argv, env=NEVER)
        server.wait_until(
            self, "redis answers", lambda: self.ask("PING") == "PONG"
        )

    def ask(self, command, *more):
        run = subprocess.run(
            [self.cli, "-p", str(self.server.port), *command.split(), *more],
            capture_output=True,
            timeout=60,
            check=True,
            text=True,
        )
        return run.stdout.strip()

    def memory(self):
        """The whole numbers of INFO memory; redis asks for them each 100 ms."""
        text = self.ask("INFO memory")
        return {
            name: int(value)
            for name, value in re.findall(r"^(\w+):(\d+)\r?$", text, re.M)
        }

    def wait_for(self, what, condition):
        server.wait_until(self, what, lambda: condition(self.memory()))

    def test_figures_are_of_our_heap(self):
        self.ask(f"DEBUG POPULATE {KEYS} key 200")
        self.wait_for(
            "the allocator has what redis counts",
            lambda m: m["allocator_allocated"] >= m["used_memory"] > KEYS * 200,
        )
        memory = self.memory()
        self.assertLess(
            memory["allocator_allocated"], memory["used_memory"] + (4 << 20)
        )
        self.assertLessEqual(
            memory["allocator_allocated"], memory["allocator_active"]
        )
        self.assertLessEqual(
            memory["allocator_active"], memory["allocator_resident"]
        )
        self.assertLess(
            memory["allocator_resident"], 2 * memory["used_memory_rss"]
        )
        stats = self.ask("MEMORY STATS")
        found = re.search(r"^allocator\.allocated\n(\d+)$", stats, re.M)
        self.assertGreater(int(found[1]), KEYS * 200)

    def test_purge_and_background_thread(self):
        self.ask(f"DEBUG POPULATE {KEYS} key 200")
        # Not by FLUSHALL, which purges by itself.
        script = (
            f"for i=0,{KEYS - 1} do redis.call('DEL', 'key:' .. i) end"
            " return redis.call('DBSIZE')"
        )
        self.assertEqual(self.ask("EVAL", script, "0"), "0")
        self.wait_for(
            "what was freed is resident still",
            lambda m: m["allocator_resident"] > KEYS * 200
            and m["allocator_allocated"] < KEYS * 100,
        )
        self.assertEqual(self.ask("MEMORY PURGE"), "OK")
        self.wait_for(
            "it is not any more",
            lambda m: m["allocator_resident"] < KEYS * 100,
        )
        name = "DEBUG MALLCTL stats.background_thread.num_threads"
        # redis starts it by itself.
        self.assertEqual(self.ask(name), "1")
        self.assertEqual(self.ask("CONFIG SET jemalloc-bg-thread no"), "OK")
        self.assertEqual(self.ask(name), "0")

    def test_reports(self):
        report = self.ask("MEMORY MALLOC-STATS")
        self.assertRegex(report, r"^memalloc: redis-server \(pid \d+\): ")
        self.assertIn("\nGiven back", report)
        self.assertIn("memory", self.ask("MEMORY DOCTOR"))
        self.assertEqual(self.ask("DEBUG MALLCTL arenas.bin.3.size"), "64")
        self.assertEqual(self.ask("DEBUG MALLCTL-STR opt.dss"), "primary")
        self.assertIn("No such", self.ask("DEBUG MALLCTL thread.allocatedp"))
        profile = self.server.session.dir / "x.heap"
        self.ask(f"DEBUG MALLCTL-STR prof.dump {profile}")
        self.assertTrue(profile.is_file())


if __name__ == "__main__":
    real_program.main()
