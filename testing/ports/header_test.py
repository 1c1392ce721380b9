"""memalloc/memalloc.h, compiled alone, in the languages its users write in.

Role: the public header is included by programs whose language, compiler and
warnings are not ours. It is compiled here as the only include of a file, in
each of these, with warnings as errors, and the calls that it declares are
named once, so that a declaration that cannot be used shows too.

Invariants: a compiler that is not installed is skipped, which is said; a wrong
use of a declaration is an error in each of the ways.
"""

import shutil
import subprocess
import unittest

HEADER = "memalloc/memalloc.h"
COMPILERS = (
    ("gcc", "c"),
    ("clang", "c"),
    ("g++", "c++"),
    ("clang++", "c++"),
    ("aarch64-linux-gnu-gcc", "c"),
    ("aarch64-linux-gnu-g++", "c++"),
)
STANDARDS = {
    "c": ("c99", "gnu99", "c11", "c17", "gnu2x"),
    "c++": ("c++11", "c++14", "c++17", "c++20", "gnu++17"),
}
WARNINGS = (
    *("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion", "-Wundef"),
    *("-Wshadow", "-Wold-style-cast", "-Wzero-as-null-pointer-constant"),
)
C_WARNINGS = (
    *("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion", "-Wundef"),
    *("-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"),
)

USER = f"""\
#include "{HEADER}"

const char memalloc_options[] = "purge_delay=500ms";

int use_all(void* p);
int use_all(void* p) {{
  char text[32];
  struct memalloc_summary summary;
  struct memalloc_statistics statistics;
  memalloc_get_summary(&summary);
  memalloc_get_statistics(&statistics, sizeof statistics);
  memalloc_stop_background_thread();
  return memalloc_owns(p) + memalloc_check_heap() + (memalloc_version() != p) +
         memalloc_start_background_thread() + (summary.live_bytes != 0) +
         memalloc_set_option("purge_delay", "1s") +
         memalloc_get_option("purge_delay", text, sizeof text);
}}
"""


def compile_text(compiler, language, standard, text, *options):
    """What the compiler says; the status and its messages."""
    warnings = WARNINGS if language == "c++" else C_WARNINGS
    result = subprocess.run(
        [
            *(compiler, f"-x{language}", f"-std={standard}", *warnings),
            *("-O2", "-I.", *options, "-c", "-o", "/dev/null", "-"),
        ],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout


def installed_ways():
    """Compiler, language and standard; what cannot be tried is named."""
    ways = []
    for compiler, language in COMPILERS:
        if shutil.which(compiler) is None:
            print(f"SKIPPED {compiler}: it is not installed", flush=True)
            continue
        ways += [(compiler, language, s) for s in STANDARDS[language]]
    return ways


class HeaderTest(unittest.TestCase):
    """Every compiler and standard."""

    def for_each_way(self, text, check):
        for way in installed_ways():
            with self.subTest(way):
                check(*compile_text(*way, text))

    def assert_silent(self, status, messages):
        self.assertEqual((0, ""), (status, messages))

    def test_users_get_no_warning(self):
        self.for_each_way(USER, self.assert_silent)

    def test_it_is_complete_by_itself(self):
        twice = f'#include "{HEADER}"\n' * 2 + "typedef int not_empty;\n"
        self.for_each_way(twice, self.assert_silent)

    def test_a_wrong_use_is_refused(self):
        wrong = USER.replace("memalloc_get_summary(&", "memalloc_get_summary(")
        self.for_each_way(
            wrong, lambda status, text: self.assertNotEqual(0, status, text)
        )


if __name__ == "__main__":
    unittest.main(verbosity=2)
