"""Options of whole programs: from the environment, the program and the group.

The program of this folder is run linked with memalloc, fully static, and with
memalloc.so preloaded, also into the one that is linked with memalloc: there
one of the two copies is idle and must keep quiet. Standard error is compared
to the byte: what is wrong is told once, and what is right not at all.
"""

from pathlib import Path

from testing.programs import ways

NO_SUCH = (
    "memalloc: memalloc_options: no_such: no such option; it is ignored, "
    "see docs/errors.md#unknown-option\n"
)
NO_GROUP = (
    "memalloc: cgroup_limit: the control group's memory.max cannot be read; "
    "it is ignored, see docs/errors.md#no-cgroup-limit\n"
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


class OptionsTest(ways.TestCase):
    def check(self, said, output, errors=""):
        self.assertEqual(said, (output, errors))

    @ways.each_way
    def test_defaults(self, way):
        self.check(
            self.run_program(
                way, "purge_delay", "huge_cache", "huge_pages", "no_such"
            ),
            "purge_delay=1000ms\nhuge_cache=64M\nhuge_pages=default\n"
            "no_such=?\n",
        )

    @ways.each_way
    def test_environment(self, way):
        self.check(
            self.run_program(
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

    @ways.each_way
    def test_mistakes_are_told_once(self, way):
        self.check(
            self.run_program(
                way,
                "huge_cache",
                HUGE_CACHE="1X",
                SOFTLIMIT="1G",
                STATS_FILE="relative",
            ),
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

    @ways.each_way
    def test_options_of_the_program(self, way):
        self.check(
            self.run_program(
                way,
                "purge_delay",
                "huge_pages",
                "top_pad",
                program="with_options",
                HUGE_PAGES="always",
            ),
            "purge_delay=500ms\nhuge_pages=always\ntop_pad=3M\n",
            NO_SUCH,
        )

    @ways.each_way
    def test_calls(self, way):
        self.check(
            self.run_program(
                way, "top_pad=5M", "top_pad", "top_pad=x", "x=1", TOP_PAD="2M"
            ),
            "top_pad=5M: 0\ntop_pad=5M\ntop_pad=x: 22\nx=1: 2\n",
        )

    @ways.each_way
    def test_hard_limit(self, way):
        steps = ["fill:1", "fill:20", "fill:1", "hard_limit=0", "hard_limit=0"]
        output, errors = self.run_program(way, *steps, HARD_LIMIT="128M")
        self.assertEqual(errors, "")
        for line in output.splitlines()[:3]:
            mib, error = line.split()
            self.assertEqual(error, "ENOMEM")
            self.assertLessEqual(int(mib), 128)
            self.assertGreaterEqual(int(mib), 100)

    @ways.each_way
    def test_soft_limit(self, way):
        """It refuses nothing."""
        output, _ = self.run_program(
            way, "fill:1", HARD_LIMIT="128M", SOFT_LIMIT="1M"
        )
        self.assertGreaterEqual(int(output.split()[0]), 120)

    @ways.each_way
    def test_limits_of_the_control_group(self, way):
        limits = group_limits()
        print("limits of the control group:", limits)
        self.check(
            self.run_program(way, "cgroup_limit", CGROUP_LIMIT="1"),
            "cgroup_limit=1\n",
            "" if limits else NO_GROUP,
        )
        if limits is None:
            return
        high, most = limits
        # 64 TiB and more is no limit; the value is printed with a unit.
        wanted = [high, most - most // 16]
        output, _ = self.run_program(
            way, "soft_limit", "hard_limit", CGROUP_LIMIT="1"
        )
        printed = [
            bytes_of(line.split("=")[1]) for line in output.splitlines()
        ]
        self.assertEqual(printed, wanted)


def bytes_of(text):
    """What an option of bytes says."""
    units = "KMGT"
    if text[-1] in units:
        return int(text[:-1]) << 10 * (units.index(text[-1]) + 1)
    return int(text)


if __name__ == "__main__":
    ways.WAYS["linked and preloaded"] = ("linked", "library")
    ways.main()
