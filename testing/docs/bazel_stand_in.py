#!/usr/bin/env python3
"""Stands in for tools/bazel where a document's commands are tried.

`run` runs what Bazel built before (COMMANDS_PROGRAMS: label=path, a line each);
of all other targets it knows none, so that a command that nobody tries fails.
`build` and `test` look whether the flags are known; docs_test looks for the
targets.
"""

import os
import re
import sys
from pathlib import Path

# What the documents use, but for --config, which .bazelrc must have.
FLAGS = ("-c opt", "--test_output=", "--test_env=")


def known_configs():
    text = Path(os.environ["COMMANDS_BAZELRC"]).read_text(encoding="utf-8")
    return set(re.findall(r"^(?:build|test):(\w+) ", text, re.MULTILINE))


def check_flags(words):
    """Dies of a flag that no document should use."""
    text = " ".join(words)
    for flag in re.findall(r"(?<!\S)-(?:c \S+|-?\S+)", text):
        name, _, value = flag.partition("=")
        if name == "--config" and value in known_configs():
            continue
        if not flag.startswith(FLAGS):
            sys.exit(f"bazel stand-in: {flag}: which flag is this?")


def main():
    command, *words = sys.argv[1:]
    if command in ("build", "test"):
        check_flags(words)
        return 0
    if command != "run":
        sys.exit(f"bazel stand-in: {command}: build, test or run")
    target, *arguments = words
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    lines = os.environ["COMMANDS_PROGRAMS"].splitlines()
    programs = dict(line.split("=") for line in lines)
    if target not in programs:
        sys.exit(f"bazel stand-in: {target}: say which test tries this")
    os.execv(programs[target], [programs[target], *arguments])


if __name__ == "__main__":
    sys.exit(main())
