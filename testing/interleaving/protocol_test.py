"""Explores the protocol by which blocks and cells change hands.

The core is built from its own sources, but for its atomics and locks, which ask
the explorer who goes on (explored.h). All scenarios of protocol_explorer.cc
must hold in all orders. And each of MISTAKES, put into the sources, must be
found: what would not find them proves nothing.
"""

import argparse
import sys
import tempfile
import unittest

import builder

SOURCES = [
    "testing/fuzz/fresh_heap.cc",
    "testing/interleaving/explorer.cc",
    "testing/interleaving/protocol_explorer.cc",
]
PLAIN = ["-O1"]
EXPLORED = PLAIN + ["-include", "testing/interleaving/explored_names.h"]

CLOSES = (
    "    late = heap->inbox_.exchange("
    "kInboxClosed, std::memory_order_acq_rel);\n"
)

# What is done wrong: the file, and pairs of what it says and will say.
MISTAKES = {
    "claims_without_comparing": (
        "memalloc/heap/inbox.cc",
        (
            """  if (!block->owner.compare_exchange_strong(
          *owner, this, std::memory_order_acq_rel, std::memory_order_acquire)) {
    return false;
  }
""",
            "  block->owner.store(this, std::memory_order_release);\n",
        ),
    ),
    "claims_an_orphan_without_comparing": (
        "memalloc/heap/orphan_blocks.cc",
        (
            """    ThreadHeap* nobody = nullptr;
    if (!block->owner.compare_exchange_strong(nobody, owner,
                                              std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
      continue;
    }
""",
            "    block->owner.store(owner, std::memory_order_release);\n",
        ),
    ),
    "pushes_to_an_inbox_without_comparing": (
        "memalloc/heap/inbox.cc",
        (
            """  } while (!inbox_.compare_exchange_weak(old, first->Address(),
                                         std::memory_order_release,
                                         std::memory_order_acquire));
""",
            """    inbox_.store(first->Address(), std::memory_order_release);
  } while (false);
""",
        ),
    ),
    "takes_its_inbox_in_two_steps": (
        "memalloc/heap/inbox.cc",
        (
            """next = inbox_.exchange(kInboxEmpty, std::memory_order_acquire);
""",
            """next = inbox_.load(std::memory_order_acquire);
  inbox_.store(kInboxEmpty, std::memory_order_release);
""",
        ),
    ),
    "closes_its_inbox_in_two_steps": (
        "memalloc/heap/thread_heaps.cc",
        (
            CLOSES,
            """    late = heap->inbox_.load(std::memory_order_acquire);
    heap->inbox_.store(kInboxClosed, std::memory_order_release);
""",
        ),
    ),
    "closes_its_inbox_before_it_gives_up_its_blocks": (
        "memalloc/heap/thread_heaps.cc",
        (
            "  uintptr_t late;\n",
            """  uintptr_t late =
      heap->inbox_.exchange(kInboxClosed, std::memory_order_acq_rel);
""",
        ),
        (
            CLOSES,
            "",
        ),
    ),
    "drops_batches_that_come_too_late": (
        "memalloc/heap/inbox.cc",
        (
            "  if (full.to->Receive(full.first, full.last)) return;\n",
            """  if (full.to->Receive(full.first, full.last) || true) return;
""",
        ),
    ),
    "leaves_an_empty_block_among_the_orphans": (
        "memalloc/heap/central_heap.cc",
        (
            "  if (block->IsOrphan()) RemoveOrphan(block);\n",
            "",
        ),
    ),
}

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--preemptions", type=int, required=True)
arguments.add_argument("--core", nargs="+", required=True)


class ProtocolTest(unittest.TestCase):
    """The test cases of mistakes are added by builder.add_mistakes."""

    options = None

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.make = builder.Builder("g++", scratch.name)
        files = cls.options.core
        cls.core = builder.sources_of(files, "memalloc/")
        cls.rest = SOURCES + builder.sources_of(files, "testing/")

    def explore(self, core):
        objects = self.make.compile(core, EXPLORED)
        objects += self.make.compile(self.rest, PLAIN)
        program = self.make.link("explorer", objects, [])
        return builder.run([program, str(self.options.preemptions)])

    def test_holds_in_all_orders(self):
        result = self.explore(self.core)
        print(result.stdout)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertRegex(result.stdout, r"(?m)^\d+ orders in all$")

    def check_mistake(self, file, *edits):
        core = self.make.with_mistake(
            self.core, self._testMethodName, file, *edits
        )
        result = self.explore(core)
        print(result.stdout)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("after this order of threads", result.stdout)


if __name__ == "__main__":
    ProtocolTest.options, rest = arguments.parse_known_args()
    builder.add_mistakes(ProtocolTest, MISTAKES)
    unittest.main(argv=[sys.argv[0]] + rest)
