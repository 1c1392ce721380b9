// Which kind of block serves a request, and how it is given back or resized.

#include "memalloc/heap/allocator.h"

#include <string.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/base/mistakes.h"
#include "memalloc/base/options.h"
#include "memalloc/hardened/guard.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/sized_free.h"
#include "memalloc/heap/watched_calls.h"
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

// A cell out of the magazine; if a sample or a guarded allocation is to be
// taken in its place, that, and the cell goes back.
void* SampleOr(void* kept, SizeClass size_class, size_t size) {
  void* sample = CountCell(size_class, size);
  if (MEMALLOC_LIKELY(sample == nullptr)) return kept;
  FreeCell* cell = static_cast<FreeCell*>(kept);
  FreeCellOfBlock(BlockOf(AddressOf(cell)), cell);
  return sample;
}

MEMALLOC_USUAL void* AllocateSmall(size_t size) {
  ThreadHeap* heap = t_heap;
  const SizeClass size_class = SizeClassOf(size);
  if (Magazines::Has(size_class)) {
    void* kept = heap->AllocateKept(size_class);
    if (kept != nullptr) return SampleOr(kept, size_class, size);
  }
  void* cell = heap->TryAllocate(size_class);
  if (MEMALLOC_LIKELY(cell != nullptr)) return cell;
  return ThreadHeap::AllocateSlow(heap, size_class, size);
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

void* AllocateUnsampled(size_t size, size_t alignment, bool zero) {
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

// A block for this size alone: above kMaxSmallSize, or at an alignment that no
// cell has.
void* AllocateWhole(size_t size, size_t alignment, bool zero) {
  void* start = AllocateUnsampled(size, alignment, zero);
  if (MEMALLOC_UNLIKELY(SamplingIsOn()) && start != nullptr) {
    const auto address = reinterpret_cast<uintptr_t>(start);
    BlockHeader* block = BlockOfAllocation(address, "malloc");
    CountWhole(address, block, SizeOf(block));
  }
  return start;
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
  // Of a block that was kept the last page may be without access; what shrinks
  // into it has nothing there.
  memcpy(target, pointer, size > old_size ? old_size : size - GuardSize());
  FreeAnyPointer(pointer, "realloc");
  return target;
}

// A large or huge block was resized, and is no sample by now.
void CountResized(void* pointer, size_t old_size, bool was_sampled) {
  if (MEMALLOC_LIKELY(!was_sampled && !SamplingIsOn())) return;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, "realloc");
  const size_t size = SizeOf(block);
  if (was_sampled) {
    KeepSampled(address, block, old_size);
  } else if (size > old_size) {
    CountWhole(address, block, size - old_size);
  }
}

// Null if it cannot be; the block is as it was then.
void* ResizeHuge(BlockHeader* block, void* pointer, size_t size) {
  const size_t old_size = SizeOf(block);
  // Before it moves: another thread may get the address at once.
  const bool was_sampled = IsSampled(block);
  if (was_sampled) EndSample(reinterpret_cast<uintptr_t>(pointer), block);
  void* moved = nullptr;
  if (size > old_size) {
    moved = g_central_heap.ResizeHuge(block, GrownSize(old_size, size));
  }
  if (moved == nullptr) moved = g_central_heap.ResizeHuge(block, size);
  CountResized(moved != nullptr ? moved : pointer, old_size, was_sampled);
  return moved;
}

// Always to another place, so that uses of the old pointer are seen.
MEMALLOC_COLD void* ReallocateGuarded(void* pointer, size_t size) {
  const size_t old_size =
      g_guard_pool.SizeOf(reinterpret_cast<uintptr_t>(pointer), "realloc",
                          GuardMistakeKind::kUseAfterFree);
  void* moved = size <= kMaxRequest ? Move(pointer, old_size, size) : nullptr;
  if (moved != nullptr || size > old_size) return moved;
  NoteRoomyCell(CellSize(SizeClassOf(old_size)));
  return pointer;
}

// What Reallocate could not do by looking at a cell.
MEMALLOC_SLOW void* ReallocateSlow(void* pointer, size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, "realloc");
  if (block == nullptr && GuardPool::Has(address)) {
    return ReallocateGuarded(pointer, size);
  }
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
      const bool was_sampled = IsSampled(block);
      if (was_sampled) EndSample(address, block);
      CountResized(pointer, old_size, was_sampled);
      return pointer;
    }
  } else if (IsHuge(size)) {
    void* moved = ResizeHuge(block, pointer, size);
    if (moved != nullptr) return moved;
  }
  void* moved = Move(pointer, old_size, size);
  if (moved != nullptr || size > old_size) return moved;
  // Shrinking cannot fail: the old block is large enough.
  if (is_small) NoteRoomyCell(old_size);
  return pointer;
}

