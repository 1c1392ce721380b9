"""Draws the figures of docs/design.md and memalloc/README.md.

    python3 docs/images/figures.py    writes them beside this file

docs_test compares them with what this says. heap.svg is drawn by hand.
"""

import html
import sys
from pathlib import Path

# Fill and outline of each kind of box: light, and on a dark page.
KINDS = {
    "paper": ("#ffffff", "#d0d7de", "#0d1117", "#3d444d"),
    "box": ("#f6f8fa", "#8c959f", "#161b22", "#656c76"),
    "blue": ("#d4eaff", "#0969da", "#12345c", "#4493f8"),
    "green": ("#c5ead0", "#1a7f37", "#173d25", "#3fb950"),
    "violet": ("#e9ddff", "#8250df", "#3c2a63", "#ab7df8"),
    "orange": ("#ffe2c9", "#bc4c00", "#54300f", "#db6d28"),
}
INK = ("#1f2328", "#f0f6fc")
FAINT = ("#59636e", "#9198a1")


def _style():
    """The style sheet: colours for both kinds of pages."""

    def colours(dark):
        rules = [
            f".{name} {{ fill: {four[2 * dark]};"
            f" stroke: {four[2 * dark + 1]}; }}"
            for name, four in KINDS.items()
        ]
        return rules + [
            f"text {{ fill: {INK[dark]}; }}",
            f".note, .tip {{ fill: {FAINT[dark]}; }}",
            f".arrow {{ stroke: {FAINT[dark]}; }}",
        ]

    fonts = '"DejaVu Sans", "Segoe UI", Helvetica, Arial, sans-serif'
    mono = '"DejaVu Sans Mono", Consolas, Menlo, monospace'
    return [
        f"svg {{ font-family: {fonts}; font-size: 13px; }}",
        ".head { font-size: 15px; font-weight: bold; }",
        ".note { font-size: 12px; }",
        f".code {{ font-family: {mono}; font-size: 12px; }}",
        ".middle { text-anchor: middle; }",
        ".arrow { fill: none; stroke-width: 1.5; marker-end: url(#tip); }",
        *colours(0),
        "@media (prefers-color-scheme: dark) {",
        *("  " + rule for rule in colours(1)),
        "}",
    ]


class Figure:
    """A picture of that size: boxes, texts and arrows."""

    def __init__(self, width, height, title):
        self._lines = [
            '<svg xmlns="http://www.w3.org/2000/svg"'
            f' viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img" aria-labelledby="title">',
            f'<title id="title">{html.escape(title)}</title>',
            "<style>",
            *("  " + line for line in _style()),
            "</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4"'
            ' markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse"'
            ' orient="auto"><path class="tip" d="M0 0 L8 4 L0 8 Z"/></marker>'
            "</defs>",
        ]
        self.box("paper", 0.5, 0.5, width - 1, height - 1)

    def box(self, kind, x, y, width, height, *texts, head="head"):
        """A box with lines of text in its middle; the first is its name."""
        self._lines.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}"'
            f' height="{height}" rx="5"/>'
        )
        top = y + height / 2 - 9 * (len(texts) - 1) + 5
        for number, text in enumerate(texts):
            style = head if number == 0 else "note"
            self.text(
                x + width / 2, top + 18 * number, text, f"{style} middle"
            )

    def text(self, x, y, text, style="note"):
        self._lines.append(
            f'<text class="{style}" x="{x:g}" y="{y:g}">'
            f"{html.escape(text, quote=False)}</text>"
        )

    def arrow(self, *points):
        """A line through the points, (x, y) each, with a tip at its end."""
        path = " L".join(f"{x} {y}" for x, y in points)
        self._lines.append(f'<path class="arrow" d="M{path}"/>')

    def svg(self):
        return "\n".join([*self._lines, "</svg>", ""])


def architecture():
    """The layers, the highest on top."""
    figure = Figure(900, 420, "The layers of memalloc")
    rows = (
        (
            "orange", "api",
            "malloc, free, new, delete, mallinfo2, ...",
            "what programs call: libc's names, and memalloc_...",
        ),
        (
            "green", "observe",
            "statistics, profiles, maps, traces",
            "reports: they read the heap and never change it",
        ),
        (
            "green", "runtime",
            "first use, threads, fork, options",
            "when things happen; a thread's heap from first need to exit",
        ),
        (
            "blue", "heap",
            "thread heaps, central heap, huge blocks",
            "the allocator itself: who owns what, and the fast paths",
        ),
        (
            "blue", "hardened",
            "canaries, quarantine, guards",
            "parts of the hardened build; elsewhere there is none of it",
        ),
        (
            "violet", "layout",
            "arena, header, cell, address map",
            "how memory is laid out: no locks, no decisions",
        ),
        (
            "box", "os",
            "sbrk, mmap, madvise, futex, files",
            "the only system calls; tests put a fake one here",
        ),
        (
            "box", "base",
            "locks, options, messages, numbers",
            "what all others use",
        ),
    )  # fmt: skip
    figure.text(24, 30, "A file includes its own layer and those below it.")
    for number, (kind, name, parts, about) in enumerate(rows):
        y = 46 + 44 * number
        figure.box(kind, 24, y, 110, 36, name)
        figure.box(kind, 140, y, 330, 36, parts, head="note")
        figure.text(488, y + 23, about)
    figure.text(24, 412, "//memalloc:core is all of it below api.")
    return figure


