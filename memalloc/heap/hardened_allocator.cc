// Rooms, canaries, quarantine and guards, put together.

#include "memalloc/heap/hardened_allocator.h"

#include <string.h>

#include "memalloc/base/math.h"
#include "memalloc/base/mistakes.h"
#include "memalloc/base/options.h"
#include "memalloc/hardened/canary.h"
#include "memalloc/hardened/quarantine.h"
#include "memalloc/hardened/wipe.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/guarded_block.h"
#include "memalloc/heap/sized_free.h"
#include "memalloc/os/os.h"

namespace memalloc::hardened {
namespace {

// ---- cells ----

// The end word of a cell is none of a live one.
[[noreturn]] MEMALLOC_COLD void DieOfEndWord(const char* call,
                                             const BlockHeader* block,
                                             Room room) {
  size_t cleared;
  if (IsMarkedFree(room, CanaryOf(room.start), block->link_key, kUsualWipe,
                   &cleared)) {
    DieOfDoubleFree(call, room.start);
  }
  const size_t number = (room.start - BlockStart(block)) / room.bytes;
  // Not handed out yet, or free and its page was purged.
  if (number >= block->carved || *room.EndWord() == 0) {
    DieOfNoAllocation(call, room.start);
  }
  DieOfOverflow(call, room.start);
}

MEMALLOC_FAST Room RoomOfCell(const BlockHeader* block, uintptr_t start) {
  return {start, block->cell_size};
}

// The block of the cell at the address; null if there is none.
BlockHeader* BlockOfCell(uintptr_t address) {
  if (g_address_map.Find(address) != SlotKind::kArena) return nullptr;
  BlockHeader* block = BlockOf(address);
  // Also rules out what an inner header of a former block leads to.
  return block->status == BlockStatus::kSmall &&
                 address - BlockStart(block) <
                     block->capacity * size_t{block->cell_size}
             ? block
             : nullptr;
}

// What is known of a live cell.
struct LiveCell {
  const BlockHeader* block;
  Room room;
  uint64_t canary;
  size_t size;  // what was asked for
};

// Finds the live cell that begins at the address, of `most` bytes at most.
// False if there is none, or it reaches out of its block's first granule.
//
// Whether a cell begins there is not looked at: the end word of what is no cell
// is none of a live one. It lies in the same granule, so it can be read.
MEMALLOC_FAST bool FindCell(uintptr_t address, size_t most, LiveCell* cell) {
  const size_t slot = AddressMap::SlotOf(address);
  if (MEMALLOC_UNLIKELY(g_address_map.Get(slot) != SlotKind::kArena)) {
    return false;
  }
  cell->block = HeaderInTable(slot, address);
  if (MEMALLOC_UNLIKELY(cell->block->status != BlockStatus::kSmall)) {
    return false;
  }
  cell->room = RoomOfCell(cell->block, address);
  const size_t bytes = cell->room.bytes;
  if (MEMALLOC_UNLIKELY(bytes > most ||
                        address % kGranuleSize + bytes > kGranuleSize)) {
    return false;
  }
  cell->canary = CanaryOf(address);
  return IsLive(cell->room, cell->canary, &cell->size);
}

// The live cell that begins at the address, in the block.
Room CheckedCell(const BlockHeader* block, uintptr_t address, const char* call,
                 size_t* size) {
  if (MEMALLOC_UNLIKELY(!IsCellStart(address))) DieOfInterior(call, address);
  const Room room = RoomOfCell(block, address);
  if (MEMALLOC_UNLIKELY(!IsLive(room, CanaryOf(address), size))) {
    DieOfEndWord(call, block, room);
  }
  return room;
}

// A cell that was held back; dies if somebody wrote to it.
void CheckHeldBack(const BlockHeader* block, Room room, const char* call) {
  size_t cleared;
  if (!IsMarkedFree(room, CanaryOf(room.start), block->link_key, kUsualWipe,
                    &cleared) ||
      !IsWiped(room.start, room.start + Min(cleared, room.bytes - kEndSize))) {
    DieOfWrite(call, room.start);
  }
}

// ---- quarantine ----

// Frees what comes out of the quarantine, and was not cleared or is not the
// running thread's.
MEMALLOC_SLOW void LetGoSlow(uintptr_t start) {
  if (const BlockHeader* block = BlockOfCell(start)) {
    CheckHeldBack(block, RoomOfCell(block, start), "free");
  } else if (!GuardedBlock(WholeBlockAt(start), start).LiftGuard()) {
    return;
  }
  memalloc::Free(reinterpret_cast<void*>(start));
}

// The same of anything. Of cells the first word is looked at, as the core is
// about to write there; the rest is when they are handed out again. Those of
// other threads' blocks join a batch.
MEMALLOC_FAST void LetGo(uintptr_t start) {
  BlockHeader* block = HeaderOf(start);
  ThreadHeap* heap = t_heap;
  if (MEMALLOC_LIKELY(block->IsOwnedBy(heap))) {
    if (MEMALLOC_LIKELY(IsFirstWordWiped(start))) {
      return heap->FreeOwn(block, CellAt(start));
    }
  } else if (block->status == BlockStatus::kSmall && IsFirstWordWiped(start) &&
             heap->TryCollect(block, start)) {
    return;
  }
  LetGoSlow(start);
}

// Nothing stood in the place that a cell was put into. The first cells of a
// thread; or one without a heap, which would not be told when it ends that it
// has to empty the quarantine.
MEMALLOC_SLOW void LeaveInPlace() {
  if (IsStandIn(t_heap)) EmptyQuarantine();
}

// ---- free ----

// Frees a live cell as usual.
MEMALLOC_FAST void FreeUsual(const LiveCell& cell) {
  const uintptr_t start = cell.room.start;
  WipeUsual(start);
  *cell.room.EndWord() = UsualFreeWord(cell.canary, cell.block->link_key);
  const uintptr_t old = t_quarantine.ExchangeSmall(start, cell.canary);
  if (MEMALLOC_UNLIKELY(old == 0)) return LeaveInPlace();
  LetGo(old);
}

// Frees a live cell, whatever the options say.
void FreeCell(const BlockHeader* block, Room room) {
  const uint64_t canary = CanaryOf(room.start);
  const size_t cleared = RoundDown(
      Min<size_t>(room.bytes, GetOption(Option::kZeroOnFree)), kMinAlignment);
  if (cleared == kUsualWipe) {
    WipeUsual(room.start);
    *room.EndWord() = UsualFreeWord(canary, block->link_key);
  } else {
    Wipe(room.start, cleared);
    MarkFree(room, canary, block->link_key, cleared);
  }
  const uintptr_t old = t_quarantine.Exchange(room.start, room.bytes,
                                              GetOption(Option::kQuarantine));
  if (old == 0) return LeaveInPlace();
  LetGo(old);
}

void FreeWhole(GuardedBlock block, uintptr_t start) {
  const size_t size = block.CheckedSize("free");
  if (GetOption(Option::kZeroOnFree) >= size &&
      !os::Purge(start, RoundUp(size, os::PageSize()))) {
    Wipe(start, size);
  }
  uintptr_t old = start;
  // LetGo looks for a header where that of a granule stands.
  if (start % kArenaSize != 0 && !IsStandIn(t_heap)) {
    old = t_quarantine.Exchange(start, block.bytes(),
                                GetOption(Option::kQuarantine));
  }
  if (old == start) {
    return FreeAnyPointer(reinterpret_cast<void*>(start), "free");
  }
  block.HoldBack();
  if (old != 0) LetGo(old);
}

// ---- both ----

// Makes what the core returned an allocation of `size` bytes.
void* HandOutAny(void* pointer, size_t size) {
  const auto start = reinterpret_cast<uintptr_t>(pointer);
  BlockHeader* block = BlockOfCell(start);
  if (block != nullptr) {
    return HandOutUnusual(RoomOfCell(block, start), block->link_key, size);
  }
  if (GuardPool::Has(start)) {
    g_guard_pool.Shrink(start, size);
    return pointer;
  }
  return GuardedBlock(WholeBlockAt(start), start).HandOut(size);
}

// Asks the core for a room of `bytes`, again without a quarantine when memory
// is short.
template <typename Request>
void* AskCore(const Request& request) {
  void* pointer = request();
  if (pointer == nullptr && EmptyQuarantine()) pointer = request();
  return pointer;
}

// What the core is asked for so that `size` bytes fit.
size_t SizeForCore(size_t size) {
  return size + kEndSize <= kMaxSmallSize ? Max(size + kEndSize, kMinCellSize)
                                          : GuardedBlock::SizeForCore(size);
}

// An allocation of `size` bytes with room for `room`, which is no less.
MEMALLOC_SLOW void* AllocateSlow(size_t size, size_t room) {
  if (room > kMaxRequest) return nullptr;
  void* pointer =
      AskCore([room] { return memalloc::AllocateAnySize(SizeForCore(room)); });
  return pointer == nullptr ? nullptr : HandOutAny(pointer, size);
}

}  // namespace

void* HandOutUnusual(Room room, uintptr_t key, size_t size) {
  const uint64_t canary = CanaryOf(room.start);
  size_t cleared;
  // The core wrote to the first word while the cell was free.
  if (IsMarkedFree(room, canary, key, kUsualWipe, &cleared) &&
      !IsWiped(room.start + sizeof(WipeWord),
               room.start + Min(cleared, room.bytes - kEndSize))) {
    DieOfWrite("malloc", room.start);
  }
  MarkLive(room, canary, size);
  return reinterpret_cast<void*>(room.start);
}

void* AllocateAnySize(size_t size) { return AllocateSlow(size, size); }

// Any pointer.
MEMALLOC_ENTRY MEMALLOC_SLOW void FreeSlow(void* pointer) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  LiveCell cell;
  if (FindCell(address, kGranuleSize, &cell)) {
    return FreeCell(cell.block, cell.room);
  }
  if (const BlockHeader* block = BlockOfCell(address)) {
    size_t size;
    return FreeCell(block, CheckedCell(block, address, "free", &size));
  }
  if (BlockHeader* whole = WholeBlockAt(address)) {
    return FreeWhole(GuardedBlock(whole, address), address);
  }
  FreeAnyPointer(pointer, "free");
}

