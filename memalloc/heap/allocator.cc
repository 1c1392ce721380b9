// Which kind of block serves a request, and how it is given back or resized.

#include "memalloc/heap/allocator.h"

#include <string.h>

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/base/mistakes.h"
#include "memalloc/base/options.h"
#include "memalloc/hardened/guard.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sized_free.h"
#include "memalloc/layout/free_list.h"

namespace memalloc {
namespace {

// Whether a cell that is surely not free begins at `address`.
MEMALLOC_FAST bool IsLiveCell(uintptr_t address) {
  if constexpr (!kHasChecks) return true;
  return IsCellStart(address) && !CellAt(address)->HasFreeTag();
}

// Dies if the allocation of the block is a free cell.
void CheckIsInUse(const BlockHeader* block, const void* pointer,
                  const char* call) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (block->status == BlockStatus::kSmall &&
      IsFreeCell(block, CellAt(address))) {
    DieOfMisuse(call, pointer, "the cell is free", "double-free");
  }
}

void FreeCellOfBlock(BlockHeader* block, FreeCell* cell) {
  ThreadHeap* heap = t_heap;
  if (MEMALLOC_LIKELY(!IsStandIn(heap))) return heap->Free(block, cell);
  // A thread that only frees needs a heap when it claims its first block.
  ThreadHeap* owner = block->owner.load(std::memory_order_acquire);
  Batch* batch = Batch::At(AddressOf(cell));
  if (owner != nullptr) {
    batch->Seal(block, cell, 1);
    if (owner->Receive(batch, batch)) return;
  }
  heap = AttachThread();
  if (heap != nullptr) return heap->Free(block, cell);
  batch->Seal(block, cell, 1);
  g_central_heap.FreeBatchOf(block, batch);
}

void* AllocateSmall(SizeClass size_class) {
  ThreadHeap* heap = t_heap;
  if (Magazines::Has(size_class)) {
    void* kept = heap->AllocateKept(size_class);
    if (kept != nullptr) return kept;
  }
  void* cell = heap->TryAllocate(size_class);
  if (MEMALLOC_LIKELY(cell != nullptr)) return cell;
  return ThreadHeap::AllocateSlow(heap, size_class);
}

// Whether a request gets a mapping of its own. Large blocks end at
// kMaxLargeSize, and earlier if an option says so.
bool IsHuge(size_t size) {
  return size > kMaxLargeSize ||
         (size > kMaxSmallSize && size >= GetOption(Option::kHugeThreshold));
}

// A block out of the thread's magazine; null if that has none.
void* AllocateKeptLarge(size_t size, bool zero) {
  BlockHeader* block = t_heap->AllocateKeptLarge(GranulesFor(size));
  if (block == nullptr) return nullptr;
  auto* start = reinterpret_cast<void*>(BlockStart(block));
  if (zero) memset(start, 0, size - GuardSize());
  return start;
}

// A block for this size alone: above kMaxSmallSize, or at an alignment that no
// cell has.
void* AllocateWhole(size_t size, size_t alignment, bool zero) {
  if (size > kMaxRequest) return nullptr;
  // A thread with a heap has read the options when it got that.
  if (MEMALLOC_UNLIKELY(IsStandIn(t_heap))) InitialiseOnce();
  if (IsHuge(size) || alignment > kMaxLargeAlignment) {
    return g_central_heap.AllocateHuge(size, alignment, zero);
  }
  if (alignment <= kGranuleSize) {
    void* kept = AllocateKeptLarge(size, zero);
    if (kept != nullptr) return kept;
  }
  return g_central_heap.AllocateLarge(size, alignment, zero);
}

// Of a cell half may be wasted: smaller ones cost a copy and save little. Of
// others a third, which leaves room for GrownSize.
MEMALLOC_FAST size_t WastedParts(BlockStatus status) {
  return status == BlockStatus::kSmall ? 2 : 3;
}

// Room for a block that must move to grow from `old_size` to `size`: seven
// sixteenths more than it had if it asks for less, so that growing by small
// steps moves it seldom. It is then better used than FitsWell demands.
size_t GrownSize(size_t old_size, size_t size) {
  return Max(size, old_size + old_size / 16 * 7);
}

void* Move(void* pointer, size_t old_size, size_t size) {
  void* target = nullptr;
  if (size > old_size) target = AllocateAnySize(GrownSize(old_size, size));
  if (target == nullptr) target = AllocateAnySize(size);
  if (target == nullptr) return nullptr;
  memcpy(target, pointer, Min(old_size, size));
  FreeAnyPointer(pointer, "realloc");
  return target;
}

// What Reallocate could not do by looking at a cell.
MEMALLOC_SLOW void* ReallocateSlow(void* pointer, size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, "realloc");
  if (block == nullptr || size > kMaxRequest) return nullptr;
  CheckIsInUse(block, pointer, "realloc");
  const size_t old_size = SizeOf(block);
  const bool is_small = block->status == BlockStatus::kSmall;
  if (FitsWell(size, old_size, WastedParts(block->status))) return pointer;
  if (is_small) {
    if (size <= kMaxSmallSize && SizeClassOf(size) == block->size_class) {
      return pointer;
    }
  } else if (block->status == BlockStatus::kLarge) {
    const bool stays_large =
        size > kMaxSmallSize && (size < old_size || !IsHuge(size));
    if (stays_large && g_central_heap.ResizeLarge(block, size)) {
      return pointer;
    }
  } else if (IsHuge(size)) {
    void* moved = nullptr;
    if (size > old_size) {
      moved = g_central_heap.ResizeHuge(block, GrownSize(old_size, size));
    }
    if (moved == nullptr) moved = g_central_heap.ResizeHuge(block, size);
    if (moved != nullptr) return moved;
  }
  void* moved = Move(pointer, old_size, size);
  if (moved != nullptr || size > old_size) return moved;
  // Shrinking cannot fail: the old block is large enough.
  if (is_small) NoteRoomyCell(old_size);
  return pointer;
}