def address():
    """From a pointer to its header."""
    figure = Figure(900, 250, "The parts of an address, and its header")
    figure.text(24, 30, "an address", "head")
    parts = (
        (60, 180, "box", "0", "bits 47 to 63"),
        (240, 290, "violet", "number of the arena", "bits 24 to 46"),
        (530, 150, "blue", "granule", "bits 16 to 23"),
        (680, 190, "box", "place in the granule", "bits 0 to 15"),
    )
    for x, width, kind, name, bits in parts:
        figure.box(kind, x, 44, width, 50, name, bits, head="code")
    figure.text(352, 116, "colour: the lowest 2 bits")
    figure.arrow((520, 104), (520, 96))
    figure.arrow((300, 94), (300, 150))
    figure.box(
        "violet", 60, 150, 300, 70,
        "address_map[p >> 24]",
        "one byte: foreign, an arena,",
        "or a part of a huge block",
        head="code",
    )  # fmt: skip
    figure.arrow((606, 94), (606, 150))
    figure.box(
        "blue", 400, 150, 470, 70,
        "arena + ((p >> 10) & 0xffc0)",
        "the header: 64 bytes times the granule's number, in a table",
        "that the colour puts at one of four places of granule 0",
        head="code",
    )  # fmt: skip
    return figure


def cell_life():
    """The life of a cell."""
    figure = Figure(1000, 470, "The life of a cell")
    figure.box(
        "box", 24, 40, 190, 62,
        "not carved",
        "address space only:",
        "no page behind it yet",
    )  # fmt: skip
    figure.box(
        "blue", 354, 40, 190, 62,
        "in a bin",
        "ready for malloc",
        "of one thread",
    )  # fmt: skip
    figure.box(
        "green", 684, 40, 240, 62,
        "in use",
        "the program's,",
        "to the last byte",
    )  # fmt: skip
    figure.box(
        "violet", 354, 210, 190, 62,
        "in its block's list",
        "the owner freed it",
    )  # fmt: skip
    figure.box(
        "orange", 684, 210, 190, 62,
        "travelling",
        "batch, outbox, inbox:",
        "another thread freed it",
    )  # fmt: skip
    figure.box(
        "box", 24, 210, 190, 62,
        "purged",
        "in no list: its page",
        "went back to the kernel",
    )  # fmt: skip
    figure.box(
        "blue", 684, 350, 240, 62,
        "in a magazine",
        "ready for malloc of the thread",
        "that freed it",
    )  # fmt: skip
    figure.box(
        "box", 24, 350, 520, 62,
        "granules of a free run",
        "when all cells of the block are free: the central heap's,",
        "for blocks of any kind",
    )  # fmt: skip
    figure.arrow((214, 71), (352, 71))
    figure.text(226, 62, "carve: those of")
    figure.text(226, 90, "a page at a time")
    figure.arrow((544, 60), (682, 60))
    figure.text(590, 50, "malloc")
    figure.arrow((720, 102), (720, 130), (520, 130), (520, 208))
    figure.text(560, 122, "free, by the owner")
    figure.arrow((420, 210), (420, 104))
    figure.text(262, 158, "refill: the whole list,")
    figure.text(262, 176, "in one move")
    figure.arrow((790, 102), (790, 208))
    figure.text(798, 146, "free, by")
    figure.text(798, 164, "another")
    figure.arrow((684, 241), (546, 241))
    figure.text(556, 232, "the owner empties")
    figure.text(556, 262, "its inbox")
    figure.arrow((354, 241), (216, 241))
    figure.text(232, 232, "long idle")
    figure.arrow((119, 210), (119, 128), (384, 128), (384, 104))
    figure.arrow((890, 102), (890, 348))
    figure.text(720, 306, "free, by another,")
    figure.text(720, 324, "of more than 1 KiB")
    figure.arrow((910, 350), (910, 104))
    figure.text(918, 230, "malloc")
    figure.arrow((449, 272), (449, 348))
    figure.text(312, 314, "all are free: the")
    figure.text(312, 332, "block is empty")
    figure.arrow((40, 350), (40, 104))
    figure.text(50, 314, "another block is made")
    figure.text(
        24, 446,
        "What is in a bin, in a magazine or travelling counts as handed out: "
        "its block cannot become empty.",
    )  # fmt: skip
    return figure


