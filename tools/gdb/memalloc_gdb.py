"""gdb commands for programs on memalloc: what holds this address, and the like.

    (gdb) source tools/gdb/memalloc_gdb.py
    (gdb) memalloc heap                 where the memory is, by class
    (gdb) memalloc block ADDRESS        the allocation that has the address
    (gdb) memalloc find BYTES           allocations of such a size
    (gdb) memalloc map FILE             a heap map, for tools/heap_map
    (gdb) memalloc check                looks for damage

On a running program and on a core dump; with memalloc.so, and with programs
that are linked to memalloc, without debug information. Nothing in the program
is called. docs/observability.md shows what they print.
"""

import argparse
import collections
import os
import shlex
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import memalloc_check
import memalloc_map
from memalloc_heap import Heap, HeapError

MAX_FOUND = 20


class GdbMemory:
    """The memory of the program that gdb looks at."""

    def __init__(self):
        self._inferior = gdb.selected_inferior()
        self.page_size = self._page_size()

    def read(self, address, size):
        if size == 0:
            return b""
        try:
            return bytes(self._inferior.read_memory(address, size))
        except gdb.error as error:
            raise HeapError(f"cannot read {address:#x}: {error}") from error

    def symbol(self, name):
        """The symbol's address; 0 if there is none."""
        try:
            return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
        except gdb.error:
            return 0

    @staticmethod
    def _page_size():
        """From the auxiliary vector; 4 KiB if gdb has none."""
        try:
            for line in gdb.execute("info auxv", to_string=True).splitlines():
                if "AT_PAGESZ" in line:
                    return int(line.split()[-1], 0)
        except gdb.error:
            pass
        return 4096


def thread_names():
    """What gdb calls the threads, by their pthread_self()."""
    register = {"x86_64": "$fs_base", "aarch64": "$tpidr"}
    selected = gdb.selected_thread()
    names = {}
    if selected is None:
        return names
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            machine = gdb.selected_frame().architecture().name()
            name = register["x86_64" if "x86" in machine else "aarch64"]
            value = int(gdb.parse_and_eval(f"(unsigned long){name}"))
            text = f"thread {thread.num}"
            if thread.name:
                text += f' "{thread.name}"'
            names[value] = text
    except gdb.error:
        pass
    finally:
        selected.switch()
    return names


def bytes_text(count):
    """As docs and tools of memalloc write it."""
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            break
    return f"{value:.1f} {unit}"


def say(text=""):
    gdb.write(text + "\n")


def heap_text(heap, address, names):
    """Who owns a block."""
    owner = heap.heap_at(address)
    if address == 0:
        return "nobody"
    if owner is None:
        return f"{address:#x}, no thread heap"
    if owner.state != "in use":
        return f"thread heap {owner.number}, {owner.state}"
    thread = names.get(owner.thread, f"pthread {owner.thread:#x}")
    return f"thread heap {owner.number} of {thread}"


class Command(gdb.Command):
    """A subcommand: `run(heap, options)` does the work."""

    def __init__(self, name, parser):
        self.parser = parser
        # gdb lists the first sentence.
        self.__doc__ = f"{parser.description}\n\n{parser.format_help()}"
        super().__init__(f"memalloc {name}", gdb.COMMAND_DATA)

    def invoke(self, argument, _from_tty):
        try:
            options = self.parser.parse_args(self.words(argument))
        except SystemExit:
            return
        try:
            self.run(Heap(GdbMemory()), options)
        except HeapError as error:
            raise gdb.GdbError(f"memalloc: {error}")

    def words(self, argument):
        return shlex.split(argument)

    def run(self, heap, options):
        raise NotImplementedError


def parser_of(name, description):
    return argparse.ArgumentParser(
        prog=f"memalloc {name}", description=description
    )


def number(text):
    """Of an expression of gdb: 0x7f.., $rdi, p->next."""
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)({text})"))
    except gdb.error as error:
        raise argparse.ArgumentTypeError(str(error))