// What UsableSize could not do by looking at a cell.
MEMALLOC_ENTRY MEMALLOC_SLOW size_t UsableSizeSlow(const void* pointer) {
  if (pointer == nullptr) return 0;
  constexpr char kCall[] = "malloc_usable_size";
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const BlockHeader* block = BlockOfAllocation(address, kCall);
  if (block == nullptr) {
    return GuardPool::Has(address)
               ? g_guard_pool.SizeOf(address, kCall,
                                     GuardMistakeKind::kUseAfterFree)
               : 0;
  }
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

// ---- what the calls do, told or not ----

void* AllocateAnySizeUntold(size_t size) {
  if (size <= kMaxSmallSize) return AllocateSmall(size);
  return AllocateWhole(size, kGranuleSize, /*zero=*/false);
}

void* AllocateZeroedUntold(size_t size) {
  if (size > kMaxSmallSize) {
    return AllocateWhole(size, kGranuleSize, /*zero=*/true);
  }
  void* cell = AllocateSmall(size);
  return cell == nullptr ? nullptr : memset(cell, 0, size);
}

void* AllocateAlignedUntold(size_t size, size_t alignment) {
  return IsCellAtAlignment(size, alignment)
             ? AllocateSmall(CellSizeAtAlignment(size, alignment))
             : AllocateWhole(size, alignment, /*zero=*/false);
}

MEMALLOC_FAST void* ReallocateUntold(void* pointer, size_t size) {
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

void FreeAnyPointerUntold(void* pointer, const char* call) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfAllocation(address, call);
  if (MEMALLOC_UNLIKELY(block == nullptr)) {
    if (GuardPool::Has(address)) g_guard_pool.Free(address, call);
    return;
  }
  if (MEMALLOC_LIKELY(block->status == BlockStatus::kSmall)) {
    FreeCell* cell = CellAt(address);
    if (IsFreeCell(block, cell)) DieOfDoubleFree(call, address);
    if (IsSampled(block)) return EndSample(address, block);
    FreeCellOfBlock(block, cell);
    return;
  }
  if (IsSampled(block)) EndSample(address, block);
  if (block->status == BlockStatus::kLarge) {
    FreeLarge(block);
  } else {
    g_central_heap.FreeHuge(block);
    PassSlowPath();
  }
}

// ---- the same, told if somebody watches ----

// What AllocateZeroed could not do with the bin.
MEMALLOC_SLOW void* AllocateZeroedSlow(size_t size) {
  if (!IsWatched()) return AllocateZeroedUntold(size);
  return WatchAllocation({CallKind::kCalloc, nullptr, size, 0, nullptr, 0},
                         [=] { return AllocateZeroedUntold(size); });
}

// The same of AllocateAligned.
MEMALLOC_SLOW void* AllocateAlignedSlow(size_t size, size_t alignment) {
  if (!IsWatched()) return AllocateAlignedUntold(size, alignment);
  return WatchAllocation(
      {CallKind::kAligned, nullptr, size, alignment, nullptr, 0},
      [=] { return AllocateAlignedUntold(size, alignment); });
}

MEMALLOC_COLD void* ReallocateWatched(void* pointer, size_t size) {
  return WatchAllocation({CallKind::kRealloc, pointer, size, 0, nullptr, 0},
                         [=] { return ReallocateUntold(pointer, size); });
}

}  // namespace

MEMALLOC_USUAL void* AllocateAnySize(size_t size) {
  if (!IsWatched()) return AllocateAnySizeUntold(size);
  return WatchAllocation({CallKind::kMalloc, nullptr, size, 0, nullptr, 0},
                         [=] { return AllocateAnySizeUntold(size); });
}

MEMALLOC_ENTRY void FreeOther(void* pointer, BlockHeader* header) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(t_heap->TryCollect(header, address))) return;
  FreeAnyPointer(pointer, "free");
}

MEMALLOC_ENTRY void FreeAnyPointer(void* pointer, const char* call) noexcept {
  if (pointer == nullptr) return;
  if (!IsWatched()) return FreeAnyPointerUntold(pointer, call);
  WatchFree({CallKind::kFree, pointer, 0, 0, nullptr, 0},
            [=] { FreeAnyPointerUntold(pointer, call); });
}

void* AllocateZeroed(size_t size) {
  void* cell = TryAllocateFast(size);
  if (MEMALLOC_UNLIKELY(cell == nullptr)) return AllocateZeroedSlow(size);
  return memset(cell, 0, size);
}

void* AllocateAligned(size_t size, size_t alignment) {
  if (IsCellAtAlignment(size, alignment)) {
    if (alignment / 2 > size) NoteRoomyCell(alignment);
    void* cell = TryAllocateFast(CellSizeAtAlignment(size, alignment));
    if (MEMALLOC_LIKELY(cell != nullptr)) return cell;
  }
  return AllocateAlignedSlow(size, alignment);
}

void* Reallocate(void* pointer, size_t size) {
  if (MayBeWatched() && IsWatched()) return ReallocateWatched(pointer, size);
  return ReallocateUntold(pointer, size);
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
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  return GuardPool::Has(address) || g_central_heap.Owns(address);
}

}  // namespace memalloc
