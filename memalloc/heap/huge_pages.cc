// Where huge pages are asked for; see huge_pages.h.

#include "memalloc/heap/huge_pages.h"

#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Where memory is looked at to see whether it was filled: a few pages at each
// eighth.
constexpr size_t kProbes = 8;
constexpr size_t kPagesPerProbe = 4;

// Whether it looks filled. If it is gone, others' memory may stand there: then
// the answer is worth little, and harms little.
bool LooksFilled(Extent extent) {
  const size_t page = os::PageSize();
  const size_t step = RoundDown(extent.bytes / kProbes, page);
  if (step < kPagesPerProbe * page) return false;
  for (size_t i = 0; i < kProbes; ++i) {
    // The last pages of each eighth: memory is filled from the front.
    const uintptr_t end = extent.start + (i + 1) * step;
    if (!os::IsResident(end - kPagesPerProbe * page, kPagesPerProbe)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool AdviseNewMemory(uintptr_t start, size_t bytes, Extent before) {
  switch (static_cast<HugePages>(GetOption(Option::kHugePages))) {
    case HugePages::kNever:
      os::AdviseSmallPages(start, bytes);
      return false;
    case HugePages::kAlways:
      break;
    case HugePages::kDefault:
      if (!LooksFilled(before)) return false;
  }
  os::AdviseHugePages(start, bytes);
  return true;
}

}  // namespace memalloc
