// Where huge pages are asked for; see huge_pages.h.

#include "memalloc/heap/huge_pages.h"

#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Where a block is looked at to see whether it was filled: a few pages at each
// eighth.
constexpr size_t kProbes = 8;
constexpr size_t kPagesPerProbe = 4;

// Whether the block looks filled. If it is gone, others' memory may stand
// there: then the answer is worth little, and harms little.
bool LooksFilled(BigBlock block) {
  const size_t page = os::PageSize();
  const size_t step = RoundDown(block.bytes / kProbes, page);
  if (step < kPagesPerProbe * page) return false;
  for (size_t i = 0; i < kProbes; ++i) {
    // The last pages of each eighth: blocks are filled from the front.
    const uintptr_t end = block.start + (i + 1) * step;
    if (!os::IsResident(end - kPagesPerProbe * page, kPagesPerProbe)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool AdviseNewMemory(uintptr_t start, size_t bytes, Use use, BigBlock before) {
  switch (static_cast<HugePages>(GetOption(Option::kHugePages))) {
    case HugePages::kNever:
      os::AdviseSmallPages(start, bytes);
      return false;
    case HugePages::kAlways:
      break;
    case HugePages::kDefault:
      if (use == Use::kSparse) return false;
      if (use == Use::kAsBefore && !LooksFilled(before)) return false;
  }
  os::AdviseHugePages(start, bytes);
  return true;
}

}  // namespace memalloc
