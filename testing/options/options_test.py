"""Options of whole programs: from the environment, the program and the group.

The program of this folder is run linked with memalloc, fully static, and with
memalloc.so preloaded, also into the one that is linked with memalloc: there
one of the two copies is idle and must keep quiet. Standard error is compared
to the byte: what is wrong is told once, and what is right not at all.
"""

import os
import subprocess
import sys
import unittest
from pathlib import Path

MIB = 1 << 20

LIBRARY = ""
PROGRAMS = {}  # by name

# The program, and whether memalloc.so is preloaded.
WAYS = {
    "linked": ("linked", False),
    "static": ("static", False),
    "preloaded": ("plain", True),
    "linked and preloaded": ("linked", True),
}

NO_SUCH = (
    "memalloc: memalloc_options: no_such: no such option; it is ignored, "
    "see docs/errors.md#unknown-option\n"
)
NO_GROUP = (
    "memalloc: cgroup_limit: the control group's memory.max cannot be read; "
    "it is ignored, see docs/errors.md#no-cgroup-limit\n"
)


def run(way, *arguments, with_options=False, **environment):
    """The finished program; the options are MEMALLOC_ variables."""
    program, is_preloaded = WAYS[way]
    if with_options:
        program += "_with_options"
    variables = {
        "MEMALLOC_" + name: value for name, value in environment.items()
    }
    if is_preloaded:
        variables["LD_PRELOAD"] = LIBRARY
    return subprocess.run(
        [PROGRAMS[program], *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def group_limits():
    """memory.high and memory.max that apply here; None if not to be read."""
    limits = {"high": [], "max": []}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if not line.startswith("0::/"):
            continue
        group = Path(line[3:])
        for folder in [group, *group.parents]:
            for name, values in limits.items():
                try:
                    path = f"/sys/fs/cgroup{folder}/memory.{name}"
                    values.append(Path(path).read_text().strip())
                except OSError:
                    pass
    if not limits["high"] + limits["max"]:
        return None
    return [
        min((int(v) for v in values if v != "max"), default=0)
        for values in limits.values()
    ]


class OptionsTest(unittest.TestCase):
    def check(self, result, output, errors=""):
        self.assertEqual(
            (result.stdout, result.stderr, result.returncode),
            (output, errors, 0),
        )

    def each_way(self):
        for way in WAYS:
            with self.subTest(way):
                yield way

    def test_defaults(self):
        for way in self.each_way():
            self.check(
                run(way, "purge_delay", "huge_cache", "huge_pages", "no_such"),
                "purge_delay=1000ms\nhuge_cache=64M\nhuge_pages=default\n"
                "no_such=?\n",
            )

    def test_environment(self):
        for way in self.each_way():
            self.check(
                run(
                    way,
                    "purge_delay",
                    "huge_cache",
                    "background_thread",
                    PURGE_DELAY="2s",
                    HUGE_CACHE="0",
                    NO_INSTALL="1",
                    BAZEL_WRAPPER="1",
                    TOP_PAD="",
                ),
                "purge_delay=2000ms\nhuge_cache=0\nbackground_thread=0\n",
            )

    def test_mistakes_are_told_once(self):
        for way in self.each_way():
            result = run(
                way,
                "huge_cache",
                HUGE_CACHE="1X",
                SOFTLIMIT="1G",
                STATS_FILE="relative",
            )
            self.check(
                result,
                "huge_cache=64M\n",
                "memalloc: MEMALLOC_HUGE_CACHE=1X: wants bytes such as 64M, at "
                "most 64T; it is ignored, see docs/errors.md#bad-value\n"
                "memalloc: MEMALLOC_SOFTLIMIT: no such option "
                "(MEMALLOC_SOFT_LIMIT?); it is ignored, see "
                "docs/errors.md#unknown-option\n"
                "memalloc: MEMALLOC_STATS_FILE=relative: wants an absolute "
                "path of at most 255 bytes; it is ignored, see "
                "docs/errors.md#bad-value\n",
            )

    def test_options_of_the_program(self):
        for way in self.each_way():
            self.check(
                run(
                    way,
                    "purge_delay",
                    "huge_pages",
                    "top_pad",
                    with_options=True,
                    HUGE_PAGES="always",
                ),
                "purge_delay=500ms\nhuge_pages=always\ntop_pad=3M\n",
                NO_SUCH,
            )

    def test_calls(self):
        for way in self.each_way():
            self.check(
                run(way, "top_pad=5M", "top_pad", "top_pad=x", "x=1",
                    TOP_PAD="2M"),
                "top_pad=5M: 0\ntop_pad=5M\ntop_pad=x: 22\nx=1: 2\n",
            )

    def test_hard_limit(self):
        for way in self.each_way():
            result = run(way, "fill:1", "fill:20", "fill:1", "hard_limit=0",
                         "hard_limit=0", HARD_LIMIT="128M")
            self.assertEqual((result.stderr, result.returncode), ("", 0))
            lines = result.stdout.splitlines()
            for line in lines[:3]:
                mib, error = line.split()
                self.assertEqual(error, "ENOMEM")
                self.assertLessEqual(int(mib), 128)
                self.assertGreaterEqual(int(mib), 100)

    def test_soft_limit(self):
        """It refuses nothing."""
        for way in self.each_way():
            result = run(way, "fill:1", HARD_LIMIT="128M", SOFT_LIMIT="1M")
            self.assertGreaterEqual(int(result.stdout.split()[0]), 120)

    def test_limits_of_the_control_group(self):
        limits = group_limits()
        print("limits of the control group:", limits)
        for way in self.each_way():
            result = run(way, "cgroup_limit", CGROUP_LIMIT="1")
            self.check(
                result, "cgroup_limit=1\n", "" if limits else NO_GROUP
            )
            if limits is None:
                continue
            high, most = limits
            # 64 TiB and more is no limit; the value is printed with a unit.
            wanted = [high, most - most // 16]
            result = run(way, "soft_limit", "hard_limit", CGROUP_LIMIT="1")
            printed = [
                bytes_of(line.split("=")[1])
                for line in result.stdout.splitlines()
            ]
            self.assertEqual(printed, wanted)


def bytes_of(text):
    """What an option of bytes says."""
    units = "KMGT"
    if text[-1] in units:
        return int(text[:-1]) << 10 * (units.index(text[-1]) + 1)
    return int(text)


if __name__ == "__main__":
    LIBRARY = os.path.realpath(sys.argv[1])
    PROGRAMS = {
        os.path.basename(path): os.path.realpath(path) for path in sys.argv[2:]
    }
    unittest.main(argv=sys.argv[:1], verbosity=2)
