"""What tests of checks of documents have in common: a workspace to fill."""

import tempfile
import unittest
from pathlib import Path


class CheckTestCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def complaints(self, check, *parts):
        """The only complaint has all the parts; no complaint without parts."""
        found = check(self.root)
        self.assertEqual(len(found), 1 if parts else 0, found)
        for part in parts:
            self.assertIn(part, found[0])
