// Huge blocks: one allocation with a mapping of its own, moved by mremap.
//
// The mapping looks like an arena with one block: it begins at a multiple of
// the arena's size with a header table, so that a pointer leads to its header
// as everywhere. The block begins behind the table, or at its alignment. A
// block aligned to the arena's size or more begins a slot of its own; its
// header stands in the slot before (SlotKind::kHugeAligned).
//
// A huge block belongs to the one who holds its pointer; only the list of huge
// blocks and the counts need the lock.

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/reserve.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

constexpr size_t kTableSize = kGranuleSize;

// Bytes from the mapping's start to the block.
size_t OffsetFor(size_t alignment) {
  return Max(kTableSize, Min(alignment, kArenaSize));
}

size_t GranulesOf(size_t offset, size_t bytes) {
  return (offset + RoundUp(bytes, kGranuleSize)) / kGranuleSize;
}

size_t SlotsOf(size_t offset, size_t bytes) {
  return RoundUp(offset + bytes, kArenaSize) / kArenaSize;
}

void MarkSlots(uintptr_t base, size_t offset, size_t bytes) {
  const size_t slots = SlotsOf(offset, bytes);
  g_address_map.Set(base, 1, SlotKind::kArena);
  if (slots > 1) {
    g_address_map.Set(base + kArenaSize, slots - 1, SlotKind::kHugeInside);
  }
  if (offset == kArenaSize) {
    g_address_map.Set(base + offset, 1, SlotKind::kHugeAligned);
  }
}

void ClearSlots(uintptr_t base, size_t offset, size_t bytes) {
  g_address_map.Set(base, SlotsOf(offset, bytes), SlotKind::kForeign);
}

// Writes the headers of a huge block into its table.
ArenaHeader* Describe(uintptr_t base, size_t offset, size_t bytes) {
  ArenaHeader* arena = ArenaHeaderAt(base);
  arena->status = BlockStatus::kArenaTable;
  arena->kind = ArenaKind::kHuge;
  arena->huge.start = base + offset;
  arena->huge.bytes = bytes;
  HeaderOf(base + Min(offset, kArenaSize - 1))->status = BlockStatus::kHuge;
  return arena;
}

// Reserves room for a block and makes its table usable; 0 on failure.
uintptr_t ReserveRoom(size_t offset, size_t bytes, size_t alignment) {
  const uintptr_t base =
      ReserveAligned(offset + bytes, Max(alignment, kArenaSize),
                     alignment >= kArenaSize ? offset : 0);
  if (base == 0) return 0;
  if (os::Commit(base, kTableSize)) return base;
  os::Unmap(base, offset + bytes);
  return 0;
}

}  // namespace

void* CentralHeap::AllocateHuge(size_t size, size_t alignment) {
  const size_t offset = OffsetFor(alignment);
  // Room for the table, for aligning, and for rounding up, without overflow.
  constexpr size_t kMost = kMaxRequest / 4;
  if (size > kMost || alignment > kMost) return nullptr;
  const size_t bytes = RoundUp(Max<size_t>(size, 1), os::PageSize());
  const uintptr_t base = ReserveRoom(offset, bytes, alignment);
  if (base == 0) return nullptr;
  if (!os::Commit(base + offset, bytes)) {
    os::Unmap(base, offset + bytes);
    return nullptr;
  }
  ArenaHeader* arena = Describe(base, offset, bytes);
  MarkSlots(base, offset, bytes);
  const LockHolder holder(lock_);
  Enlist(arena);
  return reinterpret_cast<void*>(base + offset);
}

void CentralHeap::FreeHuge(BlockHeader* block) {
  ArenaHeader* arena = ArenaHeaderOf(block);
  {
    const LockHolder holder(lock_);
    Delist(arena);
  }
  const uintptr_t base = arena->Start();
  const size_t offset = arena->huge.start - base;
  const size_t bytes = arena->huge.bytes;
  ClearSlots(base, offset, bytes);
  os::Unmap(base, offset + bytes);
}

void* CentralHeap::ResizeHuge(BlockHeader* block, size_t size) {
  ArenaHeader* arena = ArenaHeaderOf(block);
  const uintptr_t base = arena->Start();
  const uintptr_t start = arena->huge.start;
  const size_t offset = start - base;
  const size_t old_bytes = arena->huge.bytes;
  if (size > kMaxRequest / 4) return nullptr;
  const size_t bytes = RoundUp(size, os::PageSize());

  if (bytes <= old_bytes || os::RemapInPlace(start, old_bytes, bytes)) {
    // Slots are given up before their memory, and taken after it.
    if (bytes < old_bytes) {
      const size_t slots = SlotsOf(offset, bytes);
      g_address_map.Set(base + slots * kArenaSize,
                        SlotsOf(offset, old_bytes) - slots, SlotKind::kForeign);
      os::Unmap(start + bytes, old_bytes - bytes);
    } else {
      MarkSlots(base, offset, bytes);
    }
    const LockHolder holder(lock_);
    Delist(arena);
    arena->huge.bytes = bytes;
    Enlist(arena);
    return reinterpret_cast<void*>(start);
  }

  // Alignment beyond the usual is not kept by realloc.
  const size_t new_offset = kTableSize;
  const uintptr_t new_base = ReserveRoom(new_offset, bytes, kArenaSize / 2);
  if (new_base == 0) return nullptr;
  {
    const LockHolder holder(lock_);
    Delist(arena);
  }
  const uintptr_t new_start = new_base + new_offset;
  // Slots are given up before their memory: another thread may get it at once.
  ClearSlots(base, offset, old_bytes);
  if (!os::RemapTo(start, old_bytes, bytes, new_start)) {
    MarkSlots(base, offset, old_bytes);
    os::Unmap(new_base, new_offset + bytes);
    const LockHolder holder(lock_);
    Enlist(arena);
    return nullptr;
  }
  os::Unmap(base, offset);
  ArenaHeader* moved = Describe(new_base, new_offset, bytes);
  MarkSlots(new_base, new_offset, bytes);
  const LockHolder holder(lock_);
  Enlist(moved);
  return reinterpret_cast<void*>(new_start);
}

void CentralHeap::Enlist(ArenaHeader* arena) {
  const size_t granules =
      GranulesOf(arena->huge.start - arena->Start(), arena->huge.bytes);
  CountBlock(granules);
  backed_granules_ += granules;
  arena->prev = nullptr;
  arena->next = huge_;
  if (huge_ != nullptr) huge_->prev = arena;
  huge_ = arena;
}

void CentralHeap::Delist(ArenaHeader* arena) {
  const size_t granules =
      GranulesOf(arena->huge.start - arena->Start(), arena->huge.bytes);
  UncountBlock(granules);
  backed_granules_ -= granules;
  if (arena->prev != nullptr) {
    arena->prev->next = arena->next;
  } else {
    huge_ = arena->next;
  }
  if (arena->next != nullptr) arena->next->prev = arena->prev;
}

}  // namespace memalloc