MEMALLOC_ENTRY void Free(void* pointer) noexcept {
  LiveCell cell;
  if (MEMALLOC_UNLIKELY(!FindCell(reinterpret_cast<uintptr_t>(pointer),
                                  UsualCellSize(), &cell))) {
    return FreeSlow(pointer);
  }
  FreeUsual(cell);
}

void* AllocateZeroed(size_t size) {
  if (size + kEndSize <= kMaxSmallSize) {
    void* cell = Allocate(size);
    if (cell != nullptr) memset(cell, 0, size);
    return cell;
  }
  if (size > kMaxRequest) return nullptr;
  void* pointer = AskCore([size] {
    return memalloc::AllocateZeroed(GuardedBlock::SizeForCore(size));
  });
  return pointer == nullptr ? nullptr : HandOutAny(pointer, size);
}

void* AllocateAligned(size_t size, size_t alignment) {
  if (size > kMaxRequest) return nullptr;
  const size_t wanted = alignment <= kGranuleSize
                            ? SizeForCore(size)
                            : GuardedBlock::SizeForCore(size);
  void* pointer = AskCore([wanted, alignment] {
    return memalloc::AllocateAligned(wanted, alignment);
  });
  return pointer == nullptr ? nullptr : HandOutAny(pointer, size);
}