class HeapCommand(Command):
    """memalloc heap"""

    def __init__(self):
        super().__init__("heap", parser_of("heap", "Where the memory is."))

    def run(self, heap, options):
        rows, sums = {}, {}
        kept = collections.Counter(cell for cell, _ in heap.magazines())
        for block in heap.all_blocks():
            if block.status == "small":
                row = rows.setdefault(block.cell_size, [0, 0, 0])
                row[0] += 1
                row[1] += block.used - len(heap.bin_of(block))
                row[2] += block.capacity
                continue
            kind = block.status
            if kind == "large" and not block.is_large:
                kind = "large, kept by a thread"
            row = sums.setdefault(kind, [0, 0])
            row[0] += 1
            row[1] += block.bytes
        for cell in kept:
            block = heap.block_of(heap.arena_of(cell), cell)
            rows[block.cell_size][1] -= 1
        say("   cell    blocks        live    capacity   full         bytes")
        for cell, (blocks, live, capacity) in sorted(rows.items()):
            say(
                f"{cell:7} {blocks:9} {live:11} {capacity:11}"
                f" {100 * live // max(capacity, 1):5}% {live * cell:13}"
            )
        live = sum(cell * row[1] for cell, row in rows.items())
        say(f"small: {bytes_text(live)} live")
        for kind, (count, size) in sorted(sums.items()):
            say(f"{kind}: {bytes_text(size)} in {count}")
        huge = sum(mapping.huge_bytes for mapping in heap.huge)
        say(f"huge: {bytes_text(huge)} in {len(heap.huge)}")
        cached = sum(mapping.huge_mapped for mapping in heap.cached)
        say(f"huge, kept for reuse: {bytes_text(cached)} in {len(heap.cached)}")
        say(f"arenas: {len(heap.arenas)}")
        names = thread_names()
        for one in heap.heaps:
            owner = heap_text(heap, one.address, names)
            say(f"{owner}, at {one.address:#x}")


class BlockCommand(Command):
    """memalloc block ADDRESS"""

    def __init__(self):
        parser = parser_of("block", "The allocation that has an address.")
        parser.add_argument("address", type=number, help="any expression")
        super().__init__("block", parser)

    def words(self, argument):
        return [argument] if argument else []

    def run(self, heap, options):
        address = options.address
        arena = heap.arena_of(address)
        if arena is not None:
            self.in_arena(heap, arena, address)
            return
        mapping, is_live = heap.huge_of(address)
        if mapping is None:
            say(f"{address:#x}: not in memory of memalloc")
            return
        offset = address - mapping.huge_start
        state = "live" if is_live else "free, its mapping is kept for reuse"
        if offset < 0:
            state = "the header table of a huge block"
        elif is_live and offset >= mapping.huge_bytes:
            state = "behind the block, in pages to spare"
        say(f"{address:#x}: {state}")
        say(
            f"  huge block {mapping.huge_start:#x}, {mapping.huge_bytes} bytes"
            f" ({bytes_text(mapping.huge_mapped)} mapped), {offset} bytes in"
        )

    def in_arena(self, heap, arena, address):
        block = heap.block_of(arena, address)
        if block is None:
            say(f"{address:#x}: the header table of arena {arena.start:#x}")
            return
        if block.status == "small":
            self.in_small(heap, block, address)
        elif block.status == "large":
            state = "live" if block.is_large else "free, kept by its thread"
            say(f"{address:#x}: {state}")
            say(
                f"  large block {block.start:#x}, {block.cell_size} bytes, "
                f"{address - block.start} bytes in"
            )
        else:
            say(f"{address:#x}: no allocation")
            say(f"  {block.status} {block.start:#x}, {block.bytes} bytes")
        before, behind = heap.neighbours(block)
        for side, other in (("before", before), ("behind", behind)):
            if other is None:
                say(f"  {side}: the arena's end")
                continue
            cells = f" of {other.cell_size}-byte cells" if (
                other.status == "small"
            ) else ""
            say(
                f"  {side}: {other.status}{cells} {other.start:#x}, "
                f"{other.bytes} bytes"
            )

    def in_small(self, heap, block, address):
        cell = block.start + (
            block.cell_number(address) * block.cell_size
        )
        say(f"{address:#x}: {state_of(heap, block, cell)}")
        if block.cell_number(address) >= block.capacity:
            say(f"  behind the last cell of block {block.start:#x}")
        else:
            say(
                f"  cell {cell:#x}, {block.cell_size} bytes, number "
                f"{block.cell_number(address)}, {address - cell} bytes in"
            )
        say(
            f"  block {block.start:#x}, {block.bytes} bytes, {block.used} of "
            f"{block.capacity} cells in use, {block.where()}"
        )
        say(f"  owner {heap_text(heap, block.owner, thread_names())}")


