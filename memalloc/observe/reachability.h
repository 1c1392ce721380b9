// What the program can still reach. Layer: observe.
//
// A conservative scan: whatever looks like an address of an allocation, at a
// multiple of the word's size, is taken for one. It begins at the roots, all
// memory that is not the allocator's: variables, stacks with what threads keep
// for themselves, mappings. What the running thread had in registers is on its
// stack by then (leaks.cc); registers of other threads are not looked at.
//
// Nothing is stopped. What is unreachable stays so, whereas a pointer that a
// thread moves may be missed once: who asks while threads run scans again, and
// believes only what is the same each time.
//
// Variables of the allocator may be among the roots, in programs that have it
// linked in. They lead to headers, heaps and tables, never to an allocation.

#ifndef MEMALLOC_OBSERVE_REACHABILITY_H_
#define MEMALLOC_OBSERVE_REACHABILITY_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/heap_graph.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/mappings.h"
#include "memalloc/os/process_memory.h"

namespace memalloc {

class Reachability {
 public:
  // What the reporter's frames take of a stack, and more, mostly to sort. What
  // stands below is others' maybe, as stacks of 16 KiB are to be enough.
  static constexpr size_t kOwnFrames = size_t{5} << 10;

  // These stand below `stack`.
  explicit Reachability(uintptr_t stack);
  Reachability(const Reachability&) = delete;
  Reachability& operator=(const Reachability&) = delete;

  // Memory that is no root, beside the heap. Before MarkFromRoots.
  void AddOwn(uintptr_t start, uintptr_t end) { graph_.AddOwn(start, end); }

  // False if it cannot be told, as memory or descriptors are short.
  bool MarkFromRoots();

  // Whether the allocation was marked; one that is not known was.
  bool IsMarked(uintptr_t allocation) const;

  // Marks the allocation and what it leads to; false if it was marked before.
  bool MarkFrom(uintptr_t allocation);

  // Forgets what was marked since SaveMarks.
  void SaveMarks() { graph_.SaveMarks(); }
  void RestoreMarks() { graph_.RestoreMarks(); }

 private:
  using Node = HeapGraph::Node;

  // What is copied next.
  struct Batch {
    os::Piece pieces[os::ProcessMemory::kMaxPieces];
    Node nodes[os::ProcessMemory::kMaxPieces];
    size_t count;
    size_t bytes;
  };
  static constexpr size_t kPagesAtOnce = 512;
  struct Workspace {
    char copy[os::ProcessMemory::kMaxBytes];
    Batch batch;
    os::PageState pages[kPagesAtOnce];
    unsigned char is_wanted[kPagesAtOnce];  // bit 0
  };

  // Which pages may hold an address.
  enum class Wanted : uint8_t {
    kOwn,       // what was changed of a file that is mapped privately
    kWritten,   // all that was written to
    kResident,  // of memory that is shared: others may have written to it
  };

  void ScanMapping(const Mapping& mapping);
  void ScanRoot(uintptr_t start, uintptr_t end, Wanted wanted);
  void ScanPages(uintptr_t start, uintptr_t end, Wanted wanted);
  bool FindWanted(uintptr_t start, size_t pages, Wanted wanted);
  void ScanRange(uintptr_t start, uintptr_t end);
  void ScanWords(const char* words, size_t bytes);
  void Follow(Node node);
  void Drain();
  void ScanBatch();
  void ScanNode(Node node, size_t bytes, const char* copy);
  Workspace& work() const { return *workspace_.As<Workspace>(); }

  const uintptr_t stack_;
  const size_t page_size_;
  HeapGraph graph_;
  os::ProcessMemory memory_;
  MappedMemory workspace_;
  MappedMemory pending_;  // nodes that are marked and were not scanned
  size_t pending_count_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_REACHABILITY_H_
