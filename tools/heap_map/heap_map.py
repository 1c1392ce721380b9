"""Draws heap maps: one self-contained HTML page of one snapshot, or of two.

    tools/bazel run //tools:heap_map -- SNAPSHOT [SNAPSHOT2] --out FILE.html

A snapshot is the report "heap_map" of a process (docs/observability.md). With
two, of the same process as a rule, the page also shows what grew and what went
from the first to the second.
"""

import argparse
import os
import sys
from pathlib import Path

from tools.heap_map import html, snapshot


def main(argv):
    parser = argparse.ArgumentParser(
        prog="heap_map",
        description="Draws heap maps of memalloc as an HTML page.",
    )
    parser.add_argument("snapshot", help='a report "heap_map"')
    parser.add_argument("later", nargs="?", help="another one, to compare")
    parser.add_argument("--out", required=True, help="the page to write")
    options = parser.parse_args(argv)
    # `bazel run` starts us elsewhere; paths are the caller's.
    folder = Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    paths = [path for path in (options.snapshot, options.later) if path]
    try:
        snapshots = [snapshot.read(folder / path) for path in paths]
        out = folder / options.out
        out.write_text(html.page(snapshots), encoding="utf-8")
    except (OSError, snapshot.SnapshotError) as error:
        print(f"heap_map: {error}", file=sys.stderr)
        return 1
    print(f"heap_map: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
