// Which kind of block serves a request, and what a pointer leads to.

#include "memalloc/heap/allocator.h"

#include <string.h>

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"

namespace memalloc {
namespace {

// The block of a pointer that malloc returned; dies with a message about
// `call` for any other pointer.
BlockHeader* BlockOfAllocation(uintptr_t address, const char* call) {
  const auto* pointer = reinterpret_cast<const void*>(address);
  switch (g_address_map.Find(address)) {
    case SlotKind::kHugeAligned: {
      BlockHeader* block = HeaderOf(address - 1);
      if (ArenaHeaderOf(block)->huge.start == address) return block;
      break;
    }
    case SlotKind::kArena: {
      BlockHeader* block = BlockOf(address);
      if (block->status == BlockStatus::kSmall) {
        if (address % kMinAlignment == 0) return block;
        break;
      }
      const bool whole = block->status == BlockStatus::kLarge ||
                         block->status == BlockStatus::kHuge;
      if (whole && address == BlockStart(block)) return block;
      if (!whole) {
        DieOfMisuse(call, pointer, "no allocation stands here (freed before?)",
                    "no-allocation");
      }
      break;
    }
    case SlotKind::kForeign:
      DieOfMisuse(call, pointer, "not a pointer from memalloc",
                  "foreign-pointer");
    case SlotKind::kHugeInside:
      break;
  }
  DieOfMisuse(call, pointer, "not the start of an allocation",
              "interior-pointer");
}

size_t SizeOf(const BlockHeader* block) {
  switch (block->status) {
    case BlockStatus::kSmall:
      return block->cell_size;
    case BlockStatus::kLarge:
      return block->granules * kGranuleSize;
    default:
      return ArenaHeaderOf(block)->huge.bytes;
  }
}

// A cell that holds a link of a free list, if its block is one of ours. Live
// data looks the same once in 2^40 times at most.
bool IsFreeCell(const FreeCell* cell) {
  if (!cell->HasFreeTag()) return false;
  const uintptr_t next = cell->Next(g_link_key);
  return next == 0 || (next % kMinAlignment == 0 &&
                       g_address_map.Find(next) == SlotKind::kArena);
}

void FreeCellOfBlock(BlockHeader* block, FreeCell* cell) {
  ThreadHeap* heap = t_heap;
  if (MEMALLOC_LIKELY(!IsStandIn(heap))) return heap->Free(block, cell);
  // A thread that only frees needs a heap when it claims its first block.
  ThreadHeap* owner = block->owner.load(std::memory_order_acquire);
  if (owner != nullptr && owner->Receive(cell, cell)) return;
  heap = AttachThread();
  if (heap != nullptr) return heap->Free(block, cell);
  g_central_heap.FreeCellOf(block, cell);
}

void* AllocateSmall(SizeClass size_class) {
  ThreadHeap* heap = t_heap;
  void* cell = heap->TryAllocate(size_class);
  if (MEMALLOC_LIKELY(cell != nullptr)) return cell;
  return ThreadHeap::AllocateSlow(heap, size_class);
}

// Above kMaxSmallSize. `slack` more bytes are taken where that costs nothing
// but address space, so that the block can grow.
void* AllocateWhole(size_t size, size_t slack, bool zero) {
  if (size > kMaxRequest) return nullptr;
  const size_t with_slack = size + slack;
  if (with_slack <= kMaxLargeSize) {
    void* block = g_central_heap.AllocateLarge(with_slack, 1, zero);
    if (block != nullptr) return block;
    if (slack > 0) block = g_central_heap.AllocateLarge(size, 1, zero);
    return block;
  }
  void* block = g_central_heap.AllocateHuge(with_slack, 1);
  if (block == nullptr && slack > 0) {
    block = g_central_heap.AllocateHuge(size, 1);
  }
  return block;
}

// The smallest class of at least `size` bytes whose cells all stand at
// multiples of `alignment`, up to a granule.
SizeClass AlignedClassOf(size_t size, size_t alignment) {
  SizeClass size_class = SizeClassOf(RoundUp(Max<size_t>(size, 1), alignment));
  while (CellSize(size_class) % alignment != 0) ++size_class;
  return size_class;
}

// A new size for a block that must move to grow: an eighth more than asked,
// so that growing by small steps moves it seldom.
size_t SlackFor(size_t size) { return size / 8; }

void* Move(void* pointer, size_t old_size, size_t size) {
  void* target = size <= kMaxSmallSize
                     ? Allocate(size)
                     : AllocateWhole(size, size > old_size ? SlackFor(size) : 0,
                                     /*zero=*/false);
  if (target == nullptr) return nullptr;
  memcpy(target, pointer, Min(old_size, size));
  FreeAnyPointer(pointer, "realloc");
  return target;
}

}  // namespace

void* AllocateAnySize(size_t size) {
  if (size <= kMaxSmallSize) return AllocateSmall(SizeClassOf(size));
  return AllocateWhole(size, 0, /*zero=*/false);
}

void FreeAnyPointer(void* pointer, const char* call) {
  if (pointer == nullptr) return;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, call);
  if (MEMALLOC_LIKELY(block->status == BlockStatus::kSmall)) {
    FreeCell* cell = CellAt(address);
    if (IsFreeCell(cell)) {
      DieOfMisuse(call, pointer, "double free", "double-free");
    }
    FreeCellOfBlock(block, cell);
  } else if (block->status == BlockStatus::kLarge) {
    g_central_heap.FreeLarge(block);
  } else {
    g_central_heap.FreeHuge(block);
  }
}

