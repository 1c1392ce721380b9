"""Makes the page: one HTML file with its style, its scripts and the snapshots.

The page asks for nothing beyond itself, and its policy forbids it to.
"""

import json
import re
from pathlib import Path

_PAGE = Path(__file__).resolve().parent / "page"
_SCRIPTS = ("model.js", "colours.js", "map.js", "tables.js", "main.js")


def page(snapshots):
    """The page of one snapshot, or of two that are compared."""
    programs = {snapshot.head["program"] for snapshot in snapshots}
    parts = {
        "TITLE": _escaped("Heap map: " + ", ".join(sorted(programs))),
        "STYLE": _read("page.css"),
        "SCRIPT": "".join(_read(name) for name in _SCRIPTS),
        "DATA": _json([_packed(snapshot) for snapshot in snapshots]),
    }
    return re.sub("@([A-Z]+)@", lambda at: parts[at[1]], _read("page.html"))


def _read(name):
    return (_PAGE / name).read_text(encoding="utf-8")


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _json(value):
    """As the text of an element of HTML."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _packed(snapshot):
    """What model.js unpacks: rows, as there may be a hundred thousand."""
    owners = {heap["heap"]: i for i, heap in enumerate(snapshot.heaps)}
    return {
        "name": Path(snapshot.name).name,
        "head": snapshot.head,
        "heaps": snapshot.heaps,
        "arenas": [
            {
                "start": arena.start,
                "kind": arena.kind,
                "granules": arena.granules,
                "resident": arena.resident,
                "blocks": [_row(block, owners) for block in arena.blocks],
            }
            for arena in snapshot.arenas
        ],
        "huge": snapshot.huge,
    }


def _row(block, owners):
    row = [block["at"], block["n"], block["is"], block["resident"]]
    if block["is"] == "small":
        owner = int(block.get("owner", "0"), 16)
        row += [
            block[name]
            for name in (
                "cell",
                "place",
                "used",
                "carved",
                "capacity",
                "purged",
            )
        ]
        row.append(owners.get(owner, -1))
    return row