namespace {

void* MoveTo(void* pointer, size_t old_size, size_t size, size_t room) {
  void* target = AllocateSlow(size, room);
  if (target == nullptr && room > size) target = AllocateSlow(size, size);
  if (target == nullptr) return nullptr;
  memcpy(target, pointer, Min(old_size, size));
  hardened::Free(pointer);
  return target;
}

// Whether an allocation of `size` bytes may stay in the room: it fits, and uses
// half of it.
MEMALLOC_FAST bool MayStay(Room room, size_t size) {
  // Of a larger `size` the difference wraps round.
  return room.bytes - (size + kEndSize) <= room.bytes / 2;
}

// Within the cell.
MEMALLOC_FAST void* Resize(Room room, uint64_t canary, size_t old_size,
                           size_t size) {
  ClearCanary(room, old_size);
  MarkLive(room, canary, size);
  return reinterpret_cast<void*>(room.start);
}

// By the core, which may move pages instead of bytes.
void* ReallocateWhole(GuardedBlock block, void* pointer, size_t old_size,
                      size_t size) {
  const bool stays_whole = size + kEndSize > kMaxSmallSize;
  if (!stays_whole || !block.LiftGuard()) {
    return MoveTo(pointer, old_size, size, size);
  }
  block.ClearCanary(old_size);
  void* moved = AskCore([=] {
    return memalloc::Reallocate(pointer, GuardedBlock::SizeForCore(size));
  });
  if (moved != nullptr) return HandOutAny(moved, size);
  block.HandOut(old_size);
  return nullptr;
}

// A cell, or a whole block. Null if memory is short.
void* TryReallocate(void* pointer, size_t size, size_t* old_size) {
  const auto start = reinterpret_cast<uintptr_t>(pointer);
  if (const BlockHeader* block = BlockOfCell(start)) {
    const Room room = CheckedCell(block, start, "realloc", old_size);
    if (size > kMaxRequest) return nullptr;
    if (MayStay(room, size)) {
      return Resize(room, CanaryOf(start), *old_size, size);
    }
    // As the core: what grows in small steps gets some room to do so.
    const size_t grown = *old_size + *old_size / 16 * 7;
    return MoveTo(pointer, *old_size, size,
                  size > *old_size ? Max(size, grown) : size);
  }
  if (GuardPool::Has(start)) {
    *old_size =
        g_guard_pool.SizeOf(start, "realloc", GuardMistakeKind::kUseAfterFree);
    return size > kMaxRequest ? nullptr
                              : MoveTo(pointer, *old_size, size, size);
  }
  BlockHeader* whole = WholeBlockAt(start);
  if (whole == nullptr) return memalloc::Reallocate(pointer, size);
  GuardedBlock block(whole, start);
  *old_size = block.CheckedSize("realloc");
  if (size > kMaxRequest) return nullptr;
  const size_t wanted = GuardedBlock::SizeForCore(size);
  if (FitsWell(wanted, block.bytes(), 3) ||
      RoundUp(wanted, kGranuleSize) == block.bytes()) {
    return block.Resize(*old_size, size);
  }
  return ReallocateWhole(block, pointer, *old_size, size);
}

// What Reallocate could not do by looking at a cell.
MEMALLOC_SLOW void* ReallocateSlow(void* pointer, size_t size) {
  size_t old_size = 0;
  void* result = TryReallocate(pointer, size, &old_size);
  // Shrinking cannot fail: the old room is large enough.
  return result == nullptr && size <= old_size ? pointer : result;
}

}  // namespace

