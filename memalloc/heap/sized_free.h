// Frees that say how large the allocation is, or how it is aligned: what they
// say is compared with the block. Layer: heap.
//
// A cell serves any request of its class, and after a realloc in place any that
// wastes less than half of it (FitsWell). So a size is wrong for certain if it
// is larger than the cell or less than half of it. One exception: memalign
// rounds small sizes up to the alignment; as a program may give back such a
// cell with the size alone, cell sizes where that happened are noted, and any
// size up to them is taken from then on.
//
// Of larger blocks only too large a size is seen.

#ifndef MEMALLOC_HEAP_SIZED_FREE_H_
#define MEMALLOC_HEAP_SIZED_FREE_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/allocator.h"
#include "memalloc/heap/lookup.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/block_header.h"

namespace memalloc {

// Any pointer and size, null and those of huge blocks too. `call` is the name
// for an error's message.
MEMALLOC_SLOW void FreeOfOddSize(void* pointer, size_t size,
                                 const char* call) noexcept;
// As FreeOther, of a right size.
MEMALLOC_SLOW void FreeOtherOfSize(void* pointer, size_t size,
                                   BlockHeader* header,
                                   const char* call) noexcept;

// Says that an allocation of `bytes` was given back as one of `size`.
[[noreturn]] MEMALLOC_COLD void DieOfSize(const char* call, const void* pointer,
                                          size_t size, size_t bytes);

// Dies unless `pointer` is a multiple of `alignment`, a power of two.
void CheckAlignment(const void* pointer, size_t alignment, const char* call);

// Sizes of cells that may serve requests for less than half of them: bits that
// are added up. memalign does it with powers of two. Set before such a cell is
// handed out; whoever holds that sees it, so no order is needed.
extern MEMALLOC_HIDDEN std::atomic<size_t> g_roomy_cells;

MEMALLOC_FAST bool MayBeRoomy(size_t cell_size) {
  const size_t known = g_roomy_cells.load(std::memory_order_relaxed);
  return (known & cell_size) == cell_size;
}
MEMALLOC_FAST void NoteRoomyCell(size_t cell_size) {
  // Written once for each size: its line is shared.
  if (MEMALLOC_LIKELY(MayBeRoomy(cell_size))) return;
  g_roomy_cells.fetch_or(cell_size, std::memory_order_relaxed);
}

MEMALLOC_FAST void FreeSized(void* pointer, size_t size, const char* call) {
  if constexpr (!kHasChecks) return Free(pointer);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(HasHeader(address))) {
    size_t slot = AddressMap::SlotOf(address);
#ifdef __x86_64__
    // It is at hand; gcc would make the arena from the address once more.
    asm("" : "+r"(slot));
#endif
    BlockHeader* block = HeaderInTable(slot, address);
    // size <= cell_size <= 2 * size; of a larger size the difference wraps
    // round.
    if (MEMALLOC_LIKELY(block->cell_size - size <= size)) {
      // Stays in its register; gcc would copy it for aarch64.
      asm("" : "+r"(size));
      ThreadHeap* heap = t_heap;
      if (MEMALLOC_UNLIKELY(!block->IsOwnedBy(heap))) {
        return FreeOtherOfSize(pointer, size, block, call);
      }
      return FreeOwn(heap, block, pointer);
    }
  }
  FreeOfOddSize(pointer, size, call);
}

inline void FreeAligned(void* pointer, size_t alignment, const char* call) {
  CheckAlignment(pointer, alignment, call);
  Free(pointer);
}

inline void FreeAlignedSized(void* pointer, size_t alignment, size_t size,
                             const char* call) {
  CheckAlignment(pointer, alignment, call);
  if (IsCellAtAlignment(size, alignment)) {
    size = CellSizeAtAlignment(size, alignment);
  }
  FreeSized(pointer, size, call);
}

}  // namespace memalloc

#endif  // MEMALLOC_HEAP_SIZED_FREE_H_
