"""This workspace's documents keep to the checks of documents.py."""

import unittest
from pathlib import Path

from testing.docs import documents

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

    def test_the_design_names_every_file(self):
        self.check(documents.check_design_is_complete(ROOT))

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

    def test_tests_of_the_contract(self):
        self.assertGreater(len(documents.promised_tests(ROOT)), 100)
        self.check(documents.check_contract(ROOT))


if __name__ == "__main__":
    unittest.main(verbosity=2)
