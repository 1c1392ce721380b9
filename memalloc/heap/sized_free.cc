// What a size or an alignment is compared with, and what is said if it is
// wrong.

#include "memalloc/heap/sized_free.h"

#include "memalloc/base/check.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/layout/size_class.h"

namespace memalloc {
namespace {

bool MayBeOfSize(const BlockHeader* block, size_t size) {
  const size_t bytes = SizeOf(block);
  if (size > bytes) return false;
  if (block->status != BlockStatus::kSmall) return true;
  return size >= bytes / 2 || SizeClassOf(size) == block->size_class ||
         MayBeRoomy(bytes);
}

void FreeUntold(void* pointer, size_t size, const char* call) {
  const BlockHeader* block =
      BlockOfAllocation(reinterpret_cast<uintptr_t>(pointer), call);
  if (block == nullptr) return;
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

void FreeOtherOfSize(void* pointer, size_t size, BlockHeader* header,
                     const char* call) noexcept {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (MEMALLOC_LIKELY(t_heap->TryCollect(header, address))) return;
  if (IsWatched()) return FreeWatched(pointer, size, call);
  FreeAnyPointer(pointer, "free");
}

void FreeOfOddSize(void* pointer, size_t size, const char* call) noexcept {
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
