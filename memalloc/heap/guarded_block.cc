// Large and huge blocks of the hardened build; see guarded_block.h.

#include "memalloc/heap/guarded_block.h"

#include <string.h>

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

size_t GuardedBlock::SizeForCore(size_t size) {
  return size + kEndSize + GuardSize();
}

size_t GuardedBlock::bytes() const {
  return block_->status == BlockStatus::kLarge
             ? block_->cell_size
             : ArenaHeaderOf(block_)->huge.bytes;
}

void* GuardedBlock::HandOut(size_t size) {
  if (block_->status == BlockStatus::kHuge) {
    block_->asked = 0;
  } else if (!HasGuard() && MayGuard()) {
    PlaceGuard(start_ + bytes() - GuardSize());
  }
  return Mark(size);
}

void* GuardedBlock::Resize(size_t old_size, size_t size) {
  ClearCanary(old_size);
  return Mark(size);
}

void* GuardedBlock::Mark(size_t size) {
  block_->asked = size << kSizeShift | (block_->asked & kGuarded);
  MarkEnd(start_, size);
  return reinterpret_cast<void*>(start_);
}

size_t GuardedBlock::CheckedSize(const char* call) const {
  if ((block_->asked & kHeldBack) != 0) DieOfDoubleFree(call, start_);
  const size_t size = block_->asked >> kSizeShift;
  if (!IsEndMarked(start_, size)) DieOfOverflow(call, start_);
  return size;
}

void GuardedBlock::ClearCanary(size_t size) {
  memset(reinterpret_cast<void*>(start_ + size), 0, kEndSize);
}

// From `start` to the block's end.
void GuardedBlock::PlaceGuard(uintptr_t start) {
  const bool is_placed = memalloc::PlaceGuard(start, start_ + bytes());
  block_->asked |= is_placed ? kGuarded : 0;
}

bool GuardedBlock::LiftGuard() {
  const bool is_all = (block_->asked & kHeldBack) != 0;
  const uintptr_t end = start_ + bytes();
  const uintptr_t start = is_all ? start_ : end - GuardSize();
  if (HasGuard() && !memalloc::LiftGuard(start, end)) return false;
  block_->asked &= ~(kGuarded | kHeldBack);
  return true;
}

void GuardedBlock::HoldBack() {
  if (LiftGuard()) PlaceGuard(start_);
  block_->asked |= kHeldBack;
}

}  // namespace memalloc
