"""Installs the packages and uses them as programs of other builds do.

Arguments: the .deb and the tar.gz in either order, and the version.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

ROOT = Path("WORKSPACE").resolve().parent
CONSUMER = ROOT / "testing" / "consumer"
PROJECT = ROOT / "testing" / "package_test" / "cmake_project"
TAR = DEB = VERSION = None

COMPAT_PROGRAM = "redis_calls.c"

PLACES = {
    "bin/memalloc-run",
    "include/memalloc/compat/gperftools/malloc_extension.h",
    "include/memalloc/compat/gperftools/malloc_extension_c.h",
    "include/memalloc/compat/jemalloc/jemalloc.h",
    "include/memalloc/compat/malloc/malloc.h",
    "include/memalloc/compat/memalloc_report.h",
    "include/memalloc/compat/mimalloc.h",
    "include/memalloc/compat/tcmalloc/malloc_extension.h",
    "include/memalloc/memalloc.h",
    "lib/libmemalloc.a",
    "lib/libmemalloc_compat.a",
    "lib/memalloc.so",
    "lib/memalloc_compat.so",
    "lib/memalloc_hardened.so",
    "lib/cmake/memalloc/memallocConfig.cmake",
    "lib/cmake/memalloc/memallocConfigVersion.cmake",
    "lib/pkgconfig/memalloc.pc",
    "lib/pkgconfig/memalloc_compat.pc",
    "share/doc/memalloc/LICENSE",
    "share/man/man1/memalloc-run.1",
    "share/man/man3/memalloc.3",
    "share/memalloc/gdb/memalloc_check.py",
    "share/memalloc/gdb/memalloc_gdb.py",
    "share/memalloc/gdb/memalloc_heap.py",
    "share/memalloc/gdb/memalloc_map.py",
}


def run(*command, **variables):
    """What the command prints; fails with what it said if it fails."""
    result = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout


class PackageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def places(self, prefix):
        return {
            str(path.relative_to(prefix))
            for path in prefix.rglob("*")
            if path.is_file()
        }


class TarTest(PackageTest):
    def setUp(self):
        super().setUp()
        with tarfile.open(TAR) as archive:
            archive.extractall(self.folder)
        self.prefix = self.folder / f"memalloc-{VERSION}"
        self.sources = self.folder / "sources"
        shutil.copytree(CONSUMER, self.sources)
        for name in (COMPAT_PROGRAM, "check.h"):
            shutil.copy(ROOT / "testing" / "compat" / name, self.sources)

    def compile(self, compiler, source, *arguments):
        program = self.folder / "program"
        run(
            compiler,
            f"-I{self.sources}",
            "-o",
            str(program),
            str(self.sources / source),
            *arguments,
        )
        return str(program)

    def check(self, program, expected, **variables):
        words = run(program, **variables).split()
        self.assertEqual(set(words), {expected})

    def pkg_config(self, *arguments, packages=("memalloc",)):
        path = str(self.prefix / "lib" / "pkgconfig")
        output = run(
            "pkg-config", *arguments, *packages, PKG_CONFIG_PATH=path
        )
        return output.split()

    def whole_archive(self):
        return [
            f"-I{self.prefix}/include",
            "-Wl,--whole-archive",
            f"{self.prefix}/lib/libmemalloc.a",
            "-Wl,--no-whole-archive",
            "-pthread",
        ]

    def test_files(self):
        self.assertEqual(self.places(self.prefix), PLACES)
        for place in PLACES:
            mode = (self.prefix / place).stat().st_mode & 0o777
            is_program = place.startswith("bin/")
            self.assertEqual(mode, 0o755 if is_program else 0o644, place)

    def test_whole_archive(self):
        for ways in ([], ["-static"], ["-no-pie"], ["-static-pie"]):
            with self.subTest(ways):
                flags = [*ways, *self.whole_archive()]
                in_c = self.compile("gcc", "program.c", *flags)
                self.check(in_c, "memalloc")
                in_cxx = self.compile("g++", "server.cc", *flags)
                self.check(in_cxx, "memalloc")

    def test_pkg_config(self):
        self.assertEqual(self.pkg_config("--modversion"), [VERSION])
        flags = self.pkg_config("--cflags", "--libs")
        self.check(self.compile("gcc", "program.c", *flags), "memalloc")
        self.check(self.compile("g++", "server.cc", *flags), "memalloc")

    def test_preload(self):
        flags = self.pkg_config("--cflags")
        program = self.compile("gcc", "program.c", *flags)
        self.check(program, "libc")
        for library in ("memalloc.so", "memalloc_hardened.so"):
            preload = str(self.prefix / "lib" / library)
            self.check(program, "memalloc", LD_PRELOAD=preload)

    def test_calls_of_other_allocators(self):
        """The program fails unless they are memalloc's."""
        flags = self.pkg_config(
            "--cflags", "--libs", packages=("memalloc_compat", "memalloc")
        )
        for ways in ([], ["-static"]):
            run(self.compile("gcc", COMPAT_PROGRAM, *ways, *flags))
        headers = [flag for flag in flags if flag.startswith("-I")]
        library = str(self.prefix / "lib" / "memalloc_compat.so")
        program = self.compile("gcc", COMPAT_PROGRAM, *headers, library)
        preload = str(self.prefix / "lib" / "memalloc.so")
        run(program, LD_PRELOAD=f"{preload} {library}")
        with self.assertRaisesRegex(AssertionError, "redis_calls.c"):
            run(program)

    def test_headers_of_other_allocators(self):
        """In strict C, and without a name that the program may have too."""
        flags = self.pkg_config("--cflags", packages=("memalloc_compat",))
        mine = self.folder / "mine"
        mine.mkdir()
        (mine / "report.h").write_text("#define ALIGNMENT 64\n")
        (self.sources / "strict.c").write_text(
            "#include <jemalloc/jemalloc.h>\n"
            "#include <report.h>\n"
            "int main(void) { return MALLOCX_ALIGN(ALIGNMENT) != 6; }\n"
        )
        run(
            self.compile(
                "gcc", "strict.c", "-std=c11", "-Werror", *flags, f"-I{mine}"
            )
        )

    def test_memalloc_run(self):
        flags = self.pkg_config("--cflags")
        program = self.compile("gcc", "program.c", *flags)
        memalloc_run = str(self.prefix / "bin" / "memalloc-run")
        for flag in ("--stats", "--hardened"):
            self.assertEqual(run(memalloc_run, flag, program), "memalloc\n")

    def test_manual_pages(self):
        pages = str(self.prefix / "share" / "man")
        for name in ("memalloc-run", "memalloc"):
            where = run("man", f"--manpath={pages}", "--where", name)
            self.assertTrue(where.startswith(pages), where)
            text = run("man", f"--manpath={pages}", name)
            self.assertIn(f"memalloc {VERSION}", text.splitlines()[-1])

    def test_cmake(self):
        build = self.folder / "build"
        shutil.copy(PROJECT / "CMakeLists.txt", self.sources)

        def configure(wanted):
            return run(
                "cmake",
                f"-S{self.sources}",
                f"-B{build}",
                f"-DCMAKE_PREFIX_PATH={self.prefix}",
                f"-DWANTED={wanted}",
            )

        output = configure(VERSION)
        self.assertIn(f"preload: {self.prefix}/lib/memalloc.so", output)
        run("cmake", "--build", str(build))
        self.check(str(build / "in_c"), "memalloc")
        self.check(str(build / "in_cxx"), "memalloc")
        self.check(str(build / "plain"), "libc")
        run(str(build / "compat"))
        with self.assertRaisesRegex(AssertionError, "memalloc"):
            configure("99.0")


