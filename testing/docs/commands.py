"""The commands that the documents show, and which test tries each.

A block of code says if it is commands: `sh`, or `console`, a session, whose
commands begin with "$ ", or `gdb`, one with gdb. What has no such name must not
look like commands. A comment in front of a block,

    <!-- tried by `testing/x_test.py`: test_a, test_b; `testing/y.cc`: Name -->

names the tests that do what it shows; these must exist. commands_test.py runs
the blocks that have none.
"""

import re
from typing import List, NamedTuple

from testing.docs import documents

COMMANDS = ("sh", "console", "gdb")
OTHERS = ("", "asm", "c", "cmake", "cpp", "json", "python", "yaml")

_BLOCK = re.compile(
    r"(?:^ *<!-- tried by (?P<tests>[^>]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
_TEST = re.compile(r"`([^`]+)`: (\w+(?:, \w+)*)")
_CALL = re.compile(r"(?:^|\s)tools/bazel ", re.MULTILINE)
# How lines of commands begin, where they are not said to be commands.
_LOOKS_LIKE_ONE = re.compile(
    r"^(?:\$ |\(gdb\) |\./|(?:[A-Z_]+=\S* )*(?:tools/bazel|bazel-bin/\S+|bazel"
    r"|memalloc[-_]run|apt-get|cmake|cp|curl|docker|gcc|g\+\+|gdb|git|go|make"
    r"|mkdir|pkill|python3|redis-\w+|sudo|valgrind|perf) |[A-Z_]+=\S+ \S)",
    re.MULTILINE,
)
# A label, or a pattern, of this workspace.
LABEL = re.compile(r"(?<![\w@/:])//[\w./-]*(?::[\w./-]+)?")


class Block(NamedTuple):
    page: str
    line: int
    kind: str
    text: str
    tests: str  # As the comment says; empty if there is none.

    def commands(self) -> str:
        """What a shell would be given."""
        if self.kind == "sh":
            return self.text
        lines = self.text.splitlines()
        return "\n".join(line[2:] for line in lines if line.startswith("$ "))

    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(root) -> List[Block]:
    """All blocks of code of all documents."""
    found = []
    for path in documents.files(root, ".md"):
        text = documents.read(root, path)
        for match in _BLOCK.finditer(text):
            indent = len(match["indent"])
            lines = [line[indent:] for line in match["text"].splitlines()]
            number = text.count("\n", 0, match.start("indent")) + 1
            found.append(
                Block(
                    str(path),
                    number,
                    match["kind"],
                    "\n".join(lines) + "\n",
                    " ".join((match["tests"] or "").split()),
                )
            )
    return found


def to_run(root) -> List[Block]:
    """The blocks that commands_test.py runs."""
    return [
        block
        for block in blocks(root)
        if block.kind in ("sh", "console") and not block.tests
    ]


def check_blocks(root):
    """Each block says what it is, and has a test if it cannot be run."""
    complaints = []
    for block in blocks(root):
        if block.kind not in COMMANDS + OTHERS:
            known = ", ".join(COMMANDS + OTHERS)
            complaints.append(f"{block.place()}: a block is one of {known}")
        elif block.kind in OTHERS and (
            _CALL.search(block.text)
            or (not block.kind and _LOOKS_LIKE_ONE.search(block.text))
        ):
            complaints.append(
                f"{block.place()}: commands: say sh, console or gdb"
            )
        elif block.kind == "gdb" and not block.tests:
            complaints.append(f"{block.place()}: no test tries this")
        elif block.kind == "console" and not block.commands():
            complaints.append(f"{block.place()}: a session without a command")
    return complaints


def check_tests(root):
    """The tests that are said to try a block exist."""
    complaints = []
    for block in blocks(root):
        if not block.tests:
            continue
        parts = block.tests.split("; ")
        matches = [_TEST.fullmatch(part) for part in parts]
        if not all(matches):
            complaints.append(f"{block.place()}: '{block.tests}': not a test")
            continue
        for match in matches:
            if not (root / match[1]).exists():
                complaints.append(f"{block.place()}: no {match[1]}")
                continue
            text = documents.read(root, match[1])
            complaints += [
                f"{block.place()}: {match[1]} has no {name}"
                for name in match[2].split(", ")
                if not re.search(rf"\b{name}\b", text)
            ]
    return complaints


def canonical(label):
    """The label with its target's name; a pattern as it is."""
    if ":" in label or label.endswith("..."):
        return label
    return f"{label}:{label.rsplit('/', 1)[1]}"


def labels(root):
    """(place, label) of all that `tools/bazel` is given: in blocks, and in
    backquotes within the text."""
    found = []
    for block in blocks(root):
        if block.kind in COMMANDS:
            calls = block.commands().replace("\\\n", " ").splitlines()
            for call in calls:
                if _CALL.search(call):
                    own = call.split(" -- ")[0]
                    found += [(block.place(), x) for x in LABEL.findall(own)]
    for path in documents.files(root, ".md"):
        prose = documents.FENCE.sub("", documents.read(root, path))
        for code in documents.INLINE_CODE.findall(prose):
            if _CALL.search(code):
                own = code.split(" -- ")[0]
                found += [(str(path), x) for x in LABEL.findall(own)]
            elif LABEL.fullmatch(code):
                # Without a target it is the folder that is meant.
                is_folder = ":" not in code and not code.endswith("...")
                found.append((str(path), code + "/..." * is_folder))
    return [(place, canonical(label)) for place, label in found]


def _names(build):
    """Patterns of what the text of a BUILD file may call a target: a string,
    or one with a name put into it."""
    strings = set(re.findall(r'"([^"\n]+)"', build)) - {"%s"}
    return [re.escape(text).replace("%s", r"\w+") for text in strings]


def check_labels(root):
    """A target's package names it, in quotes; a pattern leads to packages."""
    complaints = []
    for place, label in labels(root):
        folder, _, name = label[2:].partition(":")
        if not name:
            if not any((root / folder.rstrip(".")).rglob("BUILD")):
                complaints.append(f"{place}: {label}: no package there")
            continue
        build = root / folder / "BUILD"
        names = _names(build.read_text()) if build.exists() else []
        # memalloc_variant makes NAME.so, process_test NAME_libc.
        ends = r"(?:\.so|_libc)?"
        if not any(re.fullmatch(one + ends, name) for one in names):
            complaints.append(f"{place}: {label}: no such target")
    return complaints
