// What a size or an alignment is compared with, and what is said if it is
// wrong.

#include "memalloc/heap/sized_free.h"

#include "memalloc/base/check.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {
namespace {

// Of a cell of so many bytes, or an allocation that would have one.
bool MayBeOfCell(size_t bytes, size_t size) {
  return size <= bytes &&
         (size >= bytes / 2 || SizeClassOf(size) == SizeClassOf(bytes) ||
          MayBeRoomy(CellSize(SizeClassOf(bytes))));
}

bool MayBeOfSize(const BlockHeader* block, size_t size) {
  const size_t bytes = SizeOf(block);
  return block->status == BlockStatus::kSmall ? MayBeOfCell(bytes, size)
                                              : size <= bytes;
}

// Of a pointer into the guard pool.
MEMALLOC_ENTRY MEMALLOC_COLD void FreeGuardedOfSize(void* pointer, size_t size,
                                                    const char* call) {
  const size_t bytes = g_guard_pool.SizeOf(reinterpret_cast<uintptr_t>(pointer),
                                           call, GuardMistakeKind::kDoubleFree);
  if (!MayBeOfCell(bytes, size)) DieOfSize(call, pointer, size, bytes);
  Free(pointer);
}

void FreeUntold(void* pointer, size_t size, const char* call) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const BlockHeader* block = BlockOfAllocation(address, call);
  if (block == nullptr) {
    if (GuardPool::Has(address)) FreeGuardedOfSize(pointer, size, call);
    return;
  }
  if (!MayBeOfSize(block, size)) DieOfSize(call, pointer, size, SizeOf(block));
  Free(pointer);
}

void FreeWatched(void* pointer, size_t size, const char* call) {
  WatchFree({CallKind::kSizedFree, pointer, size, 0, nullptr, 0},
            [=] { FreeUntold(pointer, size, call); });
}

}  // namespace

std::atomic<size_t> g_roomy_cells;

void DieOfSize(const char* call, const void* pointer, size_t size,
               size_t bytes) {
  LineBuffer line;
  line.Text("memalloc: ").Text(call).Char('(').Pointer(pointer);
  line.Text("): the size is ").Decimal(size);
  line.Text(", but the allocation has ").Decimal(bytes);
  line.Text(" bytes; see docs/errors.md#size-mismatch");
  Die(line.EndLine());
}

MEMALLOC_ENTRY void FreeOtherOfSize(void* pointer, size_t size,
                                    BlockHeader* header,
                                    const char* call) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(t_heap->TryCollect(header, address))) return;
  if (IsWatched()) return FreeWatched(pointer, size, call);
  FreeAnyPointer(pointer, "free");
}

MEMALLOC_ENTRY void FreeOfOddSize(void* pointer, size_t size,
                                  const char* call) noexcept {
  if (pointer == nullptr) return;
  if (IsWatched()) return FreeWatched(pointer, size, call);
  FreeUntold(pointer, size, call);
}

void CheckAlignment(const void* pointer, size_t alignment, const char* call) {
  if (kHasChecks &&
      (reinterpret_cast<uintptr_t>(pointer) & (alignment - 1)) != 0) {
    DieOfMisuse(call, pointer, "not aligned as the call says", "size-mismatch");
  }
}

}  // namespace memalloc
