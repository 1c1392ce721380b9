// How much memory the heap may cause: the soft and the hard limit.
//
// Counted is what is backed, less the free granules that nobody has written to
// since the kernel gave them or took their pages back; huge blocks and cached
// mappings count whole. So growth costs nothing by itself: what counts is the
// first use of a granule.
//
// The hard limit is looked at when granules are taken.

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"

namespace memalloc {
namespace {

// Granules by which a heap above its soft limit grows until it gives back what
// it can once more.
uint64_t StepAbove(uint64_t soft_limit) {
  constexpr uint64_t kLeast = 16;
  return Max(kLeast, soft_limit / kGranuleSize / 16);
}

}  // namespace

uint64_t CentralHeap::CausedGranules() {
  const uint64_t clean = runs_.total_granules() - runs_.purgeable_granules();
  return backed_granules_ + huge_granules_ + pending_granules_ +
         huge_cache_.bytes() / kGranuleSize - clean;
}

// Granules that the hard limit leaves room for.
MEMALLOC_USUAL uint64_t CentralHeap::Allowance() {
  const uint64_t limit = GetOption(Option::kHardLimit);
  if (MEMALLOC_LIKELY(limit == 0)) return UINT64_MAX;
  const uint64_t most = limit / kGranuleSize;
  return most - Min(most, CausedGranules());
}

// Whether granules that were just taken may be used; they are free again if
// not.
MEMALLOC_USUAL bool CentralHeap::AdmitRun(BlockHeader* first, size_t granules) {
  if (MEMALLOC_LIKELY(GetOption(Option::kHardLimit) == 0)) return true;
  // Those that were clean count since they were taken.
  if (CausedGranules() <= GetOption(Option::kHardLimit) / kGranuleSize ||
      ArenaHeaderOf(first)->CountClean(GranuleOf(first), granules) == 0) {
    return true;
  }
  runs_.Give(first, granules);
  return false;
}

// Takes another run than the best fit, one that the limit admits: with memory
// that was used before. Null if there is none.
BlockHeader* CentralHeap::TakeAdmittedRun(size_t granules, size_t alignment) {
  BlockHeader* run =
      runs_.TakeDirty(granules, Max(alignment, kGranuleSize), Allowance());
  return run != nullptr && AdmitRun(run, granules) ? run : nullptr;
}

// Whether so many granules more may be mapped for a huge block, perhaps after
// others were given back. They are pending then.
bool CentralHeap::AdmitHuge(size_t granules) {
  Shortage shortage;
  do {
    const LockHolder holder(lock_);
    // What the limit has no room for at all costs the heap nothing.
    const uint64_t limit = GetOption(Option::kHardLimit);
    if (limit != 0 && granules > limit / kGranuleSize) return false;
    if (!MayGrow(granules, &shortage)) continue;
    pending_granules_ += granules;
    return true;
  } while (MakeRoom(&shortage));
  return false;
}

// Whether the heap passes the soft limit when it grows by so many granules, and
// has grown enough since it gave back what it could for that.
bool CentralHeap::PassesSoftLimit(size_t granules) {
  const uint64_t limit = GetOption(Option::kSoftLimit);
  if (limit == 0) return false;
  const uint64_t caused = CausedGranules() + granules;
  const bool is_below = caused <= limit / kGranuleSize;
  if (is_below || limit != soft_mark_limit_) soft_mark_ = 0;
  if (is_below || caused <= soft_mark_) return false;
  soft_mark_limit_ = limit;
  soft_mark_ = caused + StepAbove(limit);  // lest other threads do the same
  return true;
}

// Gives back what it can before the heap grows by so many granules.
void CentralHeap::KeepToSoftLimit(size_t granules) {
  Trim(0);
  const LockHolder holder(lock_);
  // With what is about to be caused: the request is not held up again.
  soft_mark_ = CausedGranules() + granules + StepAbove(soft_mark_limit_);
}

// Whether the limits let the heap grow for so many granules.
MEMALLOC_USUAL bool CentralHeap::MayGrow(size_t granules, Shortage* shortage) {
  if (PassesSoftLimit(granules)) {
    shortage->above_soft_limit = granules;
    return false;
  }
  if (granules > Allowance()) {
    shortage->at_hard_limit = true;
    return false;
  }
  return true;
}

}  // namespace memalloc
