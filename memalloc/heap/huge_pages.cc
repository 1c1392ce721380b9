// Where huge pages are asked for; see huge_pages.h.

#include "memalloc/heap/huge_pages.h"

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Of x86-64, and of aarch64 with pages of 4 KiB.
constexpr size_t kHugePageSize = size_t{2} << 20;

// A huge page is cleared in 0.1 to 0.4 ms, its 512 small pages are faulted in
// in 0.3 to 1.5 ms. One that the host must find memory for takes 3 ms and more.
constexpr uint64_t kSlowTouch = 1000000;

constexpr unsigned kMaxPause = 63;

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

bool HugePageTrial::Passes(uintptr_t start, size_t bytes) {
  if (left_ > 0) {
    --left_;
    return false;
  }
  const uintptr_t page = RoundUp(start, kHugePageSize);
  if (page + kHugePageSize > start + bytes) return false;
  os::AdviseHugePages(page, kHugePageSize);
  const bool is_slow = os::NanosecondsToTouch(page) > kSlowTouch;
  pause_ = is_slow ? Min(2 * pause_ + 1, kMaxPause) : 0;
  left_ = pause_;
  // What is used there later, a byte after a purge, makes no huge page again.
  if (is_slow) os::AdviseSmallPages(page, kHugePageSize);
  return !is_slow;
}

MEMALLOC_USUAL bool AdviseNewMemory(uintptr_t start, size_t bytes,
                                    HugePageTrial* trial) {
  switch (static_cast<HugePages>(GetOption(Option::kHugePages))) {
    case HugePages::kNever:
      os::AdviseSmallPages(start, bytes);
      return false;
    case HugePages::kAlways:
      break;
    case HugePages::kDefault:
      if (trial == nullptr || !trial->Passes(start, bytes)) return false;
  }
  os::AdviseHugePages(start, bytes);
  return true;
}

}  // namespace memalloc
