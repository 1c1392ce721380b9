"""The allocators that can be measured, and where they are on this machine.

memalloc comes from this build, preloaded and linked statically; libc is
whatever the programs have; the others are Debian packages, or any shared
object given as NAME=/path/to.so, or NAME@VERSION=/path/to.so, since nothing in
an object tells which version it is.
"""

import glob
import os
import subprocess
from typing import List, Tuple

from tools.bench.driver.model import Allocator

MEMALLOC = "memalloc"
STATIC = "memalloc-static"
LIBC = "libc"

# Name, Debian package, the file in a library directory. The version at the
# end differs from release to release.
_DEBIAN = (
    ("mimalloc", "libmimalloc2.0", "libmimalloc.so.*"),
    ("jemalloc", "libjemalloc2", "libjemalloc.so.*"),
    ("tcmalloc", "libtcmalloc-minimal4", "libtcmalloc_minimal.so.*"),
    ("tbbmalloc", "libtbbmalloc2", "libtbbmalloc_proxy.so.*"),
)

_LIBRARY_DIRECTORIES = ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib")

DEFAULT = [MEMALLOC, STATIC, LIBC] + [name for name, _, _ in _DEBIAN]


class UnknownAllocator(Exception):
    """The command line names an allocator that cannot be found."""


def _find(pattern: str) -> str:
    for directory in _LIBRARY_DIRECTORIES:
        found = sorted(glob.glob(os.path.join(directory, pattern)))
        if found:
            return found[0]
    return ""


def _output(command: List[str]) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _package_version(package: str) -> str:
    return _output(["dpkg-query", "-W", "-f", "${Version}", package])


def _memalloc_version() -> str:
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY", "")
    if not workspace:
        return "of this build"
    return _output(["git", "-C", workspace, "describe", "--always", "--dirty"])


def counting(counting_object: str) -> Allocator:
    """memalloc as it counts events."""
    return Allocator(
        MEMALLOC, preload=counting_object, version=_memalloc_version()
    )


def _of_path(name: str, path: str, directory: str) -> Allocator:
    name, _, version = name.partition("@")
    path = os.path.join(directory, path)
    if not os.path.isfile(path):
        raise UnknownAllocator("%s: there is no file %s" % (name, path))
    return Allocator(name, preload=path, version=version)


def resolve(
    names: List[str], memalloc_object: str, directory: str
) -> Tuple[List[Allocator], List[str]]:
    """The allocators of these names, and a line for each that is missing.

    Relative paths in NAME=PATH are relative to `directory`. A name that means
    nothing raises UnknownAllocator; a package that is not installed is only
    reported.
    """
    debian = {name: (package, file) for name, package, file in _DEBIAN}
    found, missing = [], []
    for name in names:
        if "=" in name:
            found.append(_of_path(*name.split("=", 1), directory))
        elif name == MEMALLOC:
            found.append(
                Allocator(
                    name, preload=memalloc_object, version=_memalloc_version()
                )
            )
        elif name == STATIC:
            found.append(
                Allocator(name, static=True, version=_memalloc_version())
            )
        elif name == LIBC:
            version = os.confstr("CS_GNU_LIBC_VERSION") or ""
            found.append(Allocator(name, version=version))
        elif name in debian:
            package, file = debian[name]
            path = _find(file)
            if path:
                version = _package_version(package)
                found.append(Allocator(name, preload=path, version=version))
            else:
                missing.append("%s: apt-get install %s" % (name, package))
        else:
            raise UnknownAllocator(
                "%s: no such allocator; there are %s and NAME=/path/to.so"
                % (name, ", ".join(DEFAULT))
            )
    if len({allocator.name for allocator in found}) != len(found):
        raise UnknownAllocator("an allocator is named twice")
    return found, missing
