// Memory that lies idle goes back to the system with time.
//
// A tick comes at most every half delay (Option::kPurgeDelay), or sooner after
// growth, from whichever thread passes a slow path then. It works as a clock
// algorithm does: a free dirty granule gets a bit at one tick, and is purged at
// the next if it still has it; taking the granule clears the bit. So pages go
// back when they were not used for between one half and one delay, and a loop
// that takes and frees the same granules makes no system call.
//
// Runs are purged outside of the central lock, in batches: a batch is taken out
// of the free runs (kPurging), which makes it everybody else's no more, and is
// given back clean. purge_lock_ is held meanwhile. It makes a request that
// would fail wait for what is out, and a fork too, so that the child misses
// nothing.

#include "memalloc/base/math.h"
#include "memalloc/base/options.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/sparse_block.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Batches that one thread purges at a tick, 16 MiB each.
constexpr size_t kBatchesAtOnce = 4;

// Arenas that are looked through each time that the lock is held.
constexpr size_t kArenasAtOnce = 256;

// Ticks that pass at most until the kernel, which refused, is asked again.
constexpr uint32_t kMaxPatience = 32;
// Where the heap grew since the last tick, the next one comes after this part
// of a delay: what grows has not found what it needs in what lies idle, mostly
// free pages in blocks of other classes.
constexpr uint64_t kPartsOfGrowth = 64;

bool IsNever(uint64_t delay) {
  return delay == kOptionInfo[static_cast<size_t>(Option::kPurgeDelay)].max;
}

}  // namespace

// Runs that are out for purging, within what others can do without.
class CentralHeap::PurgeBatch {
 public:
  // Granules that may still be added.
  size_t room() const { return count_ == kMaxRuns ? 0 : room_; }
  size_t count() const { return count_; }
  BlockHeader* run(size_t i) const { return runs_[i]; }
  bool is_clean(size_t i) const { return is_clean_[i]; }

  void Add(BlockHeader* run) {
    runs_[count_++] = run;
    room_ -= run->granules;
  }

  void Purge() {
    for (size_t i = 0; i < count_; ++i) {
      is_clean_[i] = PurgeBlock(runs_[i], runs_[i]->granules);
    }
  }

 private:
  static constexpr size_t kMaxRuns = 64;
  static constexpr size_t kMaxGranules = (size_t{16} << 20) / kGranuleSize;

  BlockHeader* runs_[kMaxRuns];
  bool is_clean_[kMaxRuns];
  size_t count_ = 0;
  size_t room_ = kMaxGranules;
};

// ---- ticks ----

void PassSlowPath() {
  if (HoldsAllForFork()) return;
  ThreadHeap* mine = IsStandIn(t_heap) ? nullptr : t_heap;
  g_central_heap.LookAtClock(mine);
  if (mine != nullptr) mine->FollowTicks();
}

void CentralHeap::LookAtClock(ThreadHeap* mine) {
  const uint64_t delay = GetOption(Option::kPurgeDelay);
  uint64_t last = last_tick_.load(std::memory_order_relaxed);
  const uint64_t now = os::NowMilliseconds();
  const bool grows = has_grown_.load(std::memory_order_relaxed);
  const uint64_t interval = delay / (grows ? kPartsOfGrowth : 2);
  if (now < last + Max<uint64_t>(1, interval)) return GoOnPurging();
  // A thread that forks holds the locks of others.
  if (IsNever(delay) || HoldsAllForFork()) return;
  if (!last_tick_.compare_exchange_strong(last, now,
                                          std::memory_order_relaxed)) {
    return;
  }
  Tick(now, delay, mine);
}

// What a tick left to do, a batch at a time.
void CentralHeap::GoOnPurging() {
  if (!purge_goes_on_.load(std::memory_order_relaxed) || HoldsAllForFork() ||
      !purge_goes_on_.exchange(false, std::memory_order_relaxed)) {
    return;
  }
  if (PurgeNextBatch()) {
    purge_goes_on_.store(true, std::memory_order_relaxed);
  } else {
    GiveBackCleanEnds();
  }
}

