"""Replays a trace on allocators: time, memory, and memory over time.

    tools/bazel run //tools:replay -- TRACE [--allocators ...] [--rounds N]
        [--window N] [--out DIR] [--skip-damaged] [--no-pictures]

The trace comes from MEMALLOC_TRACE or `memalloc_run --trace`; it may be
compressed by gzip. Exit status: 0 done, 1 an allocator failed, 2 wrong usage or
a trace that cannot be replayed.
"""

import argparse
import os
import sys
import tempfile
from typing import List

from tools.bench import interpreter
from tools.bench.driver import allocators, traces
from tools.replay import report

_ROOT = os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
)


def _data(path: str) -> str:
    return os.path.join(_ROOT, path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _parse(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="replay", description="Replays a trace on allocators."
    )
    parser.add_argument("trace", metavar="TRACE")
    parser.add_argument(
        "--allocators",
        nargs="+",
        default=[],
        metavar="NAME",
        help="of %s, or NAME=/path/to.so (default: all that are installed)"
        % ", ".join(_names()),
    )
    parser.add_argument(
        "--rounds", type=_number, default=3, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--window",
        type=_number,
        default=traces.WINDOW,
        metavar="CALLS",
        help="how far a thread may run ahead of the slowest; 0: the calls one"
        " by one, in exactly the recorded order (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="where files and the picture go (default: a new folder in the"
        " system's folder for temporary files)",
    )
    parser.add_argument(
        "--skip-damaged",
        "--skip_damaged",  # as messages of the reader have it
        action="store_true",
        help="leave out what is damaged of the trace",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        help="seconds after which a replay counts as hanging (default: 600)",
    )
    parser.add_argument(
        "--no-pictures", action="store_true", help="do without matplotlib"
    )
    return parser.parse_args(argv)


def _names() -> List[str]:
    return [name for name in allocators.DEFAULT if name != allocators.STATIC]


def _replay(options, directory: str) -> int:
    recorded = traces.Traces(
        _data("tools/replay/prepare"), _data("tools/replay/player")
    )
    plan = recorded.add(
        os.path.join(directory, options.trace), options.skip_damaged
    )
    if plan.warnings:
        _say(plan.warnings)
    names = [n for value in options.allocators for n in value.split(",")]
    chosen, missing = allocators.resolve(
        names or _names(), _data("memalloc/memalloc.so"), directory
    )
    for line in missing:
        _say("left out, not installed: " + line)
    print(report.describe(plan), flush=True)
    results = [report.Result(allocator.name) for allocator in chosen]
    # Interleaved, so that what disturbs the machine disturbs all.
    for number in range(max(1, options.rounds)):
        for allocator, result in zip(chosen, results):
            result.add(
                *recorded.play(
                    plan, allocator, number, options.timeout, options.window
                )
            )
    print(report.table(plan, results))
    folder = options.out and os.path.join(directory, options.out)
    folder = folder or tempfile.mkdtemp(prefix="memalloc-replay-")
    os.makedirs(folder, exist_ok=True)
    report.write_csv(folder, plan, results)
    if not options.no_pictures:
        # Only here: it needs matplotlib.
        from tools.replay import plot

        plot.draw(folder, plan, results)
    print("results are in " + folder)
    return 1 if any(result.failure for result in results) else 0


def main(argv: List[str]) -> int:
    options = _parse(argv)
    if not options.no_pictures and not interpreter.prefer_matplotlib():
        _say("replay: %s, or use --no-pictures" % interpreter.ADVICE)
        return 2
    # Where the user is, as `bazel run` tells.
    directory = os.environ.get("BUILD_WORKING_DIRECTORY", os.getcwd())
    try:
        return _replay(options, directory)
    except (traces.Unusable, allocators.UnknownAllocator) as error:
        _say("replay: %s" % error)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
