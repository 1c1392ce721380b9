"""Heap profiles of whole programs hold what these allocated.

Each function allocates so much that thousands of samples are taken: a
deviation of a tenth is more than seven times the standard one.
"""

import gzip
import os
import re
import subprocess
import time

from testing.profile import pprof
from testing.programs import ways

INTERVAL = 4096
SMALL = (400000, 400000 * 64)
MEDIUM = (5000, 5000 * 5120)
LARGE = (30, 30 << 20)
NOTHING = (0, 0)


class ProfileTest(ways.TestCase):
    def run_quietly(self, way, *steps, **options):
        _, errors = self.run_program(way, *steps, **options)
        self.assertEqual(errors, "")

    def profile(self, way, *steps, kind="profile", interval=INTERVAL):
        """The profile that the program writes after these steps."""
        path = self.folder / "of.pb.gz"
        self.run_quietly(
            way, f"interval:{interval}", *steps, f"write:{kind}:{path}"
        )
        return pprof.Profile(path)

    def check(self, profile, function, prefix, truth):
        for kind, true in zip(("objects", "space"), truth):
            estimate = profile.of(function, f"{prefix}_{kind}")
            self.assertAlmostEqual(
                estimate, true, delta=max(true / 10, 1), msg=(function, kind)
            )

    @ways.each_way
    def test_live_and_cumulative(self, way):
        profile = self.profile(
            way, "medium", "free", "small", "large", "thread", "temporary"
        )
        self.assertEqual(profile.default, ["inuse_space"])
        self.assertEqual(profile.period, INTERVAL)
        for function, live, allocated in (
            ("AllocateSmall", SMALL, SMALL),
            ("AllocateMedium", NOTHING, MEDIUM),
            ("AllocateInThread", SMALL, SMALL),
            ("AllocateTemporary", NOTHING, SMALL),
        ):
            self.check(profile, function, "inuse", live)
            self.check(profile, function, "alloc", allocated)
        self.check(profile, "AllocateLarge", "inuse", LARGE)
        count, space = LARGE  # of halves as well
        halves = (2 * count, space * 3 / 2)
        self.check(profile, "AllocateLarge", "alloc", halves)
        for _, frames, _ in profile.samples:
            self.assertFalse(
                [name for name in frames if name and "memalloc" in name]
            )

    @ways.each_way
    def test_growth_since_a_mark(self, way):
        profile = self.profile(
            way, "small", "mark", "free", "medium", kind="profile_growth"
        )
        less = tuple(-value for value in SMALL)
        for kind, true in zip(("objects", "space"), less):
            self.assertAlmostEqual(
                profile.of("AllocateSmall", f"growth_{kind}"),
                true,
                delta=-true / 10,
            )
        self.check(profile, "AllocateMedium", "growth", MEDIUM)
        steps = ("small", "medium")
        profile = self.profile(way, *steps, kind="profile_growth")
        self.check(profile, "AllocateSmall", "growth", SMALL)

    @ways.each_way
    def test_peak(self, way):
        profile = self.profile(
            way, "small", "large", "free", "medium", kind="profile_peak"
        )
        self.check(profile, "AllocateSmall", "peak", SMALL)
        self.check(profile, "AllocateLarge", "peak", LARGE)
        self.check(profile, "AllocateMedium", "peak", NOTHING)

    @ways.each_way
    def test_lifetimes(self, way):
        profile = self.profile(
            way, "temporary", "small", kind="profile_lifetimes"
        )
        self.check(profile, "AllocateTemporary", "freed", SMALL)
        self.check(profile, "AllocateSmall", "freed", NOTHING)
        short = sum(
            values["freed_objects"]
            for values, frames, labels in profile.samples
            if frames[0] == "AllocateTemporary"
            and "lifetime:[below 10 ms]" in labels
        )
        self.assertGreater(short, SMALL[0] / 2)

    @ways.each_way
    def test_is_gzip_and_names_files(self, way):
        profile = self.profile(way, "small")
        # The check sum too.
        gzip.decompress((self.folder / "of.pb.gz").read_bytes())
        path, build_id = profile.mappings[0][:2]
        self.assertEqual(path, os.path.realpath(ways.path_of(way)))
        notes = subprocess.run(
            ["readelf", "-n", path], capture_output=True, text=True
        ).stdout
        known = re.search(r"Build ID: (\w+)", notes)
        if known:
            self.assertEqual(build_id, known.group(1))

    def test_a_picture(self):
        self.profile("linked", "small")
        picture = self.folder / "of.png"
        pprof.run(self.folder / "of.pb.gz", "-png", f"-output={picture}")
        self.assertEqual(picture.read_bytes()[1:4], b"PNG")

    @ways.each_way
    def test_at_exit(self, way):
        path = self.folder / "at_exit.pb.gz"
        self.run_quietly(way, "small", "large", PROFILE=path)
        profile = pprof.Profile(path)
        self.assertEqual(profile.period, 512 * 1024)
        self.assertGreater(profile.of("AllocateSmall", "alloc_space"), 0)
        self.assertGreater(profile.of("AllocateLarge", "inuse_space"), 0)
        path = self.folder / "at_exit.peak.pb.gz"
        self.run_quietly(
            way, "small", "free", PROFILE=path, SAMPLE_INTERVAL="4K"
        )
        self.check(pprof.Profile(path), "AllocateSmall", "peak", SMALL)

    @ways.each_way
    def test_again_and_again(self, way):
        for option in ({"REPORT_INTERVAL": "20ms"}, {"REPORT_BYTES": "1M"}):
            path = self.folder / "again.pb.gz"
            process = self.start(
                way,
                *("small", "wait"),
                PROFILE=path,
                SAMPLE_INTERVAL=INTERVAL,
                **option,
            )
            self.wait_for_profile(path)
            process.kill()
            process.wait()
            path.unlink()

    def wait_for_profile(self, path):
        end = time.monotonic() + ways.SECONDS
        while True:
            try:
                profile = pprof.Profile(path)
                if profile.of("AllocateSmall", "alloc_space") > 0:
                    return
            except AssertionError:
                pass  # not there, or being written
            self.assertLess(time.monotonic(), end, "no profile")
            time.sleep(0.05)

    @ways.each_way
    def test_of_parent_and_child(self, way):
        self.run_quietly(
            way,
            *("small", "fork", "medium"),
            PROFILE=self.folder / "of.%p",
            SAMPLE_INTERVAL=INTERVAL,
        )
        parent, child = sorted(
            map(pprof.Profile, self.folder.iterdir()),
            key=lambda profile: profile.of("AllocateMedium", "inuse_space"),
        )
        self.check(parent, "AllocateMedium", "inuse", NOTHING)
        self.check(child, "AllocateMedium", "inuse", MEDIUM)
        for profile in (parent, child):
            self.check(profile, "AllocateSmall", "inuse", SMALL)

    @ways.each_way
    def test_starts_and_stops(self, way):
        path = self.folder / "stopped.pb.gz"
        self.run_quietly(
            way,
            *("small", f"interval:{INTERVAL}", "medium", "interval:0"),
            *("large", f"write:profile:{path}"),
        )
        profile = pprof.Profile(path)
        self.check(profile, "AllocateSmall", "alloc", NOTHING)
        self.check(profile, "AllocateMedium", "alloc", MEDIUM)
        self.check(profile, "AllocateLarge", "alloc", NOTHING)


if __name__ == "__main__":
    ways.main()
