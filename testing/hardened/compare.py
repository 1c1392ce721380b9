"""What allocators say of the program corruptions.cc, as a table.

Role: the facts behind the table in docs/hardened.md. Each case runs several
times under each allocator that is found on this machine, preloaded; a cell
says how the runs ended: "text" with a message, "fault" with SIGSEGV or SIGBUS,
"trap" with another signal and no message, "-" if the program went on to its
end. A number behind it counts the runs if not all ended so.

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
    arguments = parser.parse_args()
    program = f"{arguments.folder}/testing/hardened/corruptions"
    found = allocators(arguments.folder)
    print(f"| Mistake | Bytes | {' | '.join(found)} |")
    print("|---|---|" + "---|" * len(found))
    for case in CASES:
        for size in SIZES[:1] if case.startswith("free-") else SIZES:
            cells = []
            for environment in found.values():
                endings = collections.Counter(
                    ending([program, case, str(size)], environment)
                    for _ in range(arguments.runs)
                )
                cells.append(
                    ", ".join(
                        what if count == arguments.runs else f"{what} {count}"
                        for what, count in endings.most_common()
                    )
                )
            print(f"| {case} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
