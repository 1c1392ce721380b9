"""Tests of how figures get into the documents of a workspace."""

import dataclasses
import os
import tempfile
import unittest

from tools.bench import interpreter
from tools.bench.driver.model import CURVES, EVENTS, PATTERN, WORKLOADS
from tools.bench.driver.model import Allocator, Job, Measurement, Part, Run
from tools.bench.report import publish, results
from tools.bench.report.report import Report

OURS = Allocator("memalloc", preload="/m.so", version="abc1")
PEER = Allocator("peer", preload="/p.so", version="2.5")


def measurement():
    jobs = [Job("won", PATTERN, "half"), Job("lost", PATTERN, "twice")]
    runs = [
        Run("memalloc", "won", 0, 1.0, peak_rss_kib=2048),
        Run("peer", "won", 0, 2.0, peak_rss_kib=2048),
        Run("memalloc", "lost", 0, 4.0, peak_rss_kib=2048),
        Run("peer", "lost", 0, 2.0, peak_rss_kib=2048),
    ]
    point = Job("w@1", PATTERN, workload="w", curve="threads", point=1)
    on_curve = [Run("memalloc", "w@1", 0, 1.0, ops=10)]
    counted = [Run("memalloc", "won", 0, ops=10, extra={"event_locks": 3})]
    parts = {
        WORKLOADS: Part(jobs, [OURS, PEER], runs),
        CURVES: Part([point], [OURS], on_curve),
        EVENTS: Part(jobs[:1], [OURS], counted),
    }
    facts = [("date", "2001-02-03"), ("processor", "quick")]
    return Measurement("memalloc", "seconds", facts, parts)


class PublishTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = scratch.name
        self.folder = os.path.join(self.root, "out")
        for folder in ("out", "docs"):
            os.mkdir(os.path.join(self.root, folder))
        self.write(
            "README.md", "# a\n<!-- figures -->\nbefore\n<!-- /figures -->\nz\n"
        )
        self.write(
            "docs/benchmarks.md",
            "# b\n<!-- measured -->\nstale\n<!-- /measured -->\n## c\n",
        )

    def write(self, path, text):
        path = os.path.join(self.root, path)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, path):
        path = os.path.join(self.root, path)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def draw(self):
        for name in ("overview", "details", "curves"):
            self.write("out/%s.svg" % name, "<svg>%s</svg>" % name)

    def publish(self, measured=None):
        report = Report(measured or measurement())
        return publish.publish(self.root, self.folder, report)

    def refused(self, what, measured=None):
        pages = (publish.README, publish.PAGE)
        before = [self.read(page) for page in pages]
        with self.assertRaisesRegex(publish.CannotPublish, what):
            self.publish(measured)
        self.assertEqual([self.read(page) for page in pages], before)

    def test_documents(self):
        self.draw()
        self.publish()
        readme = self.read("README.md")
        self.assertTrue(readme.startswith("# a\n<!-- figures -->\n!["), readme)
        self.assertTrue(readme.endswith("\n<!-- /figures -->\nz\n"), readme)
        self.assertNotIn("before", readme)
        self.assertIn("| peer | 1.00 |", readme)
        self.assertIn("2001-02-03; quick", readme)
        page = self.read("docs/benchmarks.md")
        self.assertTrue(page.startswith("# b\n<!-- measured -->\n"), page)
        self.assertTrue(page.endswith("\n<!-- /measured -->\n## c\n"), page)
        self.assertNotIn("stale", page)
        for text in (
            "| lost | 100 % | peer |",
            "| peer | 2.5 |",
            "| memalloc | abc1 |",
            "**2.00 ±0%**",
            "| date | 2001-02-03 |",
            "What threads share",
        ):
            self.assertIn(text, page)
        self.assertEqual(
            self.read("docs/images/benchmarks-curves.svg"), "<svg>curves</svg>"
        )

    def test_twice_is_as_once(self):
        self.draw()
        paths = self.publish()
        first = [self.read(path) for path in paths]
        self.publish()
        self.assertEqual([self.read(path) for path in paths], first)

    def test_with_its_pictures(self):
        if not interpreter.has_matplotlib():
            self.skipTest(interpreter.ADVICE)
        from tools.bench.report import plot

        results.write_all(self.folder, measurement(), plot, False)
        self.publish()
        picture = self.read("docs/images/benchmarks-overview.svg")
        self.assertIn("<!-- lost -->", picture)

    def test_all_or_nothing(self):
        self.refused("nothing to draw")
        self.draw()
        whole = measurement()
        self.refused("interrupted", dataclasses.replace(whole, complete=False))
        part = dict(whole.parts)
        del part[EVENTS]
        self.refused(
            "not measured: events", dataclasses.replace(whole, parts=part)
        )
        whole.parts[EVENTS].allocators = [Allocator("new", preload="/n.so")]
        self.refused("new@VERSION", whole)

    def test_documents_without_a_place(self):
        publish.check_documents(self.root)
        self.write("README.md", "<!-- figures -->\nno end\n")
        with self.assertRaisesRegex(publish.CannotPublish, "README.md needs"):
            publish.check_documents(self.root)


if __name__ == "__main__":
    interpreter.prefer_matplotlib()
    unittest.main(verbosity=2)
