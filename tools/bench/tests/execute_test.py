"""Tests of running commands: whatever they do, it is told, and they end."""

import os
import signal
import tempfile
import time
import unittest

from tools.bench.driver import execute

ENV = execute.environment("")


def shell(script, timeout=60.0, env=None):
    return execute.run(["/bin/sh", "-c", script], env or ENV, timeout)


class RunTest(unittest.TestCase):
    def test_output_and_success(self):
        finished = shell("echo out; echo err >&2")
        self.assertEqual(finished.stdout, b"out\n")
        self.assertEqual(finished.stderr, "err\n")
        self.assertEqual(finished.failure, "")

    def test_exit_status_with_the_last_line_of_stderr(self):
        finished = shell("echo first >&2; echo last words >&2; exit 3")
        self.assertEqual(finished.failure, "exit status 3 (last words)")

    def test_signals_are_named(self):
        self.assertEqual(shell("kill -SEGV $$").failure, "crashed: SIGSEGV")

    def test_signals_that_a_launcher_passed_on_are_named(self):
        status = 128 + signal.SIGABRT
        self.assertEqual(execute.explain(status, ""), "crashed: SIGABRT")

    def test_a_hanging_command_is_killed_with_its_children(self):
        with tempfile.TemporaryDirectory() as folder:
            told = os.path.join(folder, "pid")
            script = "sleep 1000 & echo $! > %s; wait" % told
            finished = shell(script, timeout=3)
            self.assertTrue(finished.failure.startswith(execute.HANGS))
            with open(told, encoding="ascii") as file:
                child = int(file.read())
        self.assertTrue(_is_gone(child), "the child was left behind")

    def test_children_left_behind_by_a_command_that_ended(self):
        finished = shell("sleep 1000 >/dev/null 2>&1 & echo $!")
        self.assertEqual(finished.failure, "")
        self.assertTrue(_is_gone(int(finished.stdout)))

    def test_a_command_that_does_not_exist(self):
        finished = execute.run(["/does/not/exist"], ENV, 1.0)
        self.assertIn("did not start", finished.failure)

    def test_a_preload_that_is_no_shared_object(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            finished = shell("true", env=execute.environment(file.name))
        self.assertIn("could not be preloaded", finished.failure)


class EnvironmentTest(unittest.TestCase):
    def test_nothing_of_the_callers_preload_is_left(self):
        os.environ["LD_PRELOAD"] = ""
        self.assertNotIn("LD_PRELOAD", execute.environment(""))
        self.assertEqual(execute.environment("/x.so")["LD_PRELOAD"], "/x.so")

    def test_additions(self):
        env = execute.environment("", {"PYTHONMALLOC": "malloc"})
        self.assertEqual(env["PYTHONMALLOC"], "malloc")


def _is_gone(pid):
    """Whether the process is dead, or a corpse that init has not buried."""
    for _ in range(500):
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
