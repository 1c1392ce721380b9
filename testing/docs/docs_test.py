"""This workspace's documents pass the checks of documents.py, commands.py."""

import unittest
from pathlib import Path

from docs.images import figures
from testing.docs import commands, documents

ROOT = Path("WORKSPACE").resolve().parent


class DocsTest(unittest.TestCase):
    def check(self, complaints):
        self.assertFalse(complaints, "\n" + "\n".join(complaints))

    def test_links_lead_somewhere(self):
        pages = documents.files(ROOT, ".md")
        self.assertIn(Path("README.md"), pages)
        self.assertIn(Path("docs/errors.md"), pages)
        self.check(documents.check_links(ROOT))

    def test_files_that_are_named_exist(self):
        self.check(documents.check_file_names(ROOT))

    def test_every_file_is_named(self):
        self.check(documents.check_sources_are_named(ROOT))

    def test_messages_and_their_entries(self):
        self.assertGreater(len(list(documents.source_messages(ROOT))), 5)
        self.check(documents.check_messages(ROOT))

    def test_samples_of_the_summary(self):
        self.assertIn("thread heaps", documents.summary_labels(ROOT))
        self.assertIn("other processes", documents.summary_labels(ROOT))
        for page in ("README.md", "docs/using.md"):
            text = documents.read(ROOT, Path(page))
            self.assertTrue(documents.SAMPLE.search(text), page)
        self.check(documents.check_samples(ROOT))

    def test_every_option_with_its_default(self):
        self.assertGreater(len(documents.options(ROOT)), 5)
        self.check(documents.check_options(ROOT))

    def test_commands_are_tried(self):
        self.assertGreater(len(commands.blocks(ROOT)), 100)
        self.check(commands.check_blocks(ROOT))
        self.check(commands.check_tests(ROOT))

    def test_targets(self):
        labels = [label for _, label in commands.labels(ROOT)]
        self.assertIn("//tools:memalloc_run", labels)
        self.check(commands.check_labels(ROOT))

    def test_mistakes_of_the_protocol(self):
        self.assertGreater(len(documents.protocol_mistakes(ROOT)), 5)
        self.check(documents.check_protocol(ROOT))

    def test_figures_are_as_drawn(self):
        for name, text in figures.drawn():
            path = ROOT / "docs" / "images" / name
            self.assertEqual(
                path.read_text(encoding="utf-8"),
                text,
                f"{name}: python3 docs/images/figures.py",
            )

    def test_tests_of_the_contract(self):
        self.assertGreater(len(documents.promised_tests(ROOT)), 100)
        self.check(documents.check_contract(ROOT))


if __name__ == "__main__":
    unittest.main(verbosity=2)
