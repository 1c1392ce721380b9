"""The names that memalloc defines, and how tests read them out of ELF files.

The set is written out here a second time, beside the sources: a name that is
lost there must fail a test. nm and readelf (binutils) do the reading.

Used by the tests of this folder.
"""

import re
import subprocess

# Of libc: C17, POSIX, C23, BSD and glibc, and what old programs call.
LIBC_NAMES = frozenset(
    """
    malloc free calloc realloc reallocarray cfree
    aligned_alloc posix_memalign memalign valloc pvalloc
    free_sized free_aligned_sized malloc_usable_size
    mallopt mallinfo mallinfo2 malloc_stats malloc_info malloc_trim
    __libc_malloc __libc_free __libc_calloc __libc_realloc __libc_memalign
    __libc_valloc __libc_pvalloc __posix_memalign
    """.split()
)

# The replaceable forms of operator new and delete, mangled for 64 bits: w is
# new, l is delete, a their array forms, m a size_t.
OPERATORS = frozenset(
    [
        f"_Zn{kind}m{align}{nothrow}"
        for kind in "wa"
        for align in ("", "St11align_val_t")
        for nothrow in ("", "RKSt9nothrow_t")
    ]
    + [
        f"_Zd{kind}Pv{rest}"
        for kind in "la"
        for rest in (
            "",
            "m",
            "RKSt9nothrow_t",
            "St11align_val_t",
            "mSt11align_val_t",
            "St11align_val_tRKSt9nothrow_t",
        )
    ]
)

INTERPOSED = LIBC_NAMES | OPERATORS

# Functions and data of glibc's malloc.o that nothing else defines.
LIBC_MALLOC_INTERNALS = frozenset(
    ["main_arena", "_int_malloc", "_int_free", "sysmalloc"]
)


def output_of(*command):
    """Returns what the command prints; it must succeed."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def symbols(file, *options):
    """Yields (name, nm's type letter) of the file's symbols.

    A name has its version appended, "@" before an old and "@@" before the
    default one. An archive is read member by member, so a name may come more
    than once.
    """
    listing = output_of("nm", "--format=posix", *options, file)
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[1]) == 1:
            yield fields[0], fields[1]


def strong_functions(file, *options):
    """Returns the names of the functions that the file defines strongly."""
    found = symbols(file, *options)
    return {name.split("@")[0] for name, kind in found if kind == "T"}


def offered_by_libraries():
    """Returns the symbols that a new program may take from libc, libstdc++."""
    offered = set()
    for library in ("libc.so.6", "libstdc++.so.6"):
        path = output_of("g++", f"-print-file-name={library}").strip()
        for name, _ in symbols(path, "--dynamic", "--defined-only"):
            base, _, version = name.partition("@@")
            if version:
                offered.add(base)
    return offered


def dynamic_section(file):
    """Returns the dynamic section as a list of (tag, value)."""
    return re.findall(
        r"^ *0x[0-9a-f]+ \((\w+)\) +(.*)$",
        output_of("readelf", "--dynamic", "--wide", file),
        re.MULTILINE,
    )
