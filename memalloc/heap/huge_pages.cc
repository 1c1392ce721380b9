// Where huge pages are asked for; see huge_pages.h.

#include "memalloc/heap/huge_pages.h"

#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Bytes of a block that may have been touched, of all that it spans.
size_t TouchedBytes(const BlockHeader* block, size_t granules) {
  switch (block->status) {
    case BlockStatus::kSmall:
      return block->carved * size_t{block->cell_size};
    case BlockStatus::kLarge:
    case BlockStatus::kMetadata:
      return granules * kGranuleSize;
    default:
      return 0;
  }
}

}  // namespace

bool IsFilled(const Growth& growth) {
  if (growth.granules == 0) return false;
  const size_t end = growth.first + growth.granules;
  size_t touched = 0;
  size_t granule = 1;
  while (granule < Min<size_t>(end, growth.arena->limit)) {
    const BlockHeader* block = growth.arena->Header(granule);
    const size_t granules = Max<size_t>(1, block->granules);
    const size_t first = Max(granule, growth.first);
    const size_t last = Min(granule + granules, end);
    if (first < last) {
      touched += TouchedBytes(block, granules) / granules * (last - first);
    }
    granule += granules;
  }
  return touched >= growth.granules * kGranuleSize / 8 * 7;
}

bool AdviseNewMemory(uintptr_t start, size_t bytes, bool is_dense) {
  switch (static_cast<HugePages>(GetOption(Option::kHugePages))) {
    case HugePages::kNever:
      os::AdviseSmallPages(start, bytes);
      return false;
    case HugePages::kAlways:
      break;
    case HugePages::kDefault:
      if (!is_dense) return false;
  }
  os::AdviseHugePages(start, bytes);
  return true;
}

}  // namespace memalloc
