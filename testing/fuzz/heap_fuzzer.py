"""Builds the fuzzer and runs it with libFuzzer's arguments.

Relative paths begin where the command was typed.
"""

import os
import sys
import tempfile

import builder
import programs


def main():
    split = sys.argv.index("--end_of_core")
    core = builder.sources_of(sys.argv[1:split])
    with tempfile.TemporaryDirectory() as folder:
        program = programs.heap_fuzzer(folder, core)
        place = os.environ.get("BUILD_WORKING_DIRECTORY", ".")
        command = [program, *sys.argv[split + 1 :]]
        return os.spawnv(os.P_WAIT, "/usr/bin/env", ["env", "-C", place, *command])


if __name__ == "__main__":
    sys.exit(main())
