"""What the documents of a workspace say, and what its sources say.

Each check is a function from the workspace's root to a list of complaints,
"path: what is wrong". docs_test.py runs them on this workspace and
documents_test.py on workspaces made for it.

Known forms: links and images of Markdown and of <a>, <img> and <source>;
files named in backquotes; the allocator's DieOfMisuse() and DieOfCorruption(),
and texts that name docs/errors.md themselves. A call of another form is a
complaint, so that no message goes unchecked. Of memalloc_run's
summary, the labels: the arguments of MemoryLine() and of the line of counts.
"""

import os
import re
from pathlib import Path

ERRORS = Path("docs/errors.md")
SOURCES = Path("memalloc/README.md")
USING = Path("docs/using.md")
SUMMARY = Path("tools/run/summary.cc")
OPTIONS = Path("memalloc/base/options.cc")
TUNING = Path("docs/tuning.md")
CONTRACT = Path("docs/contract.md")
PROTOCOL = Path("docs/design.md")
MISTAKES = Path("testing/interleaving/protocol_test.py")

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HTML_LINK = re.compile(
    r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\""
)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", re.MULTILINE)
FILE_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)+\.(?:bzl|cc|h|lds|md|py|sh|svg)")

LINE_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
LITERAL = re.compile(r"\"((?:[^\"\\]|\\.)*)\"")
NEIGHBOURS = re.compile(r"\"\s*\"")
# A call, not the definition, whose parameters have types; it is a statement, or
# the end of a macro.
DEATH = re.compile(r"\bDieOf(Misuse|Corruption)\((?!const char|\s*const void)")
DEATH_CALL = re.compile(
    r"\bDieOf(?:Misuse|Corruption)\((?!const char|\s*const void)([^;]*?)"
    r"\)(?:;|\)$)",
    re.MULTILINE,
)
ANCHOR = re.compile(r"[a-z]+(?:-[a-z]+)*")
# A sample of memalloc_run's summary: its first line, and the indented ones
# that begin with a label.
SAMPLE = re.compile(
    r"^memalloc_run: \S+ \(pid \d+\).*\n((?:  \S.*\n)+)", re.MULTILINE
)
SAMPLE_LABEL = re.compile(r"^  (\S+(?: \S+)*)  ", re.MULTILINE)
# What summary.cc prints in the column of the labels, one after the other.
SOURCE_LABEL = re.compile(
    r"(?:\bMemoryLine\(|%-15s %10d\\n\",)\s*\"([^\"]+)\""
)
# A row of the table of options: name, unit, default, maximum.
OPTION = re.compile(
    r"\{\"(\w+)\", OptionUnit::k(\w+), ([^,]+), ([^,]+)\},", re.MULTILINE
)
# A row of the table of options that are paths.
PATH_OPTION = re.compile(r"\{\"(\w+)\", /\*may_be_stderr=")
CONSTANT = re.compile(r"constexpr uint64_t (\w+) = ([^;]+);")
# A row of a table of promises, and in it a file and the tests named of it.
TESTS_OF_FILE = re.compile(r"`([^`]+)`: (\w+(?:, \w+)*)")
PROMISE = re.compile(
    r"^\| (.+) \| ((?:(?:; )?`[^`]+`: \w+(?:, \w+)*)+) \|$", re.MULTILINE
)
# The values of options that are words.
WORDS = {
    "HugePages": ("never", "default", "always"),
    "ForeignPointers": ("abort", "warn", "ignore"),
}
NAMED_ANCHOR = re.compile(r"docs/errors\.md#([a-z-]+)")


def files(root, *suffixes):
    """The files below root with these suffixes, as relative paths."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if not name.startswith((".", "bazel-"))
        )
        here = Path(folder).relative_to(root)
        found += [
            here / name for name in sorted(names) if name.endswith(suffixes)
        ]
    return found


def read(root, path):
    return (root / path).read_text(encoding="utf-8")


def slug(heading):
    """The name by which a link leads to a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(text):
    """(level, heading) of each heading outside code."""
    return [(len(m[1]), m[2]) for m in HEADING.finditer(FENCE.sub("", text))]


def links(text):
    """The targets of all links outside code."""
    prose = INLINE_CODE.sub("", FENCE.sub("", text))
    return LINK.findall(prose) + HTML_LINK.findall(prose)


