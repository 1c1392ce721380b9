// Mappings of huge blocks; see huge_mapping.h.

#include "memalloc/heap/huge_mapping.h"

#include <string.h>

#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/guard.h"
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

size_t OffsetOf(const ArenaHeader* arena) {
  return arena->huge.start - arena->Start();
}

size_t SlotsOf(size_t offset, size_t bytes) {
  return RoundUp(offset + bytes, kArenaSize) / kArenaSize;
}

void MarkSlots(uintptr_t base, size_t offset, size_t bytes) {
  const size_t slots = SlotsOf(offset, bytes);
  g_address_map.Set(base, 1, SlotKind::kHuge);
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

ArenaHeader* Describe(uintptr_t base, size_t offset, size_t bytes) {
  ArenaHeader* arena = ArenaHeaderAt(base);
  arena->status = BlockStatus::kArenaTable;
  arena->kind = ArenaKind::kHuge;
  arena->huge.start = base + offset;
  arena->huge.bytes = arena->huge.mapped = bytes;
  MarkSlots(base, offset, bytes);
  return arena;
}

// Reserves room for a block, and for a guard behind it, which is never made
// usable, and makes its table usable; 0 on failure. What lies beside the table
// remains a guard too in the hardened build.
uintptr_t ReserveRoom(size_t offset, size_t bytes, size_t alignment) {
  const size_t room = offset + bytes + GuardSize();
  const uintptr_t base = ReserveAligned(room, Max(alignment, kArenaSize),
                                        alignment >= kArenaSize ? offset : 0);
  if (base == 0) return 0;
  uintptr_t start = base;
  uintptr_t end = base + kTableSize;
  if constexpr (kIsHardened) {
    const size_t page = os::PageSize();
    const auto table = reinterpret_cast<uintptr_t>(ArenaHeaderAt(base));
    start = RoundDown(table, page);
    end = RoundUp(table + kGranulesPerArena * sizeof(BlockHeader), page);
  }
  if (os::Commit(start, end - start)) return base;
  ReturnAfterFailure(base, room, start, end - start);
  return 0;
}

// The guard, if there is one, makes way and is placed anew. It stands behind
// the mapping whatever the kernel says.
bool GrowInPlace(const ArenaHeader* arena, size_t bytes) {
  const uintptr_t start = arena->huge.start;
  const size_t mapped = arena->huge.mapped;
  const size_t guard = GuardSize();
  if (guard == 0) return os::RemapInPlace(start, mapped, bytes);
  if (!os::Unprotect(start + mapped, guard)) return false;
  const bool is_grown = os::RemapInPlace(start, mapped + guard, bytes + guard);
  os::Protect(start + (is_grown ? bytes : mapped), guard);
  return is_grown;
}

ArenaHeader* Move(ArenaHeader* arena, size_t bytes) {
  const uintptr_t base = arena->Start();
  const uintptr_t start = arena->huge.start;
  const size_t offset = OffsetOf(arena);
  const size_t old_bytes = arena->huge.mapped;
  const uintptr_t new_base = ReserveRoom(kTableSize, bytes, kGranuleSize);
  if (new_base == 0) return nullptr;
  ClearSlots(base, offset, old_bytes);
  // The guard is made of the block's own memory, or it could not grow in place.
  const size_t room = bytes + GuardSize();
  const uintptr_t new_start = new_base + kTableSize;
  if (!os::RemapTo(start, old_bytes, room, new_start)) {
    MarkSlots(base, offset, old_bytes);
    ReturnAfterFailure(new_base, kTableSize + room, new_start, room);
    return nullptr;
  }
  os::Unmap(base, offset);
  if (GuardSize() != 0) {
    os::Protect(new_start + bytes, GuardSize());
    os::Unmap(start + old_bytes, GuardSize());
  }
  return Describe(new_base, kTableSize, bytes);
}

}  // namespace

ArenaHeader* MakeHugeMapping(size_t size, size_t alignment) {
  if (size > kMaxHugeSize || alignment > kMaxHugeSize) return nullptr;
  const size_t offset = OffsetFor(alignment);
  const size_t bytes = RoundUp(Max<size_t>(size, 1), os::PageSize());
  const uintptr_t base = ReserveRoom(offset, bytes, alignment);
  if (base == 0) return nullptr;
  if (!os::Commit(base + offset, bytes)) {
    ReturnAfterFailure(base, offset + bytes + GuardSize(), base + offset,
                       bytes);
    return nullptr;
  }
  return Describe(base, offset, bytes);
}

ArenaHeader* ResizeHugeMapping(ArenaHeader* arena, size_t size) {
  if (size > kMaxHugeSize) return nullptr;
  const size_t bytes = RoundUp(size, os::PageSize());
  const size_t mapped = arena->huge.mapped;
  if (bytes > mapped) {
    if (!GrowInPlace(arena, bytes)) return Move(arena, bytes);
    return Describe(arena->Start(), OffsetOf(arena), bytes);
  }
  if (bytes < arena->huge.bytes) CutHugeMapping(arena, bytes);
  arena->huge.bytes = bytes;
  return arena;
}

void CutHugeMapping(ArenaHeader* arena, size_t bytes) {
  const size_t offset = OffsetOf(arena);
  const size_t mapped = arena->huge.mapped;
  const size_t slots = SlotsOf(offset, bytes);
  // Slots are given up before their memory: another thread may get it at once.
  g_address_map.Set(arena->Start() + slots * kArenaSize,
                    SlotsOf(offset, mapped) - slots, SlotKind::kForeign);
  const uintptr_t end = arena->huge.start + bytes;
  if (const size_t guard = GuardSize(); guard != 0) {
    // Clear, as the block may grow over it.
    if (!os::Purge(end, guard)) memset(reinterpret_cast<void*>(end), 0, guard);
    os::Protect(end, guard);
  }
  os::Unmap(end + GuardSize(), mapped - bytes);
  arena->huge.mapped = bytes;
}

void DropHugeMapping(ArenaHeader* arena) {
  const uintptr_t base = arena->Start();
  const size_t offset = OffsetOf(arena);
  const size_t bytes = arena->huge.mapped;
  ClearSlots(base, offset, bytes);
  ReturnReservation(base, offset + bytes + GuardSize());
}

size_t HugeGranulesFor(size_t size, size_t alignment) {
  return (OffsetFor(alignment) + RoundUp(Max<size_t>(size, 1), kGranuleSize)) /
         kGranuleSize;
}

size_t HugeMappingGranules(const ArenaHeader* arena) {
  return (OffsetOf(arena) + RoundUp(arena->huge.mapped, kGranuleSize)) /
         kGranuleSize;
}

BlockHeader* HugeBlockOf(const ArenaHeader* arena) {
  const size_t offset = Min(OffsetOf(arena), kArenaSize - 1);
  return HeaderOf(arena->Start() + offset);
}

}  // namespace memalloc