void CentralHeap::Tick(uint64_t now, uint64_t delay, ThreadHeap* mine) {
  ticks_.fetch_add(1, std::memory_order_relaxed);
  // One that growth brought early leaves what counts time in ticks.
  const bool is_early =
      now < last_full_tick_.load(std::memory_order_relaxed) + delay / 2;
  if (!is_early) {
    last_full_tick_.store(now, std::memory_order_relaxed);
    GiveBackIdleHuge(now, delay);
    // What these give back is marked below, in this tick.
    EmptyIdleHeaps();
  }
  if (mine != nullptr) mine->FollowTicks();
  if (!IsPatient(is_early)) PurgeIdle(/*all=*/delay == 0);
  if (!purge_goes_on()) GiveBackCleanEnds();
}

// Memory that is locked keeps its pages (mlockall): when all was refused, the
// kernel is left alone for twice as long as the last time, or until there is
// more to offer.
bool CentralHeap::IsPatient(bool is_early) {
  const LockHolder holder(lock_);
  if (ticks_to_wait_ == 0) return false;
  if (!is_early) --ticks_to_wait_;
  return runs_.purgeable_granules() <= refused_granules_;
}

// All arenas are looked through.
void CentralHeap::NoteAnswers() {
  if (any_purged_) {
    patience_ = ticks_to_wait_ = 0;
  } else if (any_refused_) {
    patience_ = Min(kMaxPatience, Max(2 * patience_, 1U));
    ticks_to_wait_ = patience_;
    refused_granules_ = runs_.purgeable_granules();
  }
  any_purged_ = any_refused_ = false;
}

// Address space without pages, if the heap did not grow since the last time.
void CentralHeap::GiveBackCleanEnds() {
  const LockHolder holder(lock_);
  if (!has_grown_.load(std::memory_order_relaxed)) {
    const size_t least = GetOption(Option::kTrimThreshold);
    GiveBackTopOfBreak(GetOption(Option::kTopPad), least, /*clean=*/true);
    if (least <= kArenaSize) GiveBackMappedArenas(/*clean=*/true);
  }
  has_grown_.store(false, std::memory_order_relaxed);
}

// ---- purging ----

// Purges the granules that were free and untouched since the last time that
// this was called, or `all` that are dirty.
void CentralHeap::PurgeIdle(bool all) {
  {
    const LockHolder holder(lock_);
    if (runs_.purgeable_granules() == 0) return;
    // The last tick's work is not done: nothing grows older twice in a tick.
    if (purge_cursor_ != nullptr && !all) {
      purge_goes_on_.store(true, std::memory_order_relaxed);
      return;
    }
    for (ArenaHeader* arena = arenas_; all && arena != nullptr;
         arena = arena->next) {
      if (!arena->dirty.Any(0, kGranulesPerArena)) continue;
      arena->Free()->idle = arena->Free()->purgeable;
    }
    purge_cursor_ = arenas_;
  }
  // Not all at one thread's expense: who looks at the clock next goes on.
  for (size_t i = 0; i < kBatchesAtOnce || all; ++i) {
    if (!PurgeNextBatch()) return;
  }
  purge_goes_on_.store(true, std::memory_order_relaxed);
}

// False when all arenas are looked through.
bool CentralHeap::PurgeNextBatch() {
  // Held by this thread if a signal's handler interrupted it here.
  if (!purge_lock_.AcquireUnlessHeld()) return false;
  PurgeBatch batch;
  {
    const LockHolder holder(lock_);
    FillBatch(&batch);
  }
  batch.Purge();
  bool more;
  {
    const LockHolder holder(lock_);
    EmptyBatch(batch);
    more = purge_cursor_ != nullptr;
  }
  purge_lock_.Release();
  return more;
}