// What UsableSize could not do by looking at a cell.
MEMALLOC_SLOW size_t UsableSizeSlow(const void* pointer) {
  if (pointer == nullptr) return 0;
  constexpr char kCall[] = "malloc_usable_size";
  const BlockHeader* block =
      BlockOfAllocation(reinterpret_cast<uintptr_t>(pointer), kCall);
  if (block == nullptr) return 0;
  CheckIsInUse(block, pointer, kCall);
  return SizeOf(block);
}

void FreeLarge(BlockHeader* block) {
  ThreadHeap* heap = t_heap;
  const size_t granules = block->granules;
  if (IsStandIn(heap) || !heap->KeepLarge(block)) {
    g_central_heap.FreeLarge(block);
  }
  // Each few megabytes that a thread freed it looks at the clock.
  if (IsStandIn(heap) || heap->CountLargeFree(granules)) PassSlowPath();
}

}  // namespace

void* AllocateAnySize(size_t size) {
  if (size <= kMaxSmallSize) return AllocateSmall(SizeClassOf(size));
  return AllocateWhole(size, kGranuleSize, /*zero=*/false);
}

void FreeOther(void* pointer, BlockHeader* header) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(t_heap->TryCollect(header, address))) return;
  FreeAnyPointer(pointer, "free");
}

void FreeAnyPointer(void* pointer, const char* call) noexcept {
  if (pointer == nullptr) return;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, call);
  if (MEMALLOC_UNLIKELY(block == nullptr)) return;
  if (MEMALLOC_LIKELY(block->status == BlockStatus::kSmall)) {
    FreeCell* cell = CellAt(address);
    if (IsFreeCell(block, cell)) DieOfDoubleFree(call, address);
    FreeCellOfBlock(block, cell);
  } else if (block->status == BlockStatus::kLarge) {
    FreeLarge(block);
  } else {
    g_central_heap.FreeHuge(block);
    PassSlowPath();
  }
}

void* AllocateZeroed(size_t size) {
  if (size > kMaxSmallSize) {
    return AllocateWhole(size, kGranuleSize, /*zero=*/true);
  }
  void* cell = Allocate(size);
  if (cell != nullptr) memset(cell, 0, size);
  return cell;
}

void* AllocateAligned(size_t size, size_t alignment) {
  if (IsCellAtAlignment(size, alignment)) {
    if (alignment / 2 > size) NoteRoomyCell(alignment);
    return Allocate(CellSizeAtAlignment(size, alignment));
  }
  return AllocateWhole(size, alignment, /*zero=*/false);
}

void* Reallocate(void* pointer, size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(HasHeader(address))) {
    const BlockHeader* block = BlockOf(address);
    const bool is_start =
        block->status == BlockStatus::kSmall
            ? IsLiveCell(address)
            : block->IsLargeInUse() && address == BlockStart(block);
    if (MEMALLOC_LIKELY(is_start && FitsWell(size, block->cell_size,
                                             WastedParts(block->status)))) {
      return pointer;
    }
  }
  return ReallocateSlow(pointer, size);
}

size_t UsableSize(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(HasHeader(address))) {
    // Servers ask for every block they allocate and free: no more than the
    // header of a cell in the block's first granule is looked at.
    const BlockHeader* header = HeaderOf(address);
    if (MEMALLOC_LIKELY(header->status == BlockStatus::kSmall &&
                        IsLiveCell(address))) {
      return header->cell_size;
    }
  }
  return UsableSizeSlow(pointer);
}

bool Owns(const void* pointer) {
  return g_central_heap.Owns(reinterpret_cast<uintptr_t>(pointer));
}

}  // namespace memalloc
