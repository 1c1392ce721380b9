"""The statistics of a whole program, read by those for whom they are made.

As JSON and as XML by Python's own parsers, in Prometheus' format by its client
library, as text by what a person would add up.
"""

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

from prometheus_client import parser

from testing.programs import ways


class StatisticsTest(ways.TestCase):
    def report(self, way, name):
        """What the program leaves at exit in a file of that name."""
        path = self.folder / name
        self.run_program(way, STATS=path)
        return path.read_text()

    def check_sums(self, total, parts):
        for kind in ("bytes", "resident"):
            self.assertEqual(
                total[kind], sum(part[kind] for part in parts.values())
            )
        self.assertGreater(total["resident"], 0)
        self.assertEqual(len(parts), 18)

    @ways.each_way
    def test_json(self, way):
        text = self.report(way, "stats.json")
        found = json.loads(text)
        self.assertEqual(found["program"], Path(ways.path_of(way)).name)
        self.check_sums(found["total"], found["parts"])
        by_class = {one["cell_size"]: one for one in found["classes"]}
        # The program's one malloc of 1,000 bytes, freed at the end.
        row = by_class[1024]
        self.assertEqual(row["allocations"] - row["frees"], row["live"])
        self.assertGreaterEqual(row["frees"], 1)
        self.assertEqual(row["blocks"], 1)
        self.assertEqual(
            sum(one["frees"] for one in found["classes"])
            + found["large"]["frees"]
            + found["huge"]["frees"],
            found["all"]["frees"],
        )
        self.assertGreaterEqual(found["system_calls"]["brk"], 1)
        self.assertEqual(found["threads"], 1)
        self.assertGreater(found["process_resident_bytes"], 0)

    @ways.each_way
    def test_peak_is_not_that_of_who_started_it(self, way):
        held = b"x" * (300 << 20)
        found = json.loads(self.report(way, "stats.json"))
        peak = found["process_peak_resident_bytes"]
        self.assertGreaterEqual(peak, found["process_resident_bytes"])
        self.assertLess(peak, len(held))

    @ways.each_way
    def test_prometheus(self, way):
        text = self.report(way, "stats.prom")
        families = {
            family.name: family
            for family in parser.text_string_to_metric_families(text)
        }
        for family in families.values():
            self.assertTrue(family.documentation, family.name)
            self.assertTrue(family.samples, family.name)
            self.assertIn(family.type, ("gauge", "counter"))
            labels = [str(sample.labels) for sample in family.samples]
            self.assertEqual(len(labels), len(set(labels)), family.name)
            for sample in family.samples:
                self.assertRegex(sample.name, r"\Amemalloc_[a-z_]+\Z")
                self.assertEqual(
                    sample.name.endswith("_total"),
                    family.type == "counter",
                )
        frees = families["memalloc_frees"]
        self.assertGreaterEqual(
            {s.labels["size"]: s.value for s in frees.samples}["1024"], 1
        )
        parts = families["memalloc_resident_bytes"].samples
        self.assertEqual(len(parts), 18)
        self.assertEqual(
            families["memalloc_info"].samples[0].labels.keys(),
            {"program", "pid"},
        )
        # Each metric's lines stand together, as the format wants it.
        names = re.findall(r"^# TYPE (\S+)", text, re.M)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(len(names), len(families))

    @ways.each_way
    def test_xml(self, way):
        output, _ = self.run_program(way, "info")
        root = ElementTree.fromstring(output)
        self.assertEqual(root.tag, "malloc")
        size = {
            (int(one.get("from")), int(one.get("to"))): one
            for one in root.find("sizes")
        }[961, 1024]
        self.assertEqual(size.get("live"), "1")
        self.check_sums(
            self.extent(root.find("total")),
            {
                part.get("type"): self.extent(part)
                for part in root.find("parts")
            },
        )

    @staticmethod
    def extent(element):
        return {
            "bytes": int(element.get("size")),
            "resident": int(element.get("resident")),
        }

    @ways.each_way
    def test_text(self, way):
        text = self.report(way, "stats.txt")
        shares = re.findall(r"^( +)\S.*? ([\d.]+) %  ", text, re.M)
        by_depth = {
            depth: sum(
                float(share)
                for indent, share in shares
                if len(indent) == depth
            )
            for depth in (2, 4, 6)
        }
        self.assertEqual(by_depth[2], 100)
        self.assertAlmostEqual(by_depth[4], 100, delta=0.3)
        self.assertAlmostEqual(by_depth[6], 100, delta=1)
        self.assertRegex(text, r"(?m)^ +1024 +1 ")
        self.assertRegex(text, r"\nLocks +\d+ acquisitions, 0 had to wait")
        self.assertRegex(text, r"\nSystem calls +brk \d+")
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_rates_between_two_reports(self):
        """The second one says how long ago the first one was."""
        steps = ["write:stats:stderr", "line", "write:stats:/dev/stdout"]
        process = self.start("linked", *steps)
        while process.stdout.readline() != "ready\n":
            pass
        time.sleep(0.05)  # the clock has ticked then
        output, _ = self.finish(process, "\n")
        self.assertRegex(output, r"since the last such report, \d+\.\d s ago")
        self.assertRegex(output, r"(?m)^ +1024 .* 0$")


if __name__ == "__main__":
    ways.main()