void* AllocateZeroed(size_t size) {
  if (size > kMaxSmallSize) return AllocateWhole(size, 0, /*zero=*/true);
  void* cell = Allocate(size);
  if (cell != nullptr) memset(cell, 0, size);
  return cell;
}

void* AllocateAligned(size_t size, size_t alignment) {
  if (alignment <= kMinAlignment) return Allocate(size);
  if (size > kMaxRequest) return nullptr;
  if (alignment <= kGranuleSize && size <= kMaxSmallSize) {
    return AllocateSmall(AlignedClassOf(size, alignment));
  }
  if (alignment <= kMaxLargeSize && size <= kMaxLargeSize) {
    return g_central_heap.AllocateLarge(size, alignment, /*zero=*/false);
  }
  return g_central_heap.AllocateHuge(size, alignment);
}

void* Reallocate(void* pointer, size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, "realloc");
  const size_t old_size = SizeOf(block);
  if (size > kMaxRequest) return nullptr;
  // A block stays where it is while it is well used: by half for a cell, by
  // three quarters where the rest can be given back.
  const size_t least = block->status == BlockStatus::kSmall
                           ? old_size / 2
                           : old_size - old_size / 4;
  if (size <= old_size && size > least) return pointer;
  if (block->status == BlockStatus::kLarge && size > kMaxSmallSize &&
      size <= kMaxLargeSize) {
    if (g_central_heap.ResizeLarge(block, size)) return pointer;
  } else if (block->status == BlockStatus::kHuge && size > kMaxLargeSize) {
    const size_t slack = size > old_size ? SlackFor(size) : 0;
    void* moved = g_central_heap.ResizeHuge(block, size + slack);
    if (moved == nullptr && slack > 0) {
      moved = g_central_heap.ResizeHuge(block, size);
    }
    if (moved != nullptr) return moved;
  }
  void* moved = Move(pointer, old_size, size);
  // Shrinking cannot fail: the old block is large enough.
  return moved == nullptr && size <= old_size ? pointer : moved;
}

size_t UsableSize(const void* pointer) {
  if (pointer == nullptr) return 0;
  return SizeOf(BlockOfAllocation(reinterpret_cast<uintptr_t>(pointer),
                                  "malloc_usable_size"));
}

bool Owns(const void* pointer) {
  return g_address_map.Find(reinterpret_cast<uintptr_t>(pointer)) !=
         SlotKind::kForeign;
}

}  // namespace memalloc
