// The guard pool: a page of its own between two guards for an allocation now
// and then, so that a mistake with it faults at once and can be told in full.
// Layer: heap.
//
//   | guard | slot 0 | guard | slot 1 | ... | guard | records |
//
// It is reserved at the first use, in address space of its own that the address
// map knows (SlotKind::kGuardPool). An allocation stands at one end of its
// page, at random the left or the right one; what it leaves of the page holds a
// pattern that is looked at when it is freed. A freed slot has no access. It is
// used again only when a quarter of all slots wait, the one that was freed
// first.
//
// At the first mistake the pool closes: no slot changes any more, so that what
// is told about it is right.
//
// One lock guards it all, system calls included: few allocations come here, and
// a fork finds no slot half made. It is acquired before the central heap's,
// with no other held.

#ifndef MEMALLOC_HEAP_GUARD_POOL_H_
#define MEMALLOC_HEAP_GUARD_POOL_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/lock.h"
#include "memalloc/heap/guard_slot.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/os/faults.h"

namespace memalloc {

struct GuardCounts {
  size_t live;            // allocations
  size_t live_bytes;      // as they were asked for
  size_t resident_bytes;  // pages of live ones, and the records
};

class GuardPool {
 public:
  constexpr GuardPool() = default;
  GuardPool(const GuardPool&) = delete;
  GuardPool& operator=(const GuardPool&) = delete;

  // Whether the address lies in the pool, in an allocation or not.
  static bool Has(uintptr_t address) {
    return g_address_map.Find(address) == SlotKind::kGuardPool;
  }

  // `size` bytes, at a multiple of each power of two that divides the size, but
  // of 16 at least. Null if it is more than a page, no slot is free or memory
  // is short.
  void* Allocate(size_t size) MEMALLOC_EXCLUDES(lock_);

  // Makes the allocation at `address`, which nobody knows yet, as small as
  // that.
  void Shrink(uintptr_t address, size_t size) MEMALLOC_EXCLUDES(lock_);

  // Of any address that the pool has. If no live allocation begins there, that
  // is told as a mistake of `call`, and ends the process; SizeOf says which
  // mistake it is `if_freed`.
  void Free(uintptr_t address, const char* call) MEMALLOC_EXCLUDES(lock_);
  size_t SizeOf(uintptr_t address, const char* call, GuardMistakeKind if_freed)
      MEMALLOC_EXCLUDES(lock_);

  // Dies if somebody wrote beyond an allocation, or a record is wrong.
  void Check() MEMALLOC_EXCLUDES(lock_);

  GuardCounts Counts() MEMALLOC_EXCLUDES(lock_);

  LockState LookAtLock() { return lock_.Look(); }

  // As the handlers of CentralHeap, and outside of them.
  void PrepareFork() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS { lock_.Acquire(); }
  void AfterForkInParent() MEMALLOC_NO_THREAD_SAFETY_ANALYSIS {
    lock_.Release();
  }
  void AfterForkInChild() { lock_.ReinitialiseInChild(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // What an access to the address, which the pool has, did wrong.
  GuardMistake Explain(uintptr_t address) const;
  // Tells what a fault did wrong if it is the pool's. Runs in a signal handler.
  static void OnFault(const os::Fault& fault)
      MEMALLOC_NO_THREAD_SAFETY_ANALYSIS;

  void WaitUntilTold();
  bool MakeOnce() MEMALLOC_REQUIRES(lock_);
  bool HasReusable() const MEMALLOC_REQUIRES(lock_) {
    return freed_count_ > slot_count_ / 4;
  }
  // Called when slots were taken or freed.
  void NoteWhetherFull() MEMALLOC_REQUIRES(lock_) {
    is_full_.store(used_ == slot_count_ && !HasReusable(),
                   std::memory_order_relaxed);
  }
  GuardSlot* TakeSlot() MEMALLOC_REQUIRES(lock_);
  uintptr_t Place(size_t size) MEMALLOC_REQUIRES(lock_);
  // The page of a slot.
  uintptr_t PageOf(const GuardSlot* slot) const {
    return start_ + (2 * (slot - slots_) + 1) * page_size_;
  }
  // Null behind the last one.
  GuardSlot* SlotNumbered(size_t number) const {
    return number < slot_count_ ? &slots_[number] : nullptr;
  }
  // Whose page holds the address; null for none.
  GuardSlot* SlotAt(uintptr_t address) const;
  // Where the page of the live slot differs from what was left there; 0 if
  // nowhere.
  uintptr_t FindDamage(const GuardSlot* slot) const;
  // The live allocation that begins at the address. If there is none, or it is
  // damaged, the pool is closed, and it is null, with the mistake.
  GuardSlot* FindLive(uintptr_t address, const char* call,
                      GuardMistakeKind if_freed, GuardMistake* mistake)
      MEMALLOC_REQUIRES(lock_);
  void Retire(GuardSlot* slot) MEMALLOC_REQUIRES(lock_);

  Lock lock_;
  // Set under the lock before any address of the pool is handed out; later the
  // count may shrink to the slots in use, as memory was short.
  uintptr_t start_ = 0;
  size_t page_size_ = 0;
  uint32_t slot_count_ = 0;
  GuardSlot* slots_ = nullptr;  // the records

  bool was_made_ MEMALLOC_GUARDED_BY(lock_) = false;  // or could not be
  // No slot is to be had, and to capture a stack for one would be in vain.
  std::atomic<bool> is_full_{false};
  std::atomic<bool> is_closed_{false};
  // Of the mistake for which it was closed.
  std::atomic<int> teller_{0};  // thread
  std::atomic<uint32_t> is_told_{0};
  uint32_t used_ MEMALLOC_GUARDED_BY(lock_) = 0;  // slots that are not new
  // Freed slots, in the order in which they were.
  uint32_t first_freed_ MEMALLOC_GUARDED_BY(lock_) = kNone;
  uint32_t last_freed_ MEMALLOC_GUARDED_BY(lock_) = kNone;
  uint32_t freed_count_ MEMALLOC_GUARDED_BY(lock_) = 0;
  uint64_t random_ MEMALLOC_GUARDED_BY(lock_) = 0;
};

extern MEMALLOC_HIDDEN GuardPool g_guard_pool;

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_GUARD_POOL_H_
