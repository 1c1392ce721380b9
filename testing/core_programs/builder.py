"""Builds programs of the core's sources with options of one's own.

For what Bazel's one compiler and set of options a build cannot do: sanitizers
and libFuzzer in an ordinary `tools/bazel test`, the core with other atomics, a
core with a mistake in it. Objects are kept by source and options; the sources
are under the current directory, as in a test's runfiles.
"""

import multiprocessing.pool
import os
import subprocess

OPTIONS = ["-std=c++17", "-I.", "-g", "-Wall", "-Wextra", "-Werror"]


def run(command, **options):
    """Runs the command with its output in one text."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **options,
    )


class Builder:
    """Makes objects and programs in `folder`."""

    def __init__(self, compiler, folder):
        self.compiler = compiler
        self.folder = folder
        self._objects = {}

    def _make(self, target, arguments):
        command = [self.compiler, *arguments, "-o", target]
        result = run(command)
        if result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}:\n{result.stdout}")

    def compile(self, sources, options):
        """Returns the sources' objects."""
        keys = [(source, tuple(options)) for source in sources]
        with multiprocessing.pool.ThreadPool(os.cpu_count()) as pool:
            missing = [key for key in keys if key not in self._objects]
            for key in missing:
                number = len(self._objects)
                self._objects[key] = os.path.join(self.folder, f"{number}.o")
            pool.map(
                lambda key: self._make(
                    self._objects[key], [*OPTIONS, *key[1], "-c", key[0]]
                ),
                missing,
                chunksize=1,
            )
        return [self._objects[key] for key in keys]

    def with_mistake(self, sources, name, file, *edits):
        """Returns the sources with another one in the place of `file`.

        That is a copy with the edits, pairs of a text that stands there once
        and what comes in its place. It is called `name`, which must be new:
        objects are kept by their sources' names.
        """
        with open(file, encoding="utf-8") as source:
            text = source.read()
        for right, wrong in edits:
            assert text.count(right) == 1, f"{file} is not as it was: {right}"
            text = text.replace(right, wrong)
        copy = os.path.join(self.folder, f"{name}.cc")
        with open(copy, "x", encoding="utf-8") as target:
            target.write(text)
        return [source for source in sources if source != file] + [copy]

    def link(self, name, objects, options):
        """Returns the program."""
        program = os.path.join(self.folder, name)
        self._make(program, [*objects, *options, "-pthread"])
        return program


def sources_of(files, folder=""):
    """The sources among `files` that lie below `folder`."""
    return [f for f in files if f.endswith(".cc") and f.startswith(folder)]


def add_mistakes(test_case, mistakes):
    """Adds a test for each mistake, which calls check_mistake with it."""
    for name, mistake in mistakes.items():

        def method(self, mistake=mistake):
            self.check_mistake(*mistake)

        setattr(test_case, f"test_finds_what_{name}", method)
