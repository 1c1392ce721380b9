"""Builds the fuzzer and runs it with libFuzzer's arguments.

Relative paths begin where the command was typed.
"""

import os
import subprocess
import sys
import tempfile

import builder
import programs


def main():
    split = sys.argv.index("--end_of_core")
    core = builder.sources_of(sys.argv[1:split])
    with tempfile.TemporaryDirectory() as folder:
        program = programs.Programs(folder, core).heap_fuzzer()
        place = os.environ.get("BUILD_WORKING_DIRECTORY", ".")
        command = [program, *sys.argv[split + 1 :]]
        return subprocess.run(command, cwd=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
