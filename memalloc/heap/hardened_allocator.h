// The allocator of the hardened build: the core's interface (allocator.h), with
// checks that find more mistakes. Layer: heap.
//
// Every allocation gets a room from the core that is at least one word larger,
// for the canary. A freed cell is cleared, marked as free and held back in the
// thread's quarantine; when it is handed out again it must still be clear. The
// parts are in memalloc/hardened/; here they are put together.
//
// A pointer that the core does not know is passed on to the core, which says
// what is wrong with it.

#ifndef MEMALLOC_HEAP_HARDENED_ALLOCATOR_H_
#define MEMALLOC_HEAP_HARDENED_ALLOCATOR_H_

#include <stddef.h>

#include "memalloc/base/math.h"
#include "memalloc/hardened/canary.h"
#include "memalloc/hardened/wipe.h"
#include "memalloc/heap/allocator.h"

namespace memalloc::hardened {

// ---- slow paths ----

// As its namesake in allocator.h.
MEMALLOC_SLOW void* AllocateAnySize(size_t size);
// Makes a cell from the core, of a block with the key, an allocation, whatever
// it was before; a freed one must be as it was left.
MEMALLOC_SLOW void* HandOutUnusual(Room room, uintptr_t key, size_t size)
    __attribute__((returns_nonnull));

// ---- the interface: see allocator.h ----

// The smallest cell: the clearing of the first kUsualWipe bytes needs so many.
inline constexpr size_t kMinCellSize = kUsualWipe;

// For requests that have a place in the size classes' table.
struct RequestTable {
  struct Entry {
    uint16_t end_word;  // where it begins in the cell
    SizeClass size_class;
  } of[kMaxTableSize / kMinAlignment + 1];

  constexpr RequestTable() : of() {
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); ++i) {
      const SizeClass size_class =
          SizeClassOf(Max(i * kMinAlignment, kMinCellSize));
      of[i] = {static_cast<uint16_t>(CellSize(size_class) - kEndSize),
               size_class};
    }
  }

  // size <= kMaxTableSize - kEndSize.
  MEMALLOC_FAST Entry For(size_t size) const {
    return of[(size + kEndSize + kMinAlignment - 1) / kMinAlignment];
  }
};
inline constexpr RequestTable kRequestTable;

MEMALLOC_FAST void* TryAllocateFast(size_t size) {
  if (MEMALLOC_UNLIKELY(size > kMaxTableSize - kEndSize)) return nullptr;
  ThreadHeap* heap = t_heap;
  const RequestTable::Entry entry = kRequestTable.For(size);
  void* cell = heap->TryAllocate(entry.size_class);
  if (MEMALLOC_UNLIKELY(cell == nullptr)) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(cell);
  const Room room = {start, entry.end_word + kEndSize};
  const uintptr_t key = heap->KeyOf(entry.size_class);
  const uint64_t canary = CanaryOf(start);
  if (MEMALLOC_UNLIKELY(((*room.EndWord() ^ UsualFreeWord(canary, key)) |
                         UsualLeftovers(start)) != 0)) {
    return HandOutUnusual(room, key, size);
  }
  MarkLive(room, canary, size);
  return cell;
}

inline void* Allocate(size_t size) {
  void* cell = TryAllocateFast(size);
  return MEMALLOC_LIKELY(cell != nullptr) ? cell : AllocateAnySize(size);
}

void Free(void* pointer) noexcept;
void* AllocateZeroed(size_t size);
void* AllocateAligned(size_t size, size_t alignment);
void* Reallocate(void* pointer, size_t size);
// Exactly what was asked for.
size_t UsableSize(const void* pointer);
inline size_t GoodSize(size_t size, size_t alignment) {
  return memalloc::GoodSize(size, alignment) != 0 ? size : 0;
}
using memalloc::Owns;

// ---- see sized_free.h; the size must be that which was asked for ----

void FreeSized(void* pointer, size_t size, const char* call) noexcept;
void FreeAligned(void* pointer, size_t alignment, const char* call) noexcept;
void FreeAlignedSized(void* pointer, size_t alignment, size_t size,
                      const char* call) noexcept;

// ---- the quarantine ----

// Frees what the running thread holds back. Whether there was anything.
bool EmptyQuarantine();

// Looks whether anybody wrote to what the running thread holds back, and dies
// if so.
void CheckQuarantine();

}  // namespace memalloc::hardened

#endif  // MEMALLOC_HEAP_HARDENED_ALLOCATOR_H_