def check_links(root):
    """Relative links lead to a file, and to a heading of it."""
    complaints = []
    for path in files(root, ".md"):
        for target in links(read(root, path)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, fragment = target.partition("#")
            other = (root / path).parent / name if name else root / path
            if not other.exists():
                complaints.append(f"{path}: {target} does not exist")
            elif not other.resolve().is_relative_to(root.resolve()):
                complaints.append(f"{path}: {target} is outside the tree")
            elif fragment and fragment not in [
                slug(heading) for _, heading in headings(other.read_text())
            ]:
                complaints.append(f"{path}: {target}: no such heading")
    return complaints


def check_file_names(root):
    """A file named in backquotes exists, seen from the document or the top."""
    complaints = []
    for path in files(root, ".md"):
        for code in INLINE_CODE.findall(FENCE.sub("", read(root, path))):
            if not FILE_NAME.fullmatch(code) or code.startswith("path/"):
                continue
            places = (root, (root / path).parent)
            if not any((place / code).exists() for place in places):
                complaints.append(f"{path}: `{code}` does not exist")
    return complaints


def check_sources_are_named(root):
    """memalloc/README.md names each of its files, a .h with its .cc."""
    text = read(root, SOURCES)
    complaints = []
    for path in files(root / "memalloc", ".cc", ".h"):
        if len(path.parts) == 2 and f"`{path.with_suffix('')}." not in text:
            complaints.append(f"{SOURCES}: does not name `{path}`")
    return complaints


def source_messages(root):
    """Yields (path, anchor, texts) of each message, and complaints.

    An anchor is None where the call could not be understood; texts are then
    what is wrong.
    """
    for path in files(root / "memalloc", ".cc", ".h"):
        code = LINE_COMMENT.sub("", read(root / "memalloc", path))
        code = NEIGHBOURS.sub("", code)
        calls = DEATH_CALL.findall(code)
        if len(calls) != len(DEATH.findall(code)):
            yield path, None, ["a message with a semicolon in it"]
        for call in DEATH_CALL.finditer(code):
            texts = LITERAL.findall(call[1])
            if call[0].startswith("DieOfCorruption"):
                yield path, "heap-corruption", texts
            elif call[1].endswith('"') and ANCHOR.fullmatch(texts[-1]):
                yield path, texts[-1], texts[:-1]
            else:
                yield path, None, [f"{call[0]}: its anchor is no literal"]
        for text in LITERAL.findall(code):
            named = NAMED_ANCHOR.search(text)
            if named:
                yield path, named[1], [text]


def entries(root):
    """The entries of errors.md: what stands under each third-level heading."""
    text = read(root, ERRORS)
    parts = re.split(r"^### +(.+)$", text, flags=re.MULTILINE)[1:]
    return {
        name: body.split("\n## ")[0]
        for name, body in zip(parts[::2], parts[1::2])
    }


def check_messages(root):
    """Each message has an entry that quotes it; each entry has a message."""
    complaints = []
    known = entries(root)
    used = set()
    for path, anchor, texts in source_messages(root):
        if anchor is None:
            complaints.append(f"memalloc/{path}: {texts[0]}")
        elif anchor not in known:
            complaints.append(f"{ERRORS}: no entry {anchor} ({path})")
        else:
            used.add(anchor)
            complaints += [
                f"{ERRORS}: {anchor} does not quote '{text}' ({path})"
                for text in texts
                if text not in known[anchor]
            ]
    complaints += [
        f"{ERRORS}: no message leads to {name}"
        for name in known
        if name not in used
    ]
    return complaints


def summary_labels(root):
    """The labels that memalloc_run's summary prints."""
    return sorted(set(SOURCE_LABEL.findall(read(root, SUMMARY))))


def check_samples(root):
    """Samples of the summary have labels of the code; each is explained."""
    complaints = []
    known = summary_labels(root)
    for path in files(root, ".md"):
        for lines in SAMPLE.findall(read(root, path)):
            complaints += [
                f"{path}: '{label}' is no label of {SUMMARY}"
                for label in SAMPLE_LABEL.findall(lines)
                if label not in known
            ]
    text = read(root, USING)
    complaints += [
        f"{USING}: does not explain *{label}*"
        for label in known
        if f"*{label}*" not in text
    ]
    return complaints


def option_text(unit, value):
    """An option's value as memalloc_get_option prints it."""
    if unit == "Milliseconds":
        return f"{value}ms"
    if unit in WORDS:
        return WORDS[unit][value]
    suffixes = iter(("K", "M", "G", "T"))
    suffix = ""
    while unit == "Bytes" and value and value % 1024 == 0 and suffix != "T":
        value //= 1024
        suffix = next(suffixes)
    return f"{value}{suffix}"


def option_range(unit, most):
    if unit in WORDS:
        return ", ".join(WORDS[unit])
    if unit == "Flag":
        return "0 or 1"
    return f"{option_text(unit, 0)} to {option_text(unit, most)}"


def options(root):
    """(name, default, range) of each option, from the source."""
    text = read(root, OPTIONS)
    constants = {}

    def number(expression):
        product = 1
        expression = re.sub(r"uint64_t\{(\d+)\}", r"\1", expression)
        first, *shifts = expression.split("<<")
        for factor in first.split("*"):
            factor = factor.strip()
            product *= constants.get(factor) or int(factor)
        return product << sum(int(shift) for shift in shifts)

    for name, expression in CONSTANT.findall(text):
        constants[name] = number(expression)
    return [
        (
            name,
            option_text(unit, number(default) if default != "0" else 0),
            option_range(unit, number(most)),
        )
        for name, unit, default, most in OPTION.findall(text)
    ]


def check_options(root):
    """tuning.md has a row and a section for each option, and no others."""
    text = read(root, TUNING)
    known = options(root)
    complaints = []
    for name, default, values in known:
        row = f"| `{name}` | `MEMALLOC_{name.upper()}` | {default} | {values} |"
        if f"\n{row}\n" not in text:
            complaints.append(f"{TUNING}: has no row {row}")
        if (3, name) not in headings(text):
            complaints.append(f"{TUNING}: has no section {name}")
    for name in PATH_OPTION.findall(read(root, OPTIONS)):
        row = f"| `MEMALLOC_{name.upper()}` | `{name}` |"
        if f"\n{row} " not in text:
            complaints.append(f"{TUNING}: has no row {row}")
    names = [name for name, _, _ in known]
    complaints += [
        f"{TUNING}: {name} is no option"
        for name in re.findall(r"^\| `(\w+)` \| `MEMALLOC_", text, re.MULTILINE)
        if name not in names
    ]
    return complaints


def promised_tests(root):
    """(promise, file, test) of each test that contract.md names."""
    text = read(root, CONTRACT)
    return [
        (promise, path, test)
        for promise, cell in PROMISE.findall(text)
        for path, tests in TESTS_OF_FILE.findall(cell)
        for test in tests.split(", ")
    ]


def check_contract(root):
    """Each promise names tests, in the form that is known, which exist."""
    complaints = [
        f"{CONTRACT}: {row}: not understood"
        for row in re.findall(r"^\| .*", read(root, CONTRACT), re.MULTILINE)
        if row != "| Promise | Tests |" and not PROMISE.fullmatch(row)
    ]
    for _, path, test in promised_tests(root):
        if not (root / path).exists():
            complaints.append(f"{CONTRACT}: {path} does not exist")
        elif not re.search(rf"\b{test}\b", read(root, path)):
            complaints.append(f"{CONTRACT}: {path} has no {test}")
    return complaints


def protocol_mistakes(root):
    """(function, mistake) of each rule of the protocol in design.md."""
    table = re.search(
        r"<!-- protocol -->(.*)<!-- /protocol -->",
        read(root, PROTOCOL),
        re.DOTALL,
    )
    return re.findall(
        r"\| `([\w:]+)` \| `(\w+)` \|$", table[1], flags=re.MULTILINE
    )


def check_protocol(root):
    """The rules' functions exist; their mistakes are those that are made."""
    made = re.findall(
        r'^    "(\w+)": \(', read(root, MISTAKES), flags=re.MULTILINE
    )
    named = protocol_mistakes(root)
    complaints = [
        f"{PROTOCOL}: {mistake} is not made"
        for _, mistake in named
        if mistake not in made
    ] + [
        f"{PROTOCOL}: no rule for {mistake}"
        for mistake in made
        if mistake not in [name for _, name in named]
    ]
    sources = "".join(
        read(root / "memalloc", path)
        for path in files(root / "memalloc", ".cc")
    )
    return complaints + [
        f"{PROTOCOL}: {function} is nowhere"
        for function, _ in named
        if f" {function}(" not in sources and f"*{function}(" not in sources
    ]
