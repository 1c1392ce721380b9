"""Counts what the straight-line path of a function executes.

The path of a function begins at its entry and ends at `ret`:
  * a conditional jump is not taken. The source says which way is likely, and
    the compiler lays the likely way straight on;
  * a jump within the function is followed;
  * a jump to another function or a call is no straight line any more: that is
    an error, not a count.

Counted are, on that path,
  instructions  all of them, ret among them, but endbr64 (a mark, not work);
  loads         instructions that read memory through an operand: thread-local
                storage and the global offset table too, not what pop and ret
                read from the stack;
  stores        instructions that write memory through an operand;
  branches      conditional jumps.
An instruction that changes memory (`sub $1,(%rax)`) is a load and a store.

Disassembly by binutils' objdump: x86-64 in AT&T syntax, and aarch64, where a
load or store of a pair of registers is one.
"""

import collections
import re
import subprocess

Counts = collections.namedtuple("Counts", "instructions loads stores branches")
Instruction = collections.namedtuple("Instruction", "address text")

_LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S.*?)\s*$")
# What objdump says about an instruction behind it.
_COMMENT = re.compile(r"\s+(#\s|//).*")
_TARGET = re.compile(r"^([0-9a-f]+)\b")
_CALLS = ("call", "bl", "blr")
_JUMPS = ("jmp", "b", "br")
# aarch64's conditional jumps, and its accesses of memory.
_AARCH64_BRANCHES = ("b.", "cbz", "cbnz", "tbz", "tbnz")
_AARCH64_LOADS = ("ldr", "ldp", "ldur", "ldar")
_AARCH64_STORES = ("str", "stp", "stur", "stlr")
# An operand in memory: a base or index in parentheses, or a segment.
_MEMORY = re.compile(r"\(|%[fg]s:")
# Their last operand is only read.
_READERS = ("cmp", "test", "bt")
# Their last operand, if in memory, is only written.
_WRITERS = ("mov", "set")


class NotStraight(Exception):
    """The path leaves the function before it returns."""


def parse(disassembly):
    """The instructions of objdump's text, in the order of addresses."""
    found = []
    for line in disassembly.splitlines():
        match = _LINE.match(line)
        if match:
            text = _COMMENT.sub("", match[2].replace("\t", " "))
            found.append(Instruction(int(match[1], 16), text))
    return found


def straight_path(instructions):
    """The instructions from the entry to ret."""
    places = {one.address: i for i, one in enumerate(instructions)}
    path = []
    i = 0
    while i < len(instructions):
        one = instructions[i]
        path.append(one)
        name, _, operands = one.text.partition(" ")
        if name.startswith("ret"):
            return path
        if name in _CALLS:
            raise NotStraight(f"'{one.text}' is on the path")
        i += 1
        if name in _JUMPS:
            target = _TARGET.match(operands.strip())
            i = places.get(int(target[1], 16)) if target else None
            if i is None or len(path) > len(instructions):
                raise NotStraight(f"the path ends in '{one.text}'")
    raise NotStraight("the path runs out of the function")


def _split(operands):
    """The operands of an instruction: commas in parentheses do not part."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", operands)]


def _accesses(text):
    """Whether the instruction loads, and whether it stores."""
    name, _, rest = text.partition(" ")
    if name.startswith(_AARCH64_LOADS + _AARCH64_STORES):
        return name.startswith(_AARCH64_LOADS), name.startswith(_AARCH64_STORES)
    if name.startswith(("lea", "nop", "prefetch", "j")):
        return False, False
    operands = _split(rest.strip())
    in_memory = [bool(_MEMORY.search(operand)) for operand in operands]
    if not any(in_memory):
        return False, False
    if not in_memory[-1] or name.startswith(_READERS):
        return True, False
    # The last operand is written; a move or a setcc does not read it first.
    return any(in_memory[:-1]) or not name.startswith(_WRITERS), True


def count(path):
    """The counts of a path."""
    instructions = loads = stores = branches = 0
    for one in path:
        name = one.text.split()[0]
        if name == "endbr64":
            continue
        instructions += 1
        is_conditional = name.startswith(("j",) + _AARCH64_BRANCHES)
        branches += is_conditional and name not in _JUMPS
        load, store = _accesses(one.text)
        loads += load
        stores += store
    return Counts(instructions, loads, stores, branches)


# ---- binaries ----


def _run(*command):
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def is_x86_64(binary):
    """Whether the file is an ELF file for x86-64."""
    with open(binary, "rb") as file:
        head = file.read(20)
    return head[:4] == b"\x7fELF" and head[18:20] == b"\x3e\x00"


def compiler(binary):
    """What compiled it, as "gcc-12" or "clang-14"."""
    comment = _run("readelf", "-p", ".comment", binary)
    # The C library's own objects came from gcc in any case.
    for name, pattern in (
        ("clang", r"clang version (\d+)"),
        ("gcc", r"GCC: .* (\d+)\.\d+\.\d+"),
    ):
        match = re.search(pattern, comment)
        if match:
            return f"{name}-{match[1]}"
    return "unknown"


def function(binary, symbol):
    """The instructions of the function."""
    for line in _run("readelf", "-W", "--syms", binary).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[3] == "FUNC" and fields[6] != "UND":
            if fields[7].split("@")[0] == symbol:
                start, size = int(fields[1], 16), int(fields[2], 0)
                break
    else:
        raise LookupError(f"{binary} has no function {symbol}")
    return parse(
        _run(
            "objdump" if is_x86_64(binary) else "aarch64-linux-gnu-objdump",
            "--disassemble",
            "--no-show-raw-insn",
            f"--start-address={start}",
            f"--stop-address={start + size}",
            binary,
        )
    )
