"""Puts a measurement into the workspace's documents.

In README.md and in docs/benchmarks.md the text between two comments,
`<!-- NAME -->` and `<!-- /NAME -->`, is replaced; pictures go to docs/images.
All texts are made before the first is written: either everything is published
or nothing.
"""

import os
import shutil
import textwrap
from typing import List

from tools.bench.driver.model import CURVES, EVENTS, WORKLOADS
from tools.bench.driver.model import PATTERN, PROGRAM, Allocator
from tools.bench.report import sections, tables
from tools.bench.report.report import Report

COMMAND = "tools/bazel run //tools/bench -- --publish"
PAGE = "docs/benchmarks.md"
README = "README.md"

_IMAGES = "docs/images"
_PICTURES = ("overview", "details", "curves")
_BLOCKS = {README: "figures", PAGE: "measured"}


class CannotPublish(Exception):
    """Something that the documents need is missing."""


def _read(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise CannotPublish(str(error)) from error


def _replace(path: str, text: str, block: str) -> str:
    begin = "<!-- %s -->\n" % _BLOCKS[path]
    end = "<!-- /%s -->\n" % _BLOCKS[path]
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise CannotPublish(
            "%s needs the lines %s and %s" % (path, begin.strip(), end.strip())
        )
    return before + begin + block + end + after


def check_documents(root: str) -> None:
    """Before hours of measuring: whether there is a place for the figures."""
    for path in _BLOCKS:
        _replace(path, _read(root, path), "")


def check_versions(allocators: List[Allocator]) -> None:
    """Figures without a version are of no use to others."""
    for allocator in allocators:
        if not allocator.version:
            raise CannotPublish(
                "which version is %s? Say %s@VERSION=/path/to.so; this"
                " workspace's own is what git says" % ((allocator.name,) * 2)
            )


def _check(folder: str, report: Report) -> None:
    if not report.measurement.complete:
        raise CannotPublish("the measurement was interrupted")
    missing = [
        name
        for name in (WORKLOADS, CURVES, EVENTS)
        if name not in report.measurement.parts
    ]
    if missing:
        raise CannotPublish("not measured: " + ", ".join(missing))
    check_versions(report.allocators())
    for name in _PICTURES:
        if not os.path.exists(os.path.join(folder, name + ".svg")):
            raise CannotPublish("there is nothing to draw in %s.svg" % name)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 80, break_on_hyphens=False) + "\n"


def _image(name: str, title: str, to_images: str) -> str:
    return "![%s](%s/benchmarks-%s.svg)\n" % (title, to_images, name)


def _measured_on(report: Report) -> str:
    facts = dict(report.measurement.machine)
    names = ("date", "processor", "memory", "system", "kernel", "libc")
    known = [facts[name] for name in names if name in facts]
    return "Measured on %s." % "; ".join(known)


def _means(report: Report) -> str:
    rows = tables.mean_rows(report.comparisons)
    return tables.markdown(rows, mark=True, names=1)


def _about_means(report: Report) -> str:
    """What the table of means shows; every row counts in the second half."""
    time = report.comparisons[0]
    kinds = [job.kind for job in time.jobs]
    ahead, level, behind = tables.score(time)
    return (
        "Geometric means over %d allocation patterns and %d whole programs of"
        " %s's figure divided by the other allocator's: below 1 %s is better,"
        " losses of more than 5 %% are bold. In time, against the best of the"
        " others on each row, it is ahead on %d, level (within 5 %%) on %d and"
        " behind on %d."
    ) % (
        kinds.count(PATTERN),
        kinds.count(PROGRAM),
        time.subject,
        time.subject,
        ahead,
        level,
        behind,
    )


def _readme(report: Report) -> str:
    about = "%s All rows, and the versions: [%s](%s)."
    parts = [
        _image("overview", "time and memory against others", _IMAGES),
        _means(report),
        _paragraph(about % (_about_means(report), PAGE, PAGE)),
        _paragraph(_measured_on(report)),
    ]
    return "\n".join(parts)


def _page(report: Report) -> str:
    titles = ("time and memory against others", "every ratio", "growth curves")
    pictures = [
        _image(name, title, "images") for name, title in zip(_PICTURES, titles)
    ]
    parts = [
        "Written by `%s`; not to be edited.\n" % COMMAND,
        _paragraph(sections.convention(report)),
        *pictures,
        sections.write(sections.everything(report), 3),
    ]
    return "\n".join(parts)


def publish(root: str, folder: str, report: Report) -> List[str]:
    """Writes the documents below `root`, with the pictures that are drawn in
    `folder`; the paths of what was written."""
    _check(folder, report)
    blocks = {README: _readme(report), PAGE: _page(report)}
    texts = {
        path: _replace(path, _read(root, path), block)
        for path, block in blocks.items()
    }
    images = os.path.join(root, _IMAGES)
    os.makedirs(images, exist_ok=True)
    written = []
    for name in _PICTURES:
        path = "%s/benchmarks-%s.svg" % (_IMAGES, name)
        shutil.copyfile(
            os.path.join(folder, name + ".svg"), os.path.join(root, path)
        )
        written.append(path)
    for path, text in texts.items():
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written
