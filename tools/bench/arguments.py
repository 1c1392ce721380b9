"""The command line of the benchmark tool."""

import argparse
from typing import List

from tools.bench.driver import allocators, curves
from tools.bench.driver.model import CURVES, EVENTS, WORKLOADS

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


def _check_publish(parser, options) -> None:
    """A part of the figures, or a sketch of them, is nothing to publish."""
    for name in ("workloads", "curves", "scale", "traces"):
        if getattr(options, name) != parser.get_default(name):
            parser.error("--publish measures all: leave out --%s" % name)
    for name in ("smoke", "no_pictures", "cpu_time", "events"):
        if getattr(options, name):
            flag = name.replace("_", "-")
            parser.error("--publish does not go with --%s" % flag)


def _parts(options) -> List[str]:
    if options.publish:
        return [WORKLOADS, CURVES, EVENTS]
    if options.curves or options.events:
        return [CURVES] * bool(options.curves) + [EVENTS] * options.events
    return [WORKLOADS]


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
        help="of %s, or NAME=/path/to.so, or NAME@VERSION=/path/to.so"
        " (default: all that are installed)"
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
    parser.add_argument(
        "--traces",
        nargs="+",
        default=[],
        metavar="FILE",
        help="traces to replay (MEMALLOC_TRACE); without --workloads nothing"
        " else is measured",
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
        "--events",
        action="store_true",
        help="count, instead of measuring, how often memalloc takes its lock"
        " and writes to lines that threads share, for a million operations",
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="measure everything, also curves and events, and put the figures"
        " into docs/benchmarks.md and README.md",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="measure nothing: report on, or publish, what an earlier run left"
        " in its --out folder",
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
    if options.publish:
        _check_publish(parser, options)
    if options.source and options.smoke:
        parser.error("--smoke runs everything: leave out --from")
    options.allocators = _words(options.allocators) or allocators.DEFAULT
    if options.traces and options.workloads == parser.get_default("workloads"):
        options.workloads = []
    options.workloads = _words(options.workloads)
    options.parts = _parts(options)
    if options.publish:
        options.curves = list(curves.CURVES)
    # A smoke run only asks what works.
    smoke = options.smoke
    options.rounds = options.rounds or (1 if smoke else 5)
    options.scale = options.scale or (0.01 if smoke else 1.0)
    options.timeout = options.timeout or (20.0 if smoke else 60.0)
    return options
