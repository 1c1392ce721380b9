// What a pointer leads to, and what is said if it is no allocation.

#include "memalloc/heap/lookup.h"

#include <atomic>

#include "memalloc/base/check.h"
#include "memalloc/base/mistakes.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Enough to find who passes them, too few to fill a disk.
constexpr uint32_t kMaxForeignWarnings = 100;
std::atomic<uint32_t> g_foreign_warnings;

// Returns if the pointer is to be ignored.
MEMALLOC_COLD void ReportForeign(const char* call, const void* pointer) {
  // It may be the first call of all.
  if (IsStandIn(t_heap)) InitialiseOnce();
  const auto what =
      static_cast<ForeignPointers>(GetOption(Option::kForeignPointers));
  if (what == ForeignPointers::kAbort) {
    DieOfMisuse(call, pointer, "not a pointer from memalloc",
                "foreign-pointer");
  }
  if (what == ForeignPointers::kIgnore ||
      g_foreign_warnings.load(std::memory_order_relaxed) >=
          kMaxForeignWarnings) {
    return;
  }
  g_foreign_warnings.fetch_add(1, std::memory_order_relaxed);
  LineBuffer line;
  line.Text("memalloc: ").Text(call).Char('(').Pointer(pointer);
  line.Text(
      "): not a pointer from memalloc; it is ignored, see "
      "docs/errors.md#foreign-pointer");
  line.EndLine();
  os::WriteToStderr(line.data(), line.size());
}

// In a slot with a table.
BlockHeader* BlockInTable(uintptr_t address, const char* call) {
  const BlockHeader* header = HeaderOf(address);
  BlockHeader* block = BlockOf(address);
  // The header of a granule inside a large block may be a left-over.
  const bool is_left_over =
      header != block && header->offset >= block->granules;
  if (block->status == BlockStatus::kSmall && !is_left_over) {
    if (MEMALLOC_UNLIKELY(!IsCellStart(address))) {
      DieOfInterior(call, address);
    }
    return block;
  }
  const bool is_whole =
      block->IsLargeInUse() || block->status == BlockStatus::kHuge;
  if (!is_whole) DieOfNoAllocation(call, address);
  if (address != BlockStart(block)) DieOfInterior(call, address);
  return block;
}

}  // namespace

BlockHeader* BlockOfAllocation(uintptr_t address, const char* call) {
  if constexpr (!kHasChecks) {
    return address % kArenaSize != 0 ? BlockOf(address) : HeaderOf(address - 1);
  }
  switch (g_address_map.Find(address)) {
    case SlotKind::kArena:
    case SlotKind::kHuge:
      return BlockInTable(address, call);
    case SlotKind::kHugeAligned: {
      // Only in front of the slot's first byte stands a table.
      if (address % kArenaSize != 0) break;
      BlockHeader* block = HeaderOf(address - 1);
      if (ArenaHeaderOf(block)->huge.start == address) return block;
      break;
    }
    case SlotKind::kForeign:
      ReportForeign(call, reinterpret_cast<const void*>(address));
      return nullptr;
    case SlotKind::kGuardPool:
      return nullptr;
    case SlotKind::kHugeInside:
      break;
  }
  DieOfInterior(call, address);
}

size_t SizeOf(const BlockHeader* block) {
  switch (block->status) {
    case BlockStatus::kSmall:
    case BlockStatus::kLarge:
      return block->cell_size;
    default:
      return ArenaHeaderOf(block)->huge.bytes;
  }
}

}  // namespace memalloc
