// Large and huge blocks of the hardened build; see guarded_block.h.

#include "memalloc/heap/guarded_block.h"

#include "memalloc/base/math.h"
#include "memalloc/base/mistakes.h"
#include "memalloc/hardened/guard.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/arena.h"
#include "memalloc/os/os.h"

namespace memalloc {

BlockHeader* WholeBlockAt(uintptr_t address) {
  switch (g_address_map.Find(address)) {
    case SlotKind::kHugeAligned: {
      if (address % kArenaSize != 0) return nullptr;
      BlockHeader* block = HeaderOf(address - 1);
      return ArenaHeaderOf(block)->huge.start == address ? block : nullptr;
    }
    case SlotKind::kArena:
    case SlotKind::kHuge: {
      BlockHeader* block = BlockOf(address);
      const bool is_whole =
          block->IsLargeInUse() || block->status == BlockStatus::kHuge;
      return is_whole && address == BlockStart(block) ? block : nullptr;
    }
    default:
      return nullptr;
  }
}

size_t GuardedBlock::PagesFor(size_t size) {
  return RoundUp(size + kEndSize, os::PageSize());
}

size_t GuardedBlock::SizeForCore(size_t size) {
  return PagesFor(size) + os::PageSize();
}

size_t GuardedBlock::bytes() const {
  return block_->status == BlockStatus::kLarge
             ? block_->cell_size
             : ArenaHeaderOf(block_)->huge.bytes;
}

void* GuardedBlock::HandOut(size_t size) {
  const uintptr_t end = start_ + PagesFor(size);
  block_->usable_end = end;
  MarkLive(UsableRoom(), CanaryOf(start_), size);
  if (PlaceGuard(end, start_ + bytes())) block_->usable_end |= kGuarded;
  return reinterpret_cast<void*>(start_);
}

Room GuardedBlock::CheckedRoom(const char* call, size_t* size) const {
  if (IsHeldBack()) DieOfDoubleFree(call, start_);
  const Room room = UsableRoom();
  if (!IsLive(room, CanaryOf(start_), size)) DieOfOverflow(call, start_);
  return room;
}

// The guard from `start` to the block's end.
bool GuardedBlock::Lift(uintptr_t start) {
  if (!HasGuard()) return true;
  if (!memalloc::LiftGuard(start, start_ + bytes())) return false;
  block_->usable_end &= ~kGuarded;
  return true;
}

bool GuardedBlock::LiftGuard() { return Lift(block_->usable_end & ~kGuarded); }

void GuardedBlock::HoldBack() {
  block_->usable_end = kHeldBack;
  if (PlaceGuard(start_, start_ + bytes())) block_->usable_end |= kGuarded;
}

bool GuardedBlock::LetGo() { return Lift(start_); }

}  // namespace memalloc
