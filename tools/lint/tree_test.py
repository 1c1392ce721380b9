"""Tests of the workspace's own rules, on small trees that break each one."""

import tempfile
import unittest
from pathlib import Path

from tools.lint import tree

HEAD = "// What this file is for.\n"


class TreeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def test_finds_code_and_nothing_else(self):
        for name in (
            "BUILD",
            ".ci/run",
            ".git/x.py",
            "README.md",
            "bazel-out/x.cc",
            "memalloc/os/os.h",
            "tools/bazel",
            "tools/__pycache__/x.py",
        ):
            self.write(name, "")
        self.assertEqual(
            [str(path) for path in tree.files(self.root)],
            ["BUILD", ".ci/run", "memalloc/os/os.h", "tools/bazel"],
        )
        self.assertEqual(
            [str(path) for path in tree.files(self.root, "c")],
            ["memalloc/os/os.h"],
        )

    def test_well_formed_files_pass(self):
        self.write("a.cc", HEAD + "\n" * 499 + "// \u00e9" + "x" * 76 + "\n")
        self.write("b.py", '#!/usr/bin/python3\n"""Doc."""\n')
        self.write("c.sh", "#!/bin/bash\n#\n# Doc.\n")
        self.write("d.cc", HEAD + "// https://example.org/" + "x" * 80)
        self.write("empty/__init__.py", "")
        self.write("BUILD", "x = 1  # " + "x" * 80)
        self.assertEqual(
            tree.check_form(self.root),
            ["a.cc: 501 lines, above 500"],
        )
        self.write("a.cc", HEAD + "\n" * 499)
        self.assertEqual(tree.check_form(self.root), [])

    def test_each_rule_of_form_is_applied(self):
        self.write("a.cc", HEAD + "x" * 81)
        self.write("b.py", "import os\n")
        self.write("BUILD", "# TO" "DO: later\n")
        self.assertEqual(
            tree.check_form(self.root),
            [
                "BUILD:1: something is left open",
                "a.cc:2: 81 columns",
                "b.py:1: does not begin with a comment",
            ],
        )

    def test_lower_layers_are_allowed(self):
        self.write(
            "memalloc/heap/a.cc",
            "#include <atomic>\n#include <stdint.h>\n#include <sys/mman.h>\n"
            '#include "memalloc/base/b.h"\n#include "memalloc/heap/c.h"\n',
        )
        self.write(
            "memalloc/api/a.cc",
            '#include "memalloc/memalloc.h"\n#include "memalloc/os/b.h"\n',
        )
        self.write(
            "memalloc/compat/a.h",
            '#include <string>\n#include "memalloc/memalloc.h"\n'
            '#include "memalloc/compat/b.h"\n',
        )
        self.write("testing/a.cc", "#include <vector>\n")
        self.assertEqual(tree.check_layers(self.root), [])

    def test_higher_layers_and_third_parties_are_not(self):
        self.write(
            "memalloc/os/a.cc",
            "#include <vector>\n#include <absl/base/optimization.h>\n"
            '  # include "memalloc/heap/a.h"\n#include "absl/x.h"\n'
            '#include "memalloc/memalloc.h"\n',
        )
        self.write("memalloc/compat/a.cc", '#include "memalloc/os/b.h"\n')
        self.write("memalloc/extras/a.h", "")
        self.assertEqual(
            tree.check_layers(self.root),
            [
                "memalloc/compat/a.cc:1: memalloc/os/b.h is not public",
                f"memalloc/extras/a.h: 'extras' is not one of {tree.LAYERS}",
                "memalloc/os/a.cc:1: <vector> is not allowed here",
                "memalloc/os/a.cc:2: <absl/base/optimization.h> is not allowed"
                " here",
                "memalloc/os/a.cc:3: 'os' is below 'heap' (memalloc/heap/a.h)",
                'memalloc/os/a.cc:4: "absl/x.h" is not ours',
                "memalloc/os/a.cc:5: 'os' is below 'observe' "
                "(memalloc/memalloc.h)",
            ],
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)
