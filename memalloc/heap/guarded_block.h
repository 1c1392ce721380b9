// A large or huge block in the hardened build: the pages that the program may
// use, a canary at their end, and a guard behind. Layer: heap.
//
//   | pages for the size and the end word | guard, up to the block's end |
//
// The guard is lifted before the core may touch the block again. While a freed
// block is held back, all of it is guarded: whoever uses it then faults.

#ifndef MEMALLOC_HEAP_GUARDED_BLOCK_H_
#define MEMALLOC_HEAP_GUARDED_BLOCK_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/hardened/canary.h"
#include "memalloc/layout/block_header.h"

namespace memalloc {

// The large or huge block that begins at the address; null if there is none.
BlockHeader* WholeBlockAt(uintptr_t address);

class GuardedBlock {
 public:
  GuardedBlock(BlockHeader* block, uintptr_t start)
      : block_(block), start_(start) {}

  // Bytes of the pages for an allocation of `size` bytes and its end word.
  static size_t PagesFor(size_t size);
  // What the core is asked for so that a guard fits too.
  static size_t SizeForCore(size_t size);

  // Of the block as the core knows it.
  size_t bytes() const;

  // Makes it an allocation of `size` bytes, with a guard if possible.
  void* HandOut(size_t size);

  // The room of the allocation, and its size. Dies with a message about `call`
  // if it was freed or written beyond.
  Room CheckedRoom(const char* call, size_t* size) const;

  // Undoes HandOut. False if the kernel refuses: the block must stay as it is,
  // for ever if it was freed.
  bool LiftGuard();

  // Takes the access to a block without a guard, if possible.
  void HoldBack();
  // Gives it back; false as above.
  bool LetGo();

 private:
  // In the place of usable_end, while the block is held back.
  static constexpr uintptr_t kHeldBack = 2;
  static constexpr uintptr_t kGuarded = 1;  // added to either

  bool HasGuard() const { return (block_->usable_end & kGuarded) != 0; }
  bool IsHeldBack() const {
    return (block_->usable_end & ~kGuarded) == kHeldBack;
  }
  Room UsableRoom() const {
    return {start_, (block_->usable_end & ~kGuarded) - start_};
  }
  bool Lift(uintptr_t start);

  BlockHeader* block_;
  uintptr_t start_;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_GUARDED_BLOCK_H_
