"""What allocators say of the program corruptions.cc, as a table.

Role: the facts behind the tables in docs/hardened.md and README.md. Each case
runs several times under each allocator that is found on this machine, or that
--also names, preloaded; a cell says how the runs ended: "text" with a message,
"fault" with SIGSEGV or SIGBUS, "trap" with another signal and no message, "-"
if the program went on to its end. A number behind it counts the runs if not all
ended so. The last rows count the cases in which most runs had a message, and
those in which most did not come to their end.

Scudo comes as a run-time library of clang (libclang-rt-14-dev), mimalloc's
secure build as libmimalloc-secure.so where the distribution has one.
"""

import argparse
import collections
import glob
import os
import signal
import subprocess

CASES = (
    "double-free double-free-later double-free-reused realloc-freed "
    "usable-size-freed write-after-free-start write-after-free-middle "
    "overflow-by-zero overflow-by-one overflow-by-words overflow-by-pages "
    "underflow overwrite-start interior misaligned free-global free-wild"
).split()
SIZES = (24, 1000, 100000)


def first(pattern):
    """The path that a pattern matches, "" if there is none."""
    return next(iter(sorted(glob.glob(pattern))), "")


def allocators(folder):
    """Name to environment, of those that are here."""
    found = {
        "glibc": {},
        "glibc, MALLOC_CHECK_=3": {
            "MALLOC_CHECK_": "3",
            "LD_PRELOAD": first("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0"),
        },
        "mimalloc": {
            "LD_PRELOAD": first("/usr/lib/*/libmimalloc.so.2*"),
        },
        "mimalloc secure": {
            "LD_PRELOAD": first("/usr/lib/*/libmimalloc-secure.so.2*"),
        },
        "jemalloc": {"LD_PRELOAD": first("/usr/lib/*/libjemalloc.so.2")},
        "tcmalloc": {
            "LD_PRELOAD": first("/usr/lib/*/libtcmalloc_minimal.so.4"),
        },
        "scudo": {
            "LD_PRELOAD": first(
                "/usr/lib/llvm-*/lib/clang/*/lib/linux/"
                "libclang_rt.scudo_standalone-x86_64.so"
            ),
        },
        "memalloc": {"LD_PRELOAD": f"{folder}/memalloc/memalloc.so"},
        "memalloc hardened": {
            "LD_PRELOAD": f"{folder}/memalloc/memalloc_hardened.so"
        },
    }
    return {
        name: env
        for name, env in found.items()
        if os.path.exists(env.get("LD_PRELOAD", "/"))
    }


def ending(command, environment):
    """How a run ended."""
    result = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        check=False,
        timeout=300,
    )
    if result.stderr.strip() and result.returncode != 0:
        return "text"
    if result.returncode in (-signal.SIGSEGV, -signal.SIGBUS):
        return "fault"
    return "-" if result.returncode == 0 else "trap"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--folder", default=os.getcwd(), help="of the build")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=FILE")
    arguments = parser.parse_args()
    program = f"{arguments.folder}/testing/hardened/corruptions"
    found = allocators(arguments.folder)
    for other in arguments.also:
        name, _, path = other.partition("=")
        found[name] = {"LD_PRELOAD": os.path.abspath(path)}
    told = collections.Counter()
    noticed = collections.Counter()
    print(f"| Mistake | Bytes | {' | '.join(found)} |")
    print("|---|---|" + "---|" * len(found))
    for case in CASES:
        for size in SIZES[:1] if case.startswith("free-") else SIZES:
            cells = []
            for name, environment in found.items():
                endings = collections.Counter(
                    ending([program, case, str(size)], environment)
                    for _ in range(arguments.runs)
                )
                told[name] += 2 * endings["text"] > arguments.runs
                noticed[name] += 2 * endings["-"] < arguments.runs
                cells.append(
                    ", ".join(
                        what if count == arguments.runs else f"{what} {count}"
                        for what, count in endings.most_common()
                    )
                )
            print(f"| {case} | {size} | {' | '.join(cells)} |", flush=True)
    for title, counts in (("told", told), ("noticed", noticed)):
        cells = (str(counts[name]) for name in found)
        print(f"| {title} | all | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