// Goes on where the last batch ended. An arena whose idle granules are all
// taken is left behind with the rest of its purgeable ones marked.
void CentralHeap::FillBatch(PurgeBatch* batch) {
  for (size_t i = 0; i < kArenasAtOnce && purge_cursor_ != nullptr; ++i) {
    ArenaHeader* arena = purge_cursor_;
    if (arena->dirty.Any(0, kGranulesPerArena)) {
      if (!TakeIdle(arena, batch)) return;
      FreeGranules* free = arena->Free();
      if (free->purgeable.Any(0, kGranulesPerArena)) {
        free->idle = free->purgeable;
      }
    }
    purge_cursor_ = arena->next;
  }
}

// Moves the arena's idle granules, and clean ones between them, to the batch.
// False if that is full before.
bool CentralHeap::TakeIdle(ArenaHeader* arena, PurgeBatch* batch) {
  const FreeGranules& free = *arena->Free();
  size_t granule = 1;
  while (granule < arena->limit) {
    BlockHeader* run = arena->Header(granule);
    const size_t end = granule + run->granules;
    const size_t first = free.idle.Next(granule);
    if (first >= arena->limit) return true;
    if (run->status != BlockStatus::kFree || first >= end) {
      granule = end;
      continue;
    }
    const size_t stop = Min(end, first + batch->room());
    if (first == stop) return false;
    size_t last = first;
    for (size_t g = first + 1; g < stop; ++g) {
      if (free.idle.Has(g)) {
        last = g;
      } else if (free.purgeable.Has(g)) {
        break;
      }
    }
    BlockHeader* taken = runs_.TakePart(run, first - granule, last + 1 - first);
    taken->status = BlockStatus::kPurging;
    purging_.PushFront(taken);
    batch->Add(taken);
    granule = last + 1;
  }
  return true;
}

void CentralHeap::EmptyBatch(const PurgeBatch& batch) {
  for (size_t i = 0; i < batch.count(); ++i) {
    BlockHeader* run = batch.run(i);
    const size_t granules = run->granules;
    if (batch.is_clean(i)) CountPurge(run, granules);
    (batch.is_clean(i) ? any_purged_ : any_refused_) = true;
    purging_.Remove(run);
    runs_.Give(run, granules);
  }
  if (purge_cursor_ == nullptr) NoteAnswers();
}

// Before a request fails: whether runs were out that are back by now.
bool CentralHeap::WaitForBatch() {
  if (HoldsAllForFork()) return false;
  {
    const LockHolder holder(lock_);
    if (purging_.empty()) return false;
  }
  if (!purge_lock_.AcquireUnlessHeld()) return false;
  purge_lock_.Release();
  return true;
}

// ---- a delay of 0: what is set free is purged by who does it ----

bool CentralHeap::PurgesAtOnce() { return GetOption(Option::kPurgeDelay) == 0; }

// Purges granules that are nobody's but the caller's; whether it worked.
bool CentralHeap::PurgeBlock(const BlockHeader* first, size_t granules) {
  return os::Purge(BlockStart(first), granules * kGranuleSize);
}

// Notes that it did.
void CentralHeap::CountPurge(BlockHeader* first, size_t granules) {
  ArenaHeaderOf(first)->dirty.Clear(GranuleOf(first), granules);
  CountPurged({granules * kGranuleSize, 1});
}

void CentralHeap::CountPurged(const Purged& purged) {
  if (purged.calls == 0) return;
  if (has_huge_pages_) EndHugePages();
  purge_calls_ += purged.calls;
  purged_bytes_ += purged.bytes;
}

// In all arenas at once, lest the kernel keep a mapping for each.
void CentralHeap::EndHugePages() {
  has_huge_pages_ = false;
  const auto wanted = static_cast<HugePages>(GetOption(Option::kHugePages));
  if (wanted == HugePages::kAlways) return;
  for (ArenaHeader* arena = arenas_; arena != nullptr; arena = arena->next) {
    if (!arena->huge_pages) continue;
    arena->huge_pages = false;
    os::AdviseSmallPages(arena->Start(), arena->limit * kGranuleSize);
  }
}

}  // namespace memalloc
