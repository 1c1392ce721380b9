"""The manual pages say what `memalloc_run --help` and the sources say.

Both ways: what a page lacks, and what it has that is no more. Pages are
compared as they are shown, but for lines that are easier to find in the source.
"""

import re
import subprocess
import unittest
from pathlib import Path

from testing.docs import documents

ROOT = Path("WORKSPACE").resolve().parent
PAGES = ROOT / "docs" / "man"
MEMALLOC_RUN = Path("tools/run/memalloc_run")

CALL = re.compile(
    r"^MEMALLOC_API\s+([^;{]+?)(?:\s+MEMALLOC_NOT_READ\(\d\))?;", re.MULTILINE
)
PROTOTYPE = re.compile(r"^\.B (?!#|extern)(.*);$", re.MULTILINE)
OPTION = re.compile(r"^\\fBMEMALLOC_(\w+)\\fR \(default (.*?); (.*)\)$", re.M)
PATH_OPTION = re.compile(r"^\.B MEMALLOC_(\w+)$", re.MULTILINE)
REPORT = re.compile(r"\{\"(\w+)\", PathOption::")


def one_line(text):
    return " ".join(text.split())


def page(name):
    return (PAGES / name).read_text()


def shown(name):
    """(text, warnings) of a page as it is shown, in lines of any length."""
    result = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=10000n", name],
        cwd=PAGES,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout, result.stderr


def section(text, name):
    """A section of a page, as it is shown or in its source."""
    parts = re.split(r"^(?:\.SH )?([A-Z][A-Z ]+)$", text, flags=re.MULTILINE)
    return parts[parts.index(name) + 1]


class ManTest(unittest.TestCase):
    maxDiff = None

    def test_pages_are_sound(self):
        pages = sorted(path.name for path in PAGES.glob("*.?"))
        self.assertEqual(pages, ["memalloc-run.1", "memalloc.3"])
        for name in pages:
            text, warnings = shown(name)
            self.assertEqual(warnings, "")
            for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"):
                self.assertTrue(section(text, heading), heading)


class RunTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.help = subprocess.check_output(
            [MEMALLOC_RUN, "--help"], text=True
        )
        self.page, _ = shown("memalloc-run.1")

    def part_of_help(self, begin, end):
        return self.help.split(begin)[1].split(end)[0]

    def test_flags(self):
        flags = self.part_of_help("\nFlags:\n", "\n\nThe program runs")
        self.assertEqual(
            one_line(section(self.page, "OPTIONS")), one_line(flags)
        )

    def test_synopsis(self):
        usage = self.part_of_help("usage: memalloc_run ", "\n")
        self.assertEqual(
            one_line(section(self.page, "SYNOPSIS")), "memalloc-run " + usage
        )

    def test_exit_statuses(self):
        statuses = self.help.split("Exit status: ")[1]
        self.assertEqual(
            one_line(section(self.page, "EXIT STATUS")).lower(),
            one_line(statuses).lower(),
        )

    def test_examples(self):
        examples = self.part_of_help("\nExamples:\n", "  tools/bazel")
        self.assertEqual(
            one_line(section(self.page, "EXAMPLES")),
            one_line(examples.replace("memalloc_run", "memalloc-run")),
        )


class LibraryTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.page = page("memalloc.3")

    def test_calls(self):
        header = (ROOT / "memalloc" / "memalloc.h").read_text()
        calls = [
            one_line(call).replace("( ", "(") for call in CALL.findall(header)
        ]
        self.assertGreater(len(calls), 10)
        synopsis = re.sub(
            r'\n\.B "( .*)"', r"\1", section(self.page, "SYNOPSIS")
        )
        self.assertEqual(
            [one_line(call) for call in PROTOTYPE.findall(synopsis)], calls
        )
        self.assertEqual(
            re.findall(
                r"^\.TP\n\.BR (\w+) \(\)$",
                section(self.page, "DESCRIPTION"),
                re.MULTILINE,
            ),
            [re.search(r"(\w+)\(", call)[1] for call in calls],
        )

    def test_reports(self):
        source = (ROOT / "memalloc/observe/reports.cc").read_text()
        text = self.page.split(".BR memalloc_write_report ()\n")[1]
        named = set(re.findall(r"\"(\w+)\"", text.split(".TP")[0]))
        self.assertEqual(named - {"stderr"}, set(REPORT.findall(source)))

    def test_options(self):
        options = [
            (name.upper(), default, values)
            for name, default, values in documents.options(ROOT)
        ]
        self.assertGreater(len(options), 10)
        text = section(self.page, "ENVIRONMENT")
        self.assertEqual(OPTION.findall(text), options)
        source = documents.read(ROOT, documents.OPTIONS)
        self.assertEqual(
            set(PATH_OPTION.findall(text)),
            {name.upper() for name in documents.PATH_OPTION.findall(source)},
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)