void* Reallocate(void* pointer, size_t size) {
  LiveCell cell;
  if (MEMALLOC_LIKELY(
          FindCell(reinterpret_cast<uintptr_t>(pointer), kGranuleSize, &cell) &&
          MayStay(cell.room, size))) {
    return Resize(cell.room, cell.canary, cell.size, size);
  }
  return ReallocateSlow(pointer, size);
}

namespace {

// How much was asked for the allocation at `start`; false if there is none.
bool FindSize(uintptr_t start, const char* call, size_t* size) {
  if (const BlockHeader* block = BlockOfCell(start)) {
    CheckedCell(block, start, call, size);
    return true;
  }
  BlockHeader* whole = WholeBlockAt(start);
  if (whole == nullptr) return false;
  *size = GuardedBlock(whole, start).CheckedSize(call);
  return true;
}

}  // namespace

MEMALLOC_ENTRY size_t UsableSize(const void* pointer) {
  LiveCell cell;
  if (MEMALLOC_LIKELY(FindCell(reinterpret_cast<uintptr_t>(pointer),
                               kGranuleSize, &cell))) {
    return cell.size;
  }
  size_t size;
  return FindSize(reinterpret_cast<uintptr_t>(pointer), "malloc_usable_size",
                  &size)
             ? size
             : memalloc::UsableSize(pointer);
}

// Any pointer and size.
MEMALLOC_ENTRY MEMALLOC_SLOW void FreeSizedSlow(void* pointer, size_t size,
                                                const char* call) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (GuardPool::Has(address)) return memalloc::FreeSized(pointer, size, call);
  size_t asked;
  if (FindSize(address, call, &asked) && asked != size) {
    DieOfSize(call, pointer, size, asked);
  }
  FreeSlow(pointer);
}

MEMALLOC_ENTRY void FreeSized(void* pointer, size_t size,
                              const char* call) noexcept {
  LiveCell cell;
  if (MEMALLOC_UNLIKELY(!FindCell(reinterpret_cast<uintptr_t>(pointer),
                                  UsualCellSize(), &cell) ||
                        cell.size != size)) {
    return FreeSizedSlow(pointer, size, call);
  }
  FreeUsual(cell);
}

MEMALLOC_ENTRY void FreeAligned(void* pointer, size_t alignment,
                                const char* call) noexcept {
  CheckAlignment(pointer, alignment, call);
  hardened::Free(pointer);
}

MEMALLOC_ENTRY void FreeAlignedSized(void* pointer, size_t alignment,
                                     size_t size, const char* call) noexcept {
  CheckAlignment(pointer, alignment, call);
  FreeSized(pointer, size, call);
}

bool EmptyQuarantine() {
  bool any = false;
  for (size_t place = 0; place < Quarantine::kPlaces; ++place) {
    const uintptr_t start = t_quarantine.Take(place);
    if (start == 0) continue;
    LetGo(start);
    any = true;
  }
  return any;
}

void CheckQuarantine() {
  for (size_t place = 0; place < Quarantine::kPlaces; ++place) {
    const uintptr_t start = t_quarantine.At(place);
    if (start == 0) continue;
    const BlockHeader* block = BlockOfCell(start);
    if (block == nullptr) continue;
    CheckHeldBack(block, RoomOfCell(block, start), "heap");
  }
}

}  // namespace memalloc::hardened
