// The tables for debuggers; see debug_layout.h.

#include "memalloc/heap/debug_layout.h"

#include "memalloc/base/settings.h"
#include "memalloc/hardened/secret.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/huge_cache.h"
#include "memalloc/heap/magazine.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/layout/arena.h"
#include "memalloc/layout/block_header.h"
#include "memalloc/layout/free_cell.h"

namespace memalloc {
namespace {

// A change that the script must know of, other than of places.
constexpr uint32_t kVersion = 1;

template <typename T>
constexpr uint32_t Number(T value) {
  return static_cast<uint32_t>(value);
}

}  // namespace

// Some of the fields are private.
struct DebugLayout {
  static constexpr DebugTable kTable = {{
      {"version", kVersion},
      {"kHasChecks", kHasChecks},
      {"kIsHardened", kIsHardened},
      {"kGranuleSize", kGranuleSize},
      {"kArenaSize", kArenaSize},
      {"kAddressBits", kAddressBits},
      {"kMinAlignment", kMinAlignment},
      {"kNumSizeClasses", kNumSizeClasses},
      {"kFirstMagazineClass", kFirstMagazineClass},
      {"kFreeTag", kFreeTag},
      {"kFreeTagShift", kFreeTagShift},
#define MEMALLOC_SIZE(type) \
  { "sizeof " #type, sizeof(type) }
#define MEMALLOC_FIELD(type, field) \
  { #type "." #field, offsetof(type, field) }
#define MEMALLOC_VALUE(type, value) \
  { #type "." #value, Number(type::value) }
      MEMALLOC_SIZE(BlockHeader),
      MEMALLOC_FIELD(BlockHeader, owner),
      MEMALLOC_FIELD(BlockHeader, free_list),
      MEMALLOC_FIELD(BlockHeader, countdown),
      MEMALLOC_FIELD(BlockHeader, free_base),
      MEMALLOC_FIELD(BlockHeader, status),
      MEMALLOC_FIELD(BlockHeader, size_class),
      MEMALLOC_FIELD(BlockHeader, place),
      MEMALLOC_FIELD(BlockHeader, orphan_list),
      MEMALLOC_FIELD(BlockHeader, granules),
      MEMALLOC_FIELD(BlockHeader, offset),
      MEMALLOC_FIELD(BlockHeader, purged_cells),
      MEMALLOC_FIELD(BlockHeader, capacity),
      MEMALLOC_FIELD(BlockHeader, carved),
      MEMALLOC_FIELD(BlockHeader, cell_size),
      MEMALLOC_FIELD(BlockHeader, link_key),
      MEMALLOC_VALUE(BlockStatus, kForeign),
      MEMALLOC_VALUE(BlockStatus, kFree),
      MEMALLOC_VALUE(BlockStatus, kPurging),
      MEMALLOC_VALUE(BlockStatus, kInside),
      MEMALLOC_VALUE(BlockStatus, kSmall),
      MEMALLOC_VALUE(BlockStatus, kLarge),
      MEMALLOC_VALUE(BlockStatus, kHuge),
      MEMALLOC_VALUE(BlockStatus, kMetadata),
      MEMALLOC_VALUE(BlockStatus, kArenaTable),
      MEMALLOC_VALUE(BlockPlace, kCurrent),
      MEMALLOC_VALUE(BlockPlace, kWaiting),
      MEMALLOC_VALUE(BlockPlace, kPartial),
      MEMALLOC_VALUE(BlockPlace, kIdle),
      MEMALLOC_VALUE(BlockPlace, kStirred),
      MEMALLOC_VALUE(BlockPlace, kSettled),
      MEMALLOC_VALUE(BlockPlace, kKept),
      MEMALLOC_FIELD(ArenaHeader, next),
      MEMALLOC_FIELD(ArenaHeader, kind),
      MEMALLOC_FIELD(ArenaHeader, limit),
      MEMALLOC_FIELD(ArenaHeader, huge_pages),
      MEMALLOC_FIELD(ArenaHeader, dirty),
      MEMALLOC_FIELD(ArenaHeader, huge.start),
      MEMALLOC_FIELD(ArenaHeader, huge.bytes),
      MEMALLOC_FIELD(ArenaHeader, huge.mapped),
      MEMALLOC_VALUE(ArenaKind, kBreak),
      MEMALLOC_VALUE(ArenaKind, kMapped),
      MEMALLOC_VALUE(ArenaKind, kHuge),
      MEMALLOC_SIZE(FreeGranules),
      MEMALLOC_SIZE(PurgedPages),
      MEMALLOC_FIELD(CentralHeap, arenas_),
      MEMALLOC_FIELD(CentralHeap, huge_),
      MEMALLOC_FIELD(CentralHeap, huge_cache_),
      MEMALLOC_FIELD(CentralHeap, heaps_),
      MEMALLOC_FIELD(CentralHeap, parked_heaps_),
      MEMALLOC_FIELD(HugeCache, entries_),
      MEMALLOC_FIELD(HugeCache, count_),
      MEMALLOC_FIELD(ThreadHeap, bins_),
      MEMALLOC_FIELD(ThreadHeap, keys_),
      MEMALLOC_FIELD(ThreadHeap, magazines_),
      MEMALLOC_FIELD(ThreadHeap, in_use_),
      MEMALLOC_FIELD(ThreadHeap, next_),
      MEMALLOC_FIELD(ThreadHeap, next_free_),
      MEMALLOC_FIELD(ThreadHeap, thread_),
      MEMALLOC_SIZE(Magazine),
      {"kMagazineCells", Magazine::kMaxCells},
      MEMALLOC_FIELD(Magazine, count),
      MEMALLOC_FIELD(Magazine, cells),
#undef MEMALLOC_SIZE
#undef MEMALLOC_FIELD
#undef MEMALLOC_VALUE
  }};
};

}  // namespace memalloc

const memalloc::DebugTable memalloc_debug_layout =
    memalloc::DebugLayout::kTable;

const memalloc::DebugRoots memalloc_debug_roots = {
    &memalloc::g_central_heap,
    &memalloc::g_address_map,
    &memalloc::g_link_key,
    memalloc::kIsHardened ? &memalloc::g_secret : nullptr,
};
