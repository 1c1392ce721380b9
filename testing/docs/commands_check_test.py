"""The checks of commands.py find what they are there to find."""

import unittest

from testing.docs import check_test_case, commands

TRIED = "<!-- tried by `testing/a_test.py`: test_a, test_b -->\n"


class CommandsCheckTest(check_test_case.CheckTestCase):
    def setUp(self):
        super().setUp()
        self.write("testing/a_test.py", "def test_a\ndef test_b\n")
        self.write(
            "lib/BUILD", 'a(name = "x")\nb(name = "%s_test" % c)\nd("v")\n'
        )

    def page(self, text):
        self.write("docs/page.md", text)

    def test_what_is_run(self):
        self.page(
            "```sh\nls\n```\n* a\n\n  ```console\n  $ b \\\n  $ c\n  d\n  ```\n"
            "```c\nint i;\n```\n" + TRIED + "```sh\nrm\n```\n"
        )
        scripts = [one.commands() for one in commands.to_run(self.root)]
        self.assertEqual(scripts, ["ls\n", "b \\\nc"])
        places = [one.place() for one in commands.to_run(self.root)]
        self.assertEqual(places, ["docs/page.md:1", "docs/page.md:6"])
        self.complaints(commands.check_blocks)
        self.complaints(commands.check_tests)

    def test_commands_that_hide(self):
        for text in (
            "$ ls",
            "(gdb) run",
            "./app",
            "A=1 B=2 tools/bazel test //...",
            "LD_PRELOAD=/a.so ls",
            "g++ a.cc",
        ):
            with self.subTest(text):
                self.page(f"```\n{text}\n```\n")
                self.complaints(commands.check_blocks, "page.md:1", "say sh")
        self.page("```c\n// tools/bazel build //a\n```\n")
        self.complaints(commands.check_blocks, "page.md:1", "say sh")
        self.page("```\nmemalloc: free(0x1)\n```\n")
        self.complaints(commands.check_blocks)

    def test_kinds(self):
        self.page("```bash\nls\n```\n")
        self.complaints(commands.check_blocks, "one of sh, console, gdb")
        self.page("```gdb\n(gdb) run\n```\n")
        self.complaints(commands.check_blocks, "no test tries this")
        self.page("```console\nls\n```\n")
        self.complaints(commands.check_blocks, "without a command")

    def test_tests(self):
        for comment, complaint in (
            (TRIED.replace("test_b", "test_c"), "a_test.py has no test_c"),
            (TRIED.replace("a_test", "b_test"), "no testing/b_test.py"),
            (TRIED.replace("`: ", "` "), "not a test"),
        ):
            with self.subTest(complaint):
                self.page(comment + "```sh\nls\n```\n")
                self.complaints(commands.check_tests, "page.md:2", complaint)

    def test_targets(self):
        call = "```sh\ntools/bazel test --a {} -- //no:x\n```\n"
        for label in ("//lib:x", "//lib:ab_test", "//lib/...", "//..."):
            with self.subTest(label):
                self.page(call.format(label))
                self.complaints(commands.check_labels)
        for label in ("//lib:y", "//lib", "//nolib:x", "//nolib/..."):
            with self.subTest(label):
                self.page(call.format(label))
                self.complaints(commands.check_labels, label)
        self.page("`//lib` and `//lib:x` and `tools/bazel run //lib:x`\n")
        self.complaints(commands.check_labels)
        self.page("`tools/bazel run //lib:y`\n")
        self.complaints(commands.check_labels, "//lib:y")
        self.page("`//lib:y` and `@other//lib:z`\n")
        self.complaints(commands.check_labels, "//lib:y")


if __name__ == "__main__":
    unittest.main(verbosity=2)
