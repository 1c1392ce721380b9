// A large or huge block in the hardened build: what was asked for, a canary
// right behind, and a guard at the end. Layer: heap.
//
//   | what was asked for | canary |        | guard |
//
// The guard of a large block is its last page. It stays there while the block
// waits in a magazine, so that to use it again costs no system call, and is
// lifted before the block is resized or goes back to the central heap. That of
// a huge block belongs to the mapping (huge_mapping.h). While a freed block is
// held back, all of it is guarded: whoever uses it then faults.

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

  // What the core is asked for so that canary and guard fit too.
  static size_t SizeForCore(size_t size);

  // Of the block as the core knows it.
  size_t bytes() const;

  // Makes it an allocation of `size` bytes, with a guard if possible.
  void* HandOut(size_t size);

  // The same of an allocation of `old_size` bytes that stays where it is.
  void* Resize(size_t old_size, size_t size);

  // The size of the allocation. Dies with a message about `call` if it was
  // freed or written beyond.
  size_t CheckedSize(const char* call) const;

  // Takes the canary behind `size` bytes away, before the program gets it.
  void ClearCanary(size_t size);

  // Makes all of the block usable. False if the kernel refuses: it must stay as
  // it is, for ever if it was freed.
  bool LiftGuard();

  // Takes the access to all of a freed block, if possible.
  void HoldBack();

 private:
  // In the header, beside the size: a guard stands in the block, and the block
  // is held back.
  static constexpr size_t kGuarded = 1;
  static constexpr size_t kHeldBack = 2;
  static constexpr unsigned kSizeShift = 2;

  bool HasGuard() const { return (block_->asked & kGuarded) != 0; }
  void PlaceGuard(uintptr_t start);
  void* Mark(size_t size);

  BlockHeader* block_;
  uintptr_t start_;
};

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_GUARDED_BLOCK_H_
