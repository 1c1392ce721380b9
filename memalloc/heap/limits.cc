// How much memory the heap may cause: the soft and the hard limit.
//
// Counted is what is backed, less the free granules that nobody has written to
// since the kernel gave them or took their pages back; huge blocks and cached
// mappings count whole. So growth costs nothing by itself: what counts is the
// first use of a granule.
//
// The hard limit is looked at when granules are taken. To find out how many of
// the free ones are clean, all runs must be walked; what is then left up to the
// limit is an allowance, to be used up before the next walk. What is freed
// meanwhile only makes it too small.

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

// At least what CausedGranules says, without a walk.
uint64_t CentralHeap::MostCausedGranules() {
  return backed_granules_ + huge_granules_ + pending_granules_ +
         huge_cache_.bytes() / kGranuleSize;
}

uint64_t CentralHeap::CausedGranules() {
  uint64_t clean = 0;
  for (size_t length = 1; length < kGranulesPerArena; ++length) {
    for (const BlockHeader* run = runs_.OfLength(length).first();
         run != nullptr; run = BlockList::Next(run)) {
      clean += ArenaHeaderOf(run)->CountClean(GranuleOf(run), length);
    }
  }
  return MostCausedGranules() - clean;
}

// Whether the hard limit leaves room for so many granules more, of which
// `taken` count already.
bool CentralHeap::HasAllowance(size_t granules, size_t taken) {
  const uint64_t limit = GetOption(Option::kHardLimit);
  if (MEMALLOC_LIKELY(limit == 0)) return true;
  if (limit != allowance_limit_ || granules > allowance_) {
    const uint64_t most = limit / kGranuleSize;
    allowance_limit_ = limit;
    allowance_ = most - Min(most, CausedGranules() - taken);
  }
  return granules <= allowance_;
}

// The same; they are used from now on.
bool CentralHeap::Admit(size_t granules, size_t taken) {
  if (!HasAllowance(granules, taken)) return false;
  allowance_ -= Min<uint64_t>(allowance_, granules);
  return true;
}

// Whether granules that were just taken may be used; they are free again if
// not.
bool CentralHeap::AdmitRun(BlockHeader* first, size_t granules) {
  if (MEMALLOC_LIKELY(GetOption(Option::kHardLimit) == 0)) return true;
  const ArenaHeader* arena = ArenaHeaderOf(first);
  const size_t clean = arena->CountClean(GranuleOf(first), granules);
  if (Admit(clean, /*taken=*/clean)) return true;
  runs_.Give(first, granules);
  return false;
}

// Takes another run than the best fit, one that the limit admits: with memory
// that was used before. Null if there is none.
BlockHeader* CentralHeap::TakeAdmittedRun(size_t granules, size_t alignment) {
  BlockHeader* run =
      runs_.TakeDirty(granules, Max(alignment, kGranuleSize), allowance_);
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
    Admit(granules, /*taken=*/0);
    pending_granules_ += granules;
    return true;
  } while (MakeRoom(&shortage));
  return false;
}

// Whether the heap passes the soft limit when it grows by so many granules, and
// has grown enough since it gave back what it could for that.
bool CentralHeap::PassesSoftLimit(size_t granules) {
  const uint64_t limit = GetOption(Option::kSoftLimit);
  const uint64_t most = limit / kGranuleSize;
  if (limit == 0 || MostCausedGranules() + granules <= most) return false;
  const uint64_t caused = CausedGranules() + granules;
  if (limit != soft_mark_limit_) soft_mark_ = 0;
  if (caused <= most || caused <= soft_mark_) return false;
  soft_mark_limit_ = limit;
  soft_mark_ = caused + StepAbove(limit);  // lest other threads do the same
  return true;
}

// Gives back what it can before the heap grows by so many granules.
void CentralHeap::KeepToSoftLimit(size_t granules) {
  GiveBack();
  const LockHolder holder(lock_);
  // With what is about to be caused: the request is not held up again.
  soft_mark_ = CausedGranules() + granules + StepAbove(soft_mark_limit_);
}

// Whether the limits let the heap grow for so many granules.
bool CentralHeap::MayGrow(size_t granules, Shortage* shortage) {
  if (PassesSoftLimit(granules)) {
    shortage->above_soft_limit = granules;
    return false;
  }
  if (!HasAllowance(granules, /*taken=*/0)) {
    shortage->at_hard_limit = true;
    return false;
  }
  return true;
}

}  // namespace memalloc