def block_owner():
    """Who owns a block: the places of a small block."""
    figure = Figure(900, 430, "Who owns a block")
    figure.text(24, 30, "owned by a thread heap", "head")
    figure.box("box", 24, 42, 852, 190)
    figure.box(
        "blue", 60, 90, 180, 70,
        "current",
        "its cells are in the bin",
        "or were given out",
    )  # fmt: skip
    figure.box(
        "blue", 360, 90, 180, 70,
        "partial",
        "has enough free cells",
        "for a refill",
    )  # fmt: skip
    figure.box(
        "blue", 660, 90, 180, 70,
        "waiting",
        "less than an eighth",
        "of it is free",
    )  # fmt: skip
    figure.text(730, 276, "without an owner", "head")
    figure.box("box", 24, 288, 852, 120)
    figure.box(
        "orange", 60, 312, 180, 70,
        "detached",
        "all cells handed out,",
        "in no list",
    )  # fmt: skip
    figure.box(
        "orange", 360, 312, 180, 70,
        "orphan",
        "has cells to hand out,",
        "in a list under the lock",
    )  # fmt: skip
    figure.box("violet", 660, 312, 180, 70, "granules", "of the central heap")
    figure.arrow((360, 112), (242, 112))
    figure.text(262, 104, "at a refill")
    figure.arrow((660, 125), (542, 125))
    figure.text(550, 117, "an eighth is free")
    figure.arrow((120, 160), (120, 310))
    figure.text(130, 208, "all handed out: store null")
    figure.arrow((210, 312), (210, 262), (700, 262), (700, 162))
    figure.text(216, 256, "a free claims it: null becomes me")
    figure.arrow((420, 160), (420, 310))
    figure.text(300, 180, "idle from tick to")
    figure.text(300, 196, "tick; thread ends")
    figure.arrow((480, 312), (480, 162))
    figure.text(490, 196, "claimed by a free,")
    figure.text(490, 212, "or for its cells")
    figure.arrow((540, 150), (612, 150), (612, 347), (658, 347))
    figure.text(620, 200, "empty")
    figure.arrow((750, 382), (750, 398), (40, 398), (40, 125), (58, 125))
    return figure


def foreign_free():
    """A cell that another thread frees."""
    figure = Figure(900, 330, "Cells that other threads free")
    figure.text(24, 30, "thread B frees cells of A's blocks", "head")
    figure.box("box", 24, 42, 540, 160)
    figure.box(
        "blue", 44, 84, 130, 76,
        "cell",
        "its block's owner",
        "is A, not B",
    )  # fmt: skip
    figure.box(
        "blue", 224, 84, 130, 76,
        "batch",
        "one block's cells:",
        "32, or 8 KiB",
    )  # fmt: skip
    figure.box(
        "blue", 404, 84, 130, 76,
        "outbox",
        "batches for A:",
        "64 cells, 16 KiB",
    )  # fmt: skip
    figure.arrow((174, 122), (222, 122))
    figure.arrow((354, 122), (402, 122))
    figure.text(360, 178, "routed: who owns it now?")
    figure.text(624, 30, "thread heap A", "head")
    figure.box("box", 624, 42, 252, 160)
    figure.box(
        "violet", 650, 84, 200, 76,
        "inbox",
        "a stack: all push,",
        "only A takes, all at once",
    )  # fmt: skip
    figure.arrow((534, 122), (648, 122))
    figure.text(452, 222, "one compare-and-exchange (release)")
    figure.box(
        "green", 650, 236, 200, 70,
        "A's block",
        "the batch is put before",
        "its free list: 1 cell touched",
    )  # fmt: skip
    figure.arrow((750, 160), (750, 234))
    figure.text(760, 222, "exchange (acquire)")
    figure.box(
        "orange", 224, 236, 310, 70,
        "routed again",
        "the block changed hands meanwhile:",
        "claimed, or sent on",
    )  # fmt: skip
    figure.arrow((650, 271), (536, 271))
    figure.arrow((379, 236), (379, 204))
    figure.text(
        24, 320,
        "What travels counts as handed out: its block cannot become empty, "
        "nor serve anything else.",
    )  # fmt: skip
    return figure


FIGURES = {
    "architecture": architecture,
    "address": address,
    "cell_life": cell_life,
    "block_owner": block_owner,
    "foreign_free": foreign_free,
}


def drawn():
    """The figures: (name of the file, text)."""
    return [(f"{name}.svg", draw().svg()) for name, draw in FIGURES.items()]


def main():
    for name, text in drawn():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
