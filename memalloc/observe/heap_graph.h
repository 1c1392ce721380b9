// The heap as a leak report sees it: the allocations that there may be, and
// which of them were reached. Layer: observe.
//
// A table of all blocks, taken under the central lock and used without it. Each
// cell counts as an allocation: whether it is free its first word tells, when
// somebody looks into it. So does each free run, as it may be allocated until
// then. A block that ends meanwhile leads to wrong marks at worst; what is read
// is copied by the kernel, if it is still there (os/process_memory.h).

#ifndef MEMALLOC_OBSERVE_HEAP_GRAPH_H_
#define MEMALLOC_OBSERVE_HEAP_GRAPH_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/heap/heap_walk.h"
#include "memalloc/observe/mapped_memory.h"

namespace memalloc {

struct MemoryRange {
  uintptr_t start;
  uintptr_t end;
};

// How many the heap has, of each.
struct HeapSize {
  size_t blocks = 0;
  size_t allocations = 0;
  size_t ranges = 0;
};
HeapSize MeasureHeap();

class HeapGraph final : private HeapVisitor {
 public:
  // One allocation: a block, and which of its cells.
  struct Node {
    uint32_t block;
    uint32_t cell;
  };

  // With room for a heap that is a little larger than it was measured.
  explicit HeapGraph(const HeapSize& size);

  // Memory that is no part of a block, and no root. Before Take.
  void AddOwn(uintptr_t start, uintptr_t end);

  // Looks at the heap. False if there is not enough room.
  bool Take();

  // The allocation that holds the address, first byte or not; false if there
  // is none.
  bool Find(uintptr_t address, Node* node) const;
  MemoryRange RangeOf(Node node) const {
    const Block& block = blocks()[node.block];
    const uintptr_t start = block.start + node.cell * block.cell_size;
    return {start, start + block.cell_size};
  }
  // Whether an allocation, of which this is a copy, is marked as free.
  bool IsFree(Node node, const char* copy, size_t bytes) const;

  // False if it was marked before.
  bool Mark(Node node);
  bool IsMarked(Node node) const;

  // RestoreMarks forgets what was marked since SaveMarks.
  void SaveMarks();
  void RestoreMarks();

  // Where the allocator's memory lies, its heap and what AddOwn said, in the
  // order of addresses.
  const MemoryRange* own_ranges() const { return ranges_.As<MemoryRange>(); }
  size_t own_range_count() const { return range_count_; }

  // As many allocations as Take can find.
  size_t room() const { return room_.allocations; }

 private:
  struct Block {
    uintptr_t start;
    size_t cell_size;  // all of it if it is one allocation
    uint64_t first;    // the number of the first cell among all
    uintptr_t key;     // of the links of free cells; 0 for none
    uint32_t cells;
  };

  Block* blocks() const { return blocks_.As<Block>(); }
  uint64_t NumberOf(Node node) const {
    return blocks()[node.block].first + node.cell;
  }

  void Add(uintptr_t start, size_t cell_size, size_t cells, uintptr_t key);
  void AddGuardPool();
  void Sort();

  void OnThreadHeap(const ThreadHeapView&) override {}
  void OnArena(const ArenaHeader& arena) override;
  void OnBlock(const ArenaHeader& arena, const BlockHeader& block) override;
  void OnHuge(const ArenaHeader& mapping, bool is_cached) override;

  const HeapSize room_;
  MappedMemory blocks_;
  MappedMemory marks_;
  MappedMemory saved_marks_;
  MappedMemory ranges_;
  size_t block_count_ = 0;
  size_t range_count_ = 0;
  size_t allocation_count_ = 0;
  bool is_whole_ = true;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_HEAP_GRAPH_H_
