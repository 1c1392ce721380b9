"""A leak report as a test reads it."""

import re
from pathlib import Path

HEAD = re.compile(
    r"(Direct leak of|Indirect leak of|Still reachable:) (\d+) byte\(s\) in "
    r"(\d+) object\(s\) allocated from:"
)
FRAME = re.compile(r"    #(\d+) 0x[0-9a-f]+(?: in (\S+))?(?: \((.+)\+0x.+\))?")
REACHABLE = re.compile(r"Still reachable: (\d+) byte\(s\) in (\d+) alloc")
SUMMARY = re.compile(
    r"SUMMARY: memalloc: (\d+) byte\(s\) leaked in (\d+) allocation\(s\)\.\n"
)


class LeakReport:
    """What is told: groups of (kind, bytes, objects, functions)."""

    def __init__(self, path):
        self.text = Path(path).read_text(encoding="utf-8")
        self.groups = []
        for line in self.text.splitlines():
            head = HEAD.fullmatch(line)
            frame = FRAME.fullmatch(line)
            if head:
                kind = head[1].split()[0]
                self.groups.append((kind, int(head[2]), int(head[3]), []))
            elif frame:
                functions = self.groups[-1][3]
                if int(frame[1]) != len(functions):
                    raise ValueError(line)
                functions.append(frame[2])
        self.lost = tuple(map(int, SUMMARY.search(self.text).groups()))
        self.reachable = tuple(map(int, REACHABLE.search(self.text).groups()))
        if not self.text.endswith(SUMMARY.search(self.text)[0]):
            raise ValueError("something stands behind the summary")

    def of(self, function, kind="Direct"):
        """(bytes, objects) of that kind with the function on their stack."""
        mine = [
            (size, count)
            for its_kind, size, count, functions in self.groups
            if its_kind == kind and function in functions
        ]
        return tuple(map(sum, zip(*mine))) if mine else (0, 0)
