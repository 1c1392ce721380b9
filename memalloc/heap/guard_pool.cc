// Slots, placement, quarantine, and what a mistake is; see guard_pool.h.

#include "memalloc/heap/guard_pool.h"

#include <stdlib.h>
#include <string.h>

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/reserve.h"
#include "memalloc/layout/constants.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// What a page holds beside its allocation. Not zero: the byte that is written
// beyond the end most often is the zero behind a text.
constexpr unsigned char kPattern = 0x9d;

void FillWithPattern(uintptr_t start, uintptr_t end) {
  memset(reinterpret_cast<void*>(start), kPattern, end - start);
}

// The first byte of [start, end) that is another one; 0 if there is none.
uintptr_t FindOther(uintptr_t start, uintptr_t end) {
  for (uintptr_t byte = start; byte < end; ++byte) {
    if (*reinterpret_cast<const unsigned char*>(byte) != kPattern) return byte;
  }
  return 0;
}

// The same, the last such byte.
uintptr_t FindLastOther(uintptr_t start, uintptr_t end) {
  for (uintptr_t byte = end; byte > start; --byte) {
    const auto* before = reinterpret_cast<const unsigned char*>(byte - 1);
    if (*before != kPattern) return byte - 1;
  }
  return 0;
}

// Bytes between the address and the allocation.
size_t DistanceOf(const GuardSlot* slot, uintptr_t address) {
  if (address < slot->start) return slot->start - address;
  return address < slot->End() ? 0 : address - slot->End() + 1;
}

// Of a mistake that is noticed where the thread is.
[[noreturn]] MEMALLOC_COLD void Die(GuardMistake mistake) {
  CallStack stack;
  CaptureCallStack(&stack);
  mistake.at = &stack;
  ReportGuardMistake(mistake);
  abort();
}

}  // namespace

GuardPool g_guard_pool;

// ---- slots ----

bool GuardPool::MakeOnce() {
  if (was_made_) return slots_ != nullptr;
  was_made_ = true;
  const auto count = static_cast<uint32_t>(GetOption(Option::kGuardSlots));
  if (count == 0) return false;
  page_size_ = os::PageSize();
  const size_t pages = (2 * size_t{count} + 1) * page_size_;
  const size_t records = RoundUp(count * sizeof(GuardSlot), page_size_);
  const size_t bytes = RoundUp(pages + records, kArenaSize);
  start_ = ReserveAligned(bytes, kArenaSize, 0);
  if (start_ == 0) return false;
  if (!os::Commit(start_ + pages, records)) {
    ReturnAfterFailure(start_, bytes, start_ + pages, records);
    return false;
  }
  slots_ = reinterpret_cast<GuardSlot*>(start_ + pages);
  slot_count_ = count;
  random_ = os::RandomWord();
  g_address_map.Set(start_, bytes / kArenaSize, SlotKind::kGuardPool);
  // Without it there is still what the guards cannot see: wrong frees.
  os::WatchFaults(&OnFault);
  return true;
}

// A slot with a page to write to.
GuardSlot* GuardPool::TakeSlot() {
  if (used_ < slot_count_) {
    GuardSlot* slot = &slots_[used_];
    if (!os::Commit(PageOf(slot), page_size_)) {
      // The page may be anybody's now, and so may those behind it be later.
      slot_count_ = used_;
      return nullptr;
    }
    ++used_;
    return slot;
  }
  if (!HasReusable()) return nullptr;
  GuardSlot* slot = &slots_[first_freed_];
  if (!os::Unprotect(PageOf(slot), page_size_)) return nullptr;
  first_freed_ = slot->next_freed;
  if (first_freed_ == kNone) last_freed_ = kNone;
  --freed_count_;
  return slot;
}

// How far into its page an allocation begins.
uintptr_t GuardPool::Place(size_t size) {
  random_ = Mix(random_ + 1);
  if (random_ % 2 == 0) return 0;
  return page_size_ - RoundUp(Max<size_t>(size, 1), kMinAlignment);
}