class DebTest(PackageTest):
    def dpkg(self, *arguments):
        return run(
            "dpkg",
            f"--root={self.folder}",
            f"--log={self.folder}/log",
            "--force-not-root,depends,bad-path",
            *arguments,
        )

    def test_install_use_and_remove(self):
        database = self.folder / "var" / "lib" / "dpkg"
        (database / "info").mkdir(parents=True)
        (database / "updates").mkdir()
        (database / "status").touch()
        self.dpkg("--install", DEB)
        prefix = self.folder / "usr"
        self.assertEqual(self.places(prefix), PLACES)
        output = run(
            str(prefix / "bin" / "memalloc-run"),
            "/bin/sh",
            "-c",
            "grep -c memalloc.so /proc/$$/maps",
        )
        self.assertGreater(int(output), 0)
        status = self.dpkg("--status", "memalloc")
        self.assertIn(f"\nVersion: {VERSION}\n", status)
        # memalloc-run has run: the packages are for this machine.
        machine = run("dpkg", "--print-architecture").strip()
        self.assertIn(f"\nArchitecture: {machine}\n", status)
        self.dpkg("--remove", "memalloc")
        self.assertFalse(prefix.exists(), "nothing is left")


class VersionTest(unittest.TestCase):
    def test_is_the_same_everywhere(self):
        module = (ROOT / "MODULE.bazel").read_text()
        self.assertEqual(re.search(r'version = "(.*)"', module)[1], VERSION)
        calls = (ROOT / "memalloc/api/memalloc_calls.cc").read_text()
        self.assertIn(f'return "{VERSION}";', calls)


if __name__ == "__main__":
    *packages, VERSION = sys.argv[1:]
    DEB, TAR = map(os.path.abspath, sorted(packages))
    unittest.main(argv=sys.argv[:1], verbosity=2)
