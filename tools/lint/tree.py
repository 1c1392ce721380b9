"""The files of the workspace and the rules they keep to by themselves.

Each rule is a function from the workspace's root to a list of complaints,
"path:line: what is wrong"; tools/lint/lint.py runs them and the outside tools
(clang-format, buildifier, clang-tidy). Nothing here needs more than Python.
"""

import os
import re
from pathlib import Path

CPP = (".cc", ".c", ".h")
MAX_LINES = 500
MAX_COLUMNS = 80

# The layers of memalloc/, lowest first. A file includes its own layer and
# lower ones only.
LAYERS = (
    "base",
    "os",
    "layout",
    "hardened",
    "heap",
    "runtime",
    "observe",
    "api",
)

# The public interface includes nothing of ours; the structures that it declares
# are filled in by this layer.
PUBLIC_HEADER = "memalloc/memalloc.h"
PUBLIC_LAYER = "observe"

# Calls of other allocators: what they need of memalloc is public, and their
# headers are for programs, which may use all of C++.
COMPAT = "compat"

# The C++ headers that allocate nothing and need no .cc of the library. C and
# Linux headers (with .h) are allowed as well; anything else is a third party.
CPP_HEADERS = frozenset(
    "algorithm array atomic cstddef cstdint initializer_list limits new "
    "optional type_traits utility".split()
)
C_HEADER = re.compile(r"[a-z0-9_]+\.h|(sys|linux|asm|bits)/[a-z0-9_/]+\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
# Spelled so that this file passes its own rule.
LEFT_OPEN = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
COMMENT = {"c": ("//", "/*"), "py": ('"""', "#"), "sh": ("#",), "bzl": None}


def kind(path):
    """What a file is written in; None if it is no code of ours."""
    if path.suffix in CPP:
        return "c"
    if path.suffix == ".py":
        return "py"
    if path.suffix == ".bzl" or path.name in (
        "BUILD",
        "MODULE.bazel",
        "WORKSPACE",
    ):
        return "bzl"
    if path.suffix == ".sh" or path in (Path("tools/bazel"), Path(".ci/run")):
        return "sh"
    return None


def files(root, *kinds):
    """The code below root, of these kinds or of any, as relative paths."""
    found = []
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        # Not git's, an editor's or Python's folders, nor Bazel's links.
        folders[:] = sorted(
            name
            for name in folders
            if name == ".ci"
            or not name.startswith((".", "__", "bazel-", "node_modules"))
        )
        for name in sorted(names):
            path = here / name
            if kind(path) and (not kinds or kind(path) in kinds):
                found.append(path)
    return found


def lines(root, path):
    """The file's lines without their ends."""
    return (root / path).read_text(encoding="utf-8").splitlines()


def check_form(root):
    """No file is too long, too wide, unfinished, or without a head comment."""
    complaints = []
    for path in files(root):
        text = lines(root, path)
        if len(text) > MAX_LINES:
            complaints.append(f"{path}: {len(text)} lines, above {MAX_LINES}")
        start = next((s for s in text if s and not s.startswith("#!")), "")
        comment = COMMENT[kind(path)]
        if comment and text and not start.startswith(comment):
            complaints.append(f"{path}:1: does not begin with a comment")
        for number, line in enumerate(text, 1):
            if LEFT_OPEN.search(line):
                complaints.append(f"{path}:{number}: something is left open")
            if (
                len(line) > MAX_COLUMNS
                and kind(path) != "bzl"
                and "#include" not in line
                and "://" not in line
            ):
                complaints.append(f"{path}:{number}: {len(line)} columns")
    return complaints


def includes(root, path):
    """Yields (line number, system header or None, own header or None)."""
    for number, line in enumerate(lines(root, path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1], match[2]


def layer(name):
    """The layer of "memalloc/LAYER/..."; None for memalloc/'s own files."""
    if str(name) == PUBLIC_HEADER:
        return PUBLIC_LAYER
    parts = Path(name).parts
    return parts[1] if len(parts) > 2 else None


def check_compat(root, path):
    """It includes the public header, its own files, and what is a system's."""
    return [
        f"{path}:{number}: {quoted} is not public"
        for number, _, quoted in includes(root, path)
        if quoted not in (None, PUBLIC_HEADER)
        and not quoted.startswith(f"memalloc/{COMPAT}/")
    ]


def check_layers(root):
    """memalloc/ includes its own layer and lower ones, and no third party."""
    complaints = []
    for path in files(root, "c"):
        if path.parts[0] != "memalloc":
            continue
        # Files that stand in memalloc/ itself are the public interface.
        own = layer(path) or LAYERS[-1]
        if own == COMPAT:
            complaints += check_compat(root, path)
            continue
        if own not in LAYERS:
            complaints.append(f"{path}: '{own}' is not one of {LAYERS}")
            continue
        for number, system, quoted in includes(root, path):
            where = f"{path}:{number}: "
            if system and system not in CPP_HEADERS:
                if not C_HEADER.fullmatch(system):
                    complaints.append(f"{where}<{system}> is not allowed here")
            if quoted is None:
                continue
            other = layer(quoted) or LAYERS[-1]
            if not quoted.startswith("memalloc/"):
                complaints.append(f'{where}"{quoted}" is not ours')
            elif other not in LAYERS[: LAYERS.index(own) + 1]:
                complaints.append(
                    f"{where}'{own}' is below '{other}' ({quoted})"
                )
    return complaints
