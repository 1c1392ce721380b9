"""The command line of the benchmark tool."""

import argparse
from typing import List

from tools.bench.driver import allocators, curves

_EPILOG = """\
Ratios are memalloc's figure divided by the other allocator's: below 1 it is
better. For figures to rely on, leave the machine alone while it runs.
"""


def _words(values: List[str]) -> List[str]:
    """Names may be separated by spaces or by commas."""
    return [w for value in values for w in value.split(",") if w]


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def parse(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Compares allocators on allocation patterns and programs.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--allocators",
        nargs="+",
        default=[],
        metavar="NAME",
        help="of %s, or NAME=/path/to.so (default: all that are installed)"
        % ", ".join(allocators.DEFAULT),
    )
    parser.add_argument(
        "--workloads",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="names, wildcards as in 'xmalloc*', or one of: all, patterns,"
        " programs, latency (default: all; see --list)",
    )
    parser.add_argument("--rounds", type=_count, help="(default: 5)")
    parser.add_argument(
        "--scale", type=_positive, help="multiplies the work (default: 1)"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="where CSV, Markdown and pictures go (default: a new folder in"
        " the system's folder for temporary files)",
    )
    parser.add_argument(
        "--subject",
        metavar="NAME",
        help="which allocator the others are compared with (default: memalloc,"
        " or else the first)",
    )
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="compare processor time instead of time on the clock: for a"
        " machine that is busy with other things",
    )
    parser.add_argument(
        "--curves",
        nargs="+",
        default=[],
        choices=curves.CURVES,
        help="measure growth curves over these instead of the workloads",
    )
    parser.add_argument(
        "--timeout",
        type=_positive,
        help="seconds after which a run counts as hanging (default: 60)",
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="only whether every workload works on every allocator, in less"
        " than a minute; fails when one does not on memalloc or libc",
    )
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="do without matplotlib",
    )
    parser.add_argument(
        "--list", action="store_true", help="list the workloads and stop"
    )
    options = parser.parse_args(argv)
    options.allocators = _words(options.allocators) or allocators.DEFAULT
    options.workloads = _words(options.workloads)
    # A smoke run only asks what works.
    smoke = options.smoke
    options.rounds = options.rounds or (1 if smoke else 5)
    options.scale = options.scale or (0.01 if smoke else 1.0)
    options.timeout = options.timeout or (20.0 if smoke else 60.0)
    return options
