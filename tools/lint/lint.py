"""Formats and lints the workspace.

    tools/bazel run //tools/lint               formats, then checks everything
    tools/bazel test //tools/lint/...          checks, changes nothing

One line on standard output per check: "ok", "FAILED" or "skipped" and why,
with what is wrong above it. A tool that is not installed is a failure, but
for buildifier: Debian has none. It is taken from PATH or from npm's package
@bazel/buildifier, which `run` downloads and the tests find in npm's cache.

Checks: `form` and `layers` are in tree.py; `format` is clang-format with
.clang-format; `buildifier`; `tidy` is clang-tidy on memalloc/ with .clang-tidy.
"""

import argparse
import concurrent.futures
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.lint import tree

TIDY_FLAGS = ("-std=c++17", "-I.", "-Wall", "-Wextra", "-Wthread-safety")

# Where one of its diagnostics begins, and what it says about their number.
DIAGNOSTIC = re.compile(r"^(?=\S+:\d+:\d+: (?:error|warning): )", re.MULTILINE)
TALLY = re.compile(
    r"^(\d+ \w+( and \d+ \w+)? generated\.|Error while processing .*)\n?",
    re.MULTILINE,
)


class Skipped(Exception):
    """A check that cannot be made here, and why."""


def tool(name):
    """The tool's path; a complaint to raise if it is not installed."""
    path = shutil.which(name)
    if not path:
        raise RuntimeError(f"{name} is not installed: apt-get install {name}")
    return path


def run(command, root):
    """What a command complains of: its output if it fails."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output = result.stdout.strip() or f"{command[0]}: no output"
    return [] if result.returncode == 0 else [output]


def clang_format(root, fix):
    mode = ("-i",) if fix else ("--dry-run", "--Werror")
    sources = tree.files(root, "c")
    if not sources:
        return []
    return run((tool("clang-format"), "--style=file", *mode, *sources), root)


def buildifier_command(fix):
    """How to call buildifier."""
    path = shutil.which("buildifier")
    if path:
        return [path]
    npm = shutil.which("npm")
    if not npm:
        raise Skipped("neither buildifier nor npm is installed")
    # A test's HOME is a folder of its own; npm's cache is in the user's.
    cache = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".npm"
    command = [npm, "exec", "--yes", f"--cache={cache}"]
    if not fix:
        command.append("--offline")
    command += ["--package=@bazel/buildifier", "--", "buildifier"]
    if run([*command, "--version"], "/"):
        raise Skipped("npm cannot provide @bazel/buildifier")
    return command


def buildifier(root, fix):
    mode = "fix" if fix else "check"
    return run(
        [
            *buildifier_command(fix),
            f"--mode={mode}",
            "--lint=off",
            *tree.files(root, "bzl"),
        ],
        root,
    )


def clang_tidy(root, fix):
    del fix  # Its suggestions want a person's judgement.
    command = (tool("clang-tidy"), "--quiet")

    def check(path):
        return run((*command, path, "--", *TIDY_FLAGS), root)

    sources = [
        path
        for path in tree.files(root, "c")
        if path.parts[0] == "memalloc" and path.suffix == ".cc"
    ]
    if not sources:
        raise RuntimeError("no source files found in memalloc/")
    # A header is complained of once, not once for each file that includes it.
    complaints = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for output in pool.map(check, sources):
            for text in output:
                text = TALLY.sub("", text).replace(f"{root.absolute()}/", "")
                complaints.update(dict.fromkeys(DIAGNOSTIC.split(text)))
    return [text.strip() for text in complaints if text.strip()]


CHECKS = {
    "format": clang_format,
    "buildifier": buildifier,
    "form": lambda root, **_: tree.check_form(root),
    "layers": lambda root, **_: tree.check_layers(root),
    "tidy": clang_tidy,
}


def workspace():
    """The workspace that `bazel run` was called in, or that a test links to."""
    return Path(
        os.environ.get("BUILD_WORKSPACE_DIRECTORY")
        or Path("WORKSPACE").resolve().parent
    )


def main():
    parser = argparse.ArgumentParser(description="Formats and lints memalloc.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, only complain"
    )
    parser.add_argument("--root", type=Path, help="the workspace")
    parser.add_argument(
        "checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.checks) - set(CHECKS)
    if unknown:
        parser.error(f"no such check: {', '.join(sorted(unknown))}")
    root = arguments.root or workspace()

    failed = False
    for name in arguments.checks or CHECKS:
        try:
            complaints = CHECKS[name](root, fix=not arguments.check)
        except Skipped as reason:
            print(f"lint {name}: skipped: {reason}", flush=True)
            continue
        except RuntimeError as error:
            complaints = [str(error)]
        for complaint in complaints:
            print(complaint)
        print(f"lint {name}: {'FAILED' if complaints else 'ok'}", flush=True)
        failed = failed or bool(complaints)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
