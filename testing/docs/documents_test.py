"""The checks of documents.py find what they are there to find."""

import unittest

from testing.docs import check_test_case, documents

ERRORS = """# Errors
### double-free
    memalloc: free(<pointer>): double free
"""
SOURCE = """void F() {
  DieOfMisuse("free", p, "double free", "double-free");
}
"""
SUMMARY = """
  Append(&text, MemoryLine("peak in use", peak));
  Append(&text, StrFormat("  %-15s %10d\\n", "threads",
                          threads));
"""
USING = """# Use
* *peak in use*, *threads*
```
memalloc_run: ls (pid 5) exited with status 0
  peak in use        6.4 MiB  6684672 bytes
  threads                  1
```
"""

OPTIONS = """
constexpr uint64_t kMany = uint64_t{1} << 31;
constexpr uint64_t kMiB = uint64_t{1} << 20;
    {"delay", OptionUnit::kMilliseconds, 100, kMany},
    {"pad", OptionUnit::kBytes, 3 * kMiB, 2048 * kMiB},
    {"pages", OptionUnit::kHugePages, 1, 2},
    {"foreign", OptionUnit::kForeignPointers, 0, 2},
    {"flag", OptionUnit::kFlag, 0, 1},
    {"report", /*may_be_stderr=*/true},
"""
TUNING = """
| Option | Variable | Default | Range |
| `delay` | `MEMALLOC_DELAY` | 100ms | 0ms to 2147483648ms |
| `pad` | `MEMALLOC_PAD` | 3M | 0 to 2G |
| `pages` | `MEMALLOC_PAGES` | default | never, default, always |
| `foreign` | `MEMALLOC_FOREIGN` | abort | abort, warn, ignore |
| `flag` | `MEMALLOC_FLAG` | 0 | 0 or 1 |
| `MEMALLOC_REPORT` | `report` | a file |
### delay
### pad
### pages
### foreign
### flag
"""
CONTRACT = """
| Promise | Tests |
|---|---|
| it works | `testing/a_test.cc`: Works, Works2; `testing/b.py`: test_works |
"""
PROTOCOL = """
<!-- protocol -->
| Rule | Where | Mistake |
| a block is claimed | `F` | `does_not_claim` |
<!-- /protocol -->
"""
MISTAKES = """
MISTAKES = {
    "does_not_claim": (
"""