void* GuardPool::Allocate(size_t size) {
  // Without checks free does not ask the address map.
  if constexpr (!kHasChecks) return nullptr;
  // Not the member, which others may be about to set.
  if (size > os::PageSize() || is_full_.load(std::memory_order_relaxed) ||
      is_closed_.load(std::memory_order_relaxed)) {
    return nullptr;
  }
  CallStack stack;
  CaptureCallStack(&stack);
  const LockHolder holder(lock_);
  GuardSlot* slot = MakeOnce() ? TakeSlot() : nullptr;
  NoteWhetherFull();
  if (slot == nullptr) return nullptr;
  const uintptr_t page = PageOf(slot);
  slot->start = page + Place(size);
  slot->size = static_cast<uint32_t>(size);
  slot->allocated = stack;
  slot->state = GuardState::kLive;
  FillWithPattern(page, slot->start);
  FillWithPattern(slot->End(), page + page_size_);
  return reinterpret_cast<void*>(slot->start);
}

void GuardPool::Shrink(uintptr_t address, size_t size) {
  const LockHolder holder(lock_);
  GuardSlot* slot = SlotAt(address);
  FillWithPattern(slot->start + size, slot->End());
  slot->size = static_cast<uint32_t>(size);
}

MEMALLOC_ENTRY void GuardPool::Free(uintptr_t address, const char* call) {
  CallStack stack;
  CaptureCallStack(&stack);
  GuardMistake mistake;
  {
    const LockHolder holder(lock_);
    if (is_closed_.load(std::memory_order_relaxed)) return;
    GuardSlot* slot =
        FindLive(address, call, GuardMistakeKind::kDoubleFree, &mistake);
    if (slot != nullptr) {
      slot->freed = stack;
      return Retire(slot);
    }
  }
  Die(mistake);
}

// Without access from now on, and behind all others that wait.
void GuardPool::Retire(GuardSlot* slot) {
  slot->state = GuardState::kFreed;
  os::Purge(PageOf(slot), page_size_);
  os::Protect(PageOf(slot), page_size_);
  const auto number = static_cast<uint32_t>(slot - slots_);
  if (last_freed_ == kNone) {
    first_freed_ = number;
  } else {
    slots_[last_freed_].next_freed = number;
  }
  slot->next_freed = kNone;
  last_freed_ = number;
  ++freed_count_;
  NoteWhetherFull();
}

MEMALLOC_ENTRY size_t GuardPool::SizeOf(uintptr_t address, const char* call,
                                        GuardMistakeKind if_freed) {
  GuardMistake mistake;
  {
    const LockHolder holder(lock_);
    const GuardSlot* slot = FindLive(address, call, if_freed, &mistake);
    if (slot != nullptr) return slot->size;
  }
  Die(mistake);
}

// ---- mistakes ----

GuardSlot* GuardPool::SlotAt(uintptr_t address) const {
  const size_t page = (address - start_) / page_size_;
  return page % 2 == 1 ? SlotNumbered(page / 2) : nullptr;
}

// Whose mistake the access is: that of a live allocation before that of a freed
// one, then of the nearer one.
GuardMistake GuardPool::Explain(uintptr_t address) const {
  // On both sides of a guard; in the page of a slot, that twice.
  const size_t page = (address - start_) / page_size_;
  const GuardSlot* sides[] = {SlotNumbered((page - 1) / 2),
                              SlotNumbered(page / 2)};
  const GuardSlot* nearest = nullptr;
  for (const GuardSlot* slot : sides) {
    if (slot == nullptr || slot->state == GuardState::kNew) continue;
    const bool is_better =
        nearest == nullptr ||
        (slot->state == nearest->state
             ? DistanceOf(slot, address) < DistanceOf(nearest, address)
             : slot->state == GuardState::kLive);
    if (is_better) nearest = slot;
  }
  GuardMistake mistake = {};
  mistake.kind = GuardMistakeKind::kNoAllocation;
  mistake.address = address;
  mistake.slot = nearest;
  if (nearest == nullptr) return mistake;
  if (nearest->state == GuardState::kFreed) {
    mistake.kind = GuardMistakeKind::kUseAfterFree;
  } else {
    mistake.kind = address < nearest->start ? GuardMistakeKind::kUnderflow
                                            : GuardMistakeKind::kOverflow;
  }
  return mistake;
}