def state_of(heap, block, cell):
    """Whether a cell is live, or where it waits."""
    index = block.cell_number(cell)
    if index >= block.capacity:
        return "no allocation"
    if index >= block.carved:
        return "free: never handed out"
    page = (cell - block.start) // heap.memory.page_size
    if page in heap.purged_pages(block):
        return "free: its page was given back"
    try:
        if cell in heap.free_list(block):
            return "free"
        if cell in heap.bin_of(block):
            return "free: in its owner's bin"
    except HeapError as error:
        return f"not known: {error}"
    for kept, keeper in heap.magazines():
        if cell == kept:
            return f"free: in the magazine of thread heap {keeper.number}"
    if heap.looks_free(block, cell, heap.word(cell)):
        return "free: on its way to its owner"
    if not heap.layout.secret:
        return "live"
    size = heap.size_asked_for(block, cell)
    if size is None:
        return "free: in a quarantine"
    return f"live, {size} bytes were asked for"


class FindCommand(Command):
    """memalloc find BYTES"""

    def __init__(self):
        parser = parser_of("find", "Live allocations of a size.")
        parser.add_argument("bytes", nargs="?", type=number, help="asked for")
        parser.add_argument("--class", dest="size_class", type=int, metavar="N")
        parser.add_argument("--max", type=int, default=MAX_FOUND, metavar="N")
        super().__init__("find", parser)

    def run(self, heap, options):
        if (options.bytes is None) == (options.size_class is None):
            raise gdb.GdbError("memalloc find: BYTES or --class N")
        found = sorted(self.addresses(heap, options))
        for address, size in found[: options.max]:
            say(f"{address:#x} {size}")
        rest = len(found) - options.max
        if rest > 0:
            say(f"and {rest} more (--max {len(found)})")
        say(f"{len(found)} allocations")

    def addresses(self, heap, options):
        size_class = options.size_class
        if size_class is None:
            size_class = heap.class_of(options.bytes)
        if size_class is not None:
            for block in heap.small_blocks(size_class):
                for cell in heap.live_cells(block):
                    yield cell, block.cell_size
            return
        # Blocks that such a request gets, and that are not much larger.
        for block in heap.all_blocks():
            if block.is_large and self.suits(block.cell_size, options.bytes):
                yield block.start, block.cell_size
        for mapping in heap.huge:
            if self.suits(mapping.huge_bytes, options.bytes):
                yield mapping.huge_start, mapping.huge_bytes

    @staticmethod
    def suits(size, wanted):
        return wanted <= size < wanted + wanted // 8 + 65536


class MapCommand(Command):
    """memalloc map FILE"""

    def __init__(self):
        parser = parser_of("map", "Writes a heap map for tools/heap_map.")
        parser.add_argument("file")
        super().__init__("map", parser)

    def run(self, heap, options):
        inferior = gdb.selected_inferior()
        program = os.path.basename(inferior.progspace.filename or "")
        try:
            with open(options.file, "w", encoding="utf-8") as file:
                file.writelines(
                    memalloc_map.lines(heap, inferior.pid, program)
                )
        except OSError as error:
            raise gdb.GdbError(f"memalloc: {error}")
        say(f"heap map in {options.file}")


class CheckCommand(Command):
    """memalloc check"""

    def __init__(self):
        super().__init__("check", parser_of("check", "Looks for damage."))

    def run(self, heap, options):
        findings = list(memalloc_check.check(heap))
        for finding in findings:
            say(str(finding))
        blocks = sum(1 for _ in heap.all_blocks())
        say(
            f"{len(heap.arenas)} arenas, {blocks} blocks and free runs, "
            f"{len(heap.huge)} huge blocks: "
            + (f"{len(findings)} findings" if findings else "sound")
        )


class Prefix(gdb.Command):
    """Looks at the heap of a program on memalloc."""

    def __init__(self):
        super().__init__("memalloc", gdb.COMMAND_DATA, prefix=True)

    def invoke(self, _argument, _from_tty):
        gdb.execute("help memalloc")


Prefix()
HeapCommand()
BlockCommand()
FindCommand()
MapCommand()
CheckCommand()