class DocumentsTest(check_test_case.CheckTestCase):
    def setUp(self):
        super().setUp()
        self.write("docs/errors.md", ERRORS)
        self.write("memalloc/heap/free.cc", SOURCE)
        self.write("memalloc/README.md", "`heap/free.cc` frees\n")
        self.write("tools/run/summary.cc", SUMMARY)
        self.write("docs/using.md", USING)
        self.write("memalloc/base/options.cc", OPTIONS)
        self.write("docs/tuning.md", TUNING)
        self.write("docs/contract.md", CONTRACT)
        self.write("docs/design.md", PROTOCOL)
        self.write("testing/interleaving/protocol_test.py", MISTAKES)
        self.write("testing/a_test.cc", "Works(); Works2();")
        self.write("testing/b.py", "def test_works(self): pass")
        self.write("memalloc/README.md", "`heap/free.cc` `base/options.cc`\n")

    def test_good(self):
        for check in (
            documents.check_links,
            documents.check_file_names,
            documents.check_sources_are_named,
            documents.check_messages,
            documents.check_samples,
            documents.check_options,
            documents.check_contract,
            documents.check_protocol,
        ):
            self.complaints(check)

    def test_link_to_a_missing_file(self):
        self.write("README.md", "[a](docs/errors.md) [b](docs/none.md)\n")
        self.complaints(documents.check_links, "README.md", "docs/none.md")

    def test_missing_image(self):
        self.write("README.md", '<img alt="x" src="docs/none.svg">\n')
        self.complaints(documents.check_links, "docs/none.svg")

    def test_link_out_of_the_tree(self):
        self.write("README.md", "[a](../)\n")
        self.complaints(documents.check_links, "outside")

    def test_link_to_a_heading(self):
        self.write("docs/use.md", "# Use it, please\n[a](#use-it-please)\n")
        self.write("README.md", "[a](docs/use.md#use-it-please)\n")
        self.complaints(documents.check_links)
        self.write("README.md", "[a](docs/use.md#use-it)\n")
        self.complaints(documents.check_links, "use.md#use-it", "heading")

    def test_links_in_code_are_none(self):
        self.write("README.md", "`[a](b)`\n```\n[a](b)\n# c\n```\n[a](x:b)\n")
        self.complaints(documents.check_links)

    def test_file_that_is_gone(self):
        self.write("docs/use.md", "`memalloc/heap/free.cc`, `use.md`\n")
        self.complaints(documents.check_file_names)
        self.write("docs/use.md", "`heap/malloc.cc`\n")
        self.complaints(documents.check_file_names, "heap/malloc.cc")

    def test_file_that_the_design_forgot(self):
        self.write("memalloc/heap/free.h", "")
        self.complaints(documents.check_sources_are_named)
        self.write("memalloc/heap/malloc.h", "")
        self.complaints(documents.check_sources_are_named, "heap/malloc.h")

    def test_message_without_an_entry(self):
        self.write("memalloc/heap/x.cc", 'Die("see docs/errors.md#reentry");')
        self.complaints(documents.check_messages, "no entry reentry")

    def test_entry_without_a_message(self):
        self.write("docs/errors.md", ERRORS + "### gone\n")
        self.complaints(documents.check_messages, "leads to gone")

    def test_message_that_changed(self):
        self.write("memalloc/heap/free.cc", SOURCE.replace("e f", "e  f"))
        self.complaints(documents.check_messages, "'double  free'")

    def test_message_in_pieces(self):
        self.write("memalloc/heap/free.cc", SOURCE.replace("e f", 'e "\n "f'))
        self.complaints(documents.check_messages)

    def test_sample_with_a_label_that_is_gone(self):
        self.write("README.md", USING.replace("peak in use  ", "peak used  "))
        self.complaints(documents.check_samples, "README.md", "'peak used'")

    def test_label_without_an_explanation(self):
        self.write("docs/using.md", USING.replace("*threads*", "others"))
        self.complaints(documents.check_samples, "explain *threads*")

    def test_option_with_another_default(self):
        self.write("docs/tuning.md", TUNING.replace("| 3M", "| 4M"))
        self.complaints(documents.check_options, "no row | `pad`", "| 3M |")

    def test_option_with_another_range(self):
        self.write("docs/tuning.md", TUNING.replace("2G", "2T"))
        self.complaints(documents.check_options, "no row | `pad`", "to 2G")

    def test_option_without_a_section(self):
        self.write("docs/tuning.md", TUNING.replace("### flag\n", ""))
        self.complaints(documents.check_options, "no section flag")

    def test_path_without_a_row(self):
        self.write("docs/tuning.md", TUNING.replace("`report`", "report"))
        self.complaints(
            documents.check_options, "no row | `MEMALLOC_REPORT` | `report`"
        )

    def test_option_that_is_gone(self):
        row = "| `old` | `MEMALLOC_OLD` | 0 | 0 or 1 |\n"
        self.write("docs/tuning.md", TUNING + row)
        self.complaints(documents.check_options, "old is no option")

    def test_promise_whose_test_is_gone(self):
        self.write("testing/a_test.cc", "Works(); Works20();")
        self.complaints(documents.check_contract, "a_test.cc has no Works2")
        self.write("testing/a_test.cc", "Works(); Works2();")
        (self.root / "testing/b.py").unlink()
        self.complaints(documents.check_contract, "b.py does not exist")

    def test_promise_without_tests(self):
        self.write("docs/contract.md", CONTRACT + "| `free` works | no |\n")
        self.complaints(documents.check_contract, "`free` works")

    def test_rules_of_the_protocol(self):
        self.write("docs/design.md", PROTOCOL.replace("`F`", "`G`"))
        self.complaints(documents.check_protocol, "G is nowhere")
        self.write("docs/design.md", PROTOCOL)
        path = "testing/interleaving/protocol_test.py"
        self.write(path, MISTAKES + '    "forgets": (\n')
        self.complaints(documents.check_protocol, "no rule for forgets")
        self.write(path, "")
        self.complaints(documents.check_protocol, "does_not_claim is not made")

    def test_corruption(self):
        for source in (
            'DieOfCorruption(p, "odd");\n',
            '#define CHECK(c) (c ? 0 : DieOfCorruption(p, "odd: " #c))\n',
        ):
            self.write("memalloc/heap/x.cc", source)
            self.complaints(
                documents.check_messages, "no entry heap-corruption"
            )

    def test_messages_that_cannot_be_understood(self):
        self.write("memalloc/heap/x.cc", 'DieOfMisuse("f", p, "g", anchor);')
        self.complaints(documents.check_messages, "no literal")
        self.write("memalloc/heap/x.cc", 'DieOfMisuse("f", p, "g;", "h-i");')
        self.complaints(documents.check_messages, "semicolon")


if __name__ == "__main__":
    unittest.main(verbosity=2)