void GuardPool::OnFault(const os::Fault& fault) {
  if (!Has(fault.address)) return;
  GuardPool& pool = g_guard_pool;
  // Once: the thread may come here again, and others may. These wait, lest they
  // end the process before all is told.
  if (pool.is_closed_.exchange(true, std::memory_order_relaxed)) {
    return pool.WaitUntilTold();
  }
  pool.teller_.store(os::ThreadId(), std::memory_order_relaxed);
  CallStack stack;
  CaptureCallStack(&stack, fault.pc);
  // Who is about to change a slot finishes first.
  if (pool.lock_.AcquireUnlessHeld()) pool.lock_.Release();
  GuardMistake mistake = pool.Explain(fault.address);
  mistake.call = fault.access == os::Access::kWrite  ? "write"
                 : fault.access == os::Access::kRead ? "read"
                                                     : "access";
  mistake.at = &stack;
  ReportGuardMistake(mistake);
  pool.is_told_.store(1, std::memory_order_relaxed);
  os::WakeAll(pool.is_told_);
}

void GuardPool::WaitUntilTold() {
  constexpr uint64_t kWait = 100;  // milliseconds
  constexpr int kWaits = 20;
  if (teller_.load(std::memory_order_relaxed) == os::ThreadId()) return;
  for (int i = 0; i < kWaits && is_told_.load(std::memory_order_relaxed) == 0;
       ++i) {
    os::WaitWhile(is_told_, 0, kWait);
  }
}

uintptr_t GuardPool::FindDamage(const GuardSlot* slot) const {
  const uintptr_t page = PageOf(slot);
  const uintptr_t behind = FindOther(slot->End(), page + page_size_);
  return behind != 0 ? behind : FindLastOther(page, slot->start);
}

GuardSlot* GuardPool::FindLive(uintptr_t address, const char* call,
                               GuardMistakeKind if_freed,
                               GuardMistake* mistake) {
  GuardSlot* slot = SlotAt(address);
  const bool is_start = slot != nullptr && slot->start == address;
  uintptr_t damage = 0;
  if (is_start && slot->state == GuardState::kLive) {
    damage = FindDamage(slot);
    if (damage == 0) return slot;
  }
  teller_.store(os::ThreadId(), std::memory_order_relaxed);
  is_closed_.store(true, std::memory_order_relaxed);
  *mistake = Explain(damage != 0 ? damage : address);
  mistake->call = call;
  mistake->is_late = damage != 0;
  if (damage == 0 && mistake->slot != nullptr) {
    mistake->kind = is_start ? if_freed : GuardMistakeKind::kInterior;
  }
  return nullptr;
}

// ---- looking in ----

void GuardPool::Check() {
  GuardMistake mistake = {};
  {
    const LockHolder holder(lock_);
    if (slots_ == nullptr) return;
    uint32_t freed = 0;
    for (uint32_t i = first_freed_; i != kNone; i = slots_[i].next_freed) {
      MEMALLOC_CHECK(i < used_ && ++freed <= freed_count_, &slots_[0]);
      MEMALLOC_CHECK(slots_[i].state == GuardState::kFreed, &slots_[i]);
    }
    MEMALLOC_CHECK(freed == freed_count_, &slots_[0]);
    const GuardSlot* damaged = nullptr;
    for (uint32_t i = 0; i < used_ && damaged == nullptr; ++i) {
      const GuardSlot* slot = &slots_[i];
      if (slot->state == GuardState::kLive && FindDamage(slot) != 0) {
        damaged = slot;
      }
    }
    if (damaged == nullptr) return;
    FindLive(damaged->start, "heap", mistake.kind, &mistake);
  }
  Die(mistake);
}

GuardCounts GuardPool::Counts() {
  const LockHolder holder(lock_);
  GuardCounts counts = {};
  for (uint32_t i = 0; i < used_; ++i) {
    if (slots_[i].state != GuardState::kLive) continue;
    ++counts.live;
    counts.live_bytes += slots_[i].size;
  }
  counts.resident_bytes =
      counts.live * page_size_ + RoundUp(used_ * sizeof(GuardSlot), page_size_);
  return counts;
}

}  // namespace memalloc
