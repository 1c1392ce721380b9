// The slow path of free: claims detached blocks, wakes full ones, retires
// empty ones or keeps a few.

#include "memalloc/base/check.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/thread_heap.h"

namespace memalloc {
namespace {

// Free cells that make a full block worth a refill: an eighth of its cells.
// With fewer, a full heap under random churn would take a slow path at every
// operation.
uint32_t WakeCount(const BlockHeader* block) {
  return Max(1U, block->capacity / 8U);
}

// Partial blocks of a class that are looked at for empty ones: of thousands
// each would cost a cache miss. What is empty is mostly in front.
constexpr size_t kPartialsToLookAt = 16;

}  // namespace

void ThreadHeap::Claim(BlockHeader* block) {
  // What a refill could hand out: an orphan may not be carved to its end.
  const uint32_t available = block->capacity - block->UsedCells();
  const uint32_t wake = WakeCount(block);
  const bool was_settled = block->place == BlockPlace::kSettled;
  if (available + 1 < wake) {
    block->place = BlockPlace::kWaiting;
    waiting_[block->size_class].PushFront(block);
    block->ExpectFrees(wake - available);
  } else {
    block->ExpectFrees(block->UsedCells());
    AddPartial(block);
    if (was_settled) {
      // Not looked through again before it is worth it.
      block->place = BlockPlace::kStirred;
      block->ExpectFrees(Min(block->UsedCells(), wake));
    }
  }
}

// A thread that frees what others allocate collects partial blocks from which
// it may never allocate. So one is given up for each that another thread had to
// ask the central heap for: the one before the newest, which is about to be
// freed into.
void ThreadHeap::AddPartial(BlockHeader* block) {
  const SizeClass size_class = block->size_class;
  BlockList& partial = partial_[size_class];
  BlockHeader* spare = partial.first();
  const bool has_spares = spare != nullptr && spare->next != 0;
  block->place = BlockPlace::kPartial;
  partial.PushFront(block);
  if (has_spares && g_central_heap.WantsBlock(size_class)) {
    partial.Remove(spare);
    g_central_heap.OfferBlock(spare);
  }
}

void ThreadHeap::OnCountdown(BlockHeader* block) noexcept {
  if (block->place == BlockPlace::kCurrent) {
    block->ExpectFrees(kNoCountdown);
    return KeepEmpty(block);
  }
  if (block->place == BlockPlace::kWaiting) {
    waiting_[block->size_class].Remove(block);
    AddPartial(block);
  }
  block->place = BlockPlace::kPartial;
  const uint32_t used = block->UsedCells();
  if (used == 0) {
    Retire(block);
  } else {
    block->ExpectFrees(used);
  }
}

// The block is empty. It stays if the class would have no other: a loop that
// allocates and frees a blockful then leaves the central heap alone.
void ThreadHeap::Retire(BlockHeader* block) {
  const SizeClass size_class = block->size_class;
  BlockList& partial = partial_[size_class];
  if (partial.first() == block && block->next == 0) return KeepEmpty(block);
  partial.Remove(block);
  g_central_heap.ReleaseSmallBlock(block);
  EmptyMagazine(size_class);
  DrainInbox();
  // Not PassSlowPath: somewhere above the heap may be in the middle of things.
  g_central_heap.LookAtClock(/*mine=*/nullptr);
}

// The class has more blocks than it needs, and each of the magazine's cells
// keeps one. Not Spread: an open batch may be in the making.
void ThreadHeap::EmptyMagazine(SizeClass size_class) {
  if (!Magazines::Has(size_class)) return;
  while (FreeCell* cell = magazines_.Take(size_class)) {
    BlockHeader* block = BlockOf(AddressOf(cell));
    Batch* batch = Batch::At(AddressOf(cell));
    batch->Seal(block, cell, 1);
    Route(block, batch);
  }
}

bool ThreadHeap::EmptyLargeMagazine() {
  bool any = false;
  while (BlockHeader* block = large_magazine_.TakeAny()) {
    g_central_heap.FreeLarge(block);
    any = true;
  }
  return any;
}

// Keeps the block, and so many others as there is room for, since a thread that
// goes to sleep keeps them as well.
void ThreadHeap::KeepEmpty(BlockHeader* block) {
  const SizeClass size_class = block->size_class;
  if (kept_classes_.Has(size_class)) return;
  while (kept_granules_ + block->granules > kMaxKeptGranules) DropOldestKept();
  kept_classes_.Set(size_class);
  kept_[(oldest_kept_ + kept_count_++) % kMaxKeptGranules] = size_class;
  kept_granules_ += static_cast<uint8_t>(block->granules);
}

void ThreadHeap::DropOldestKept() {
  const SizeClass oldest = kept_[oldest_kept_];
  oldest_kept_ = (oldest_kept_ + 1) % kMaxKeptGranules;
  --kept_count_;
  kept_granules_ -= static_cast<uint8_t>(GranulesPerBlock(CellSize(oldest)));
  kept_classes_.Clear(oldest);
  if (bins_[oldest] == &kNoCell) ReleaseEmptyCurrent(oldest);
  ReleaseEmptyPartial(oldest, kPartialsToLookAt);
}

bool ThreadHeap::ReleaseEmptyBlocks() {
  bool any = EmptyLargeMagazine();
  Flush();
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    const auto size_class = static_cast<SizeClass>(c);
    any |= ReleaseEmptyCurrent(size_class);
    any |= ReleaseEmptyPartial(size_class, SIZE_MAX);
  }
  return any;
}

bool ThreadHeap::ReleaseEmptyCurrent(SizeClass size_class) {
  BlockHeader* block = current_[size_class];
  if (block == nullptr) return false;
  EmptyBin(block);
  if (block->UsedCells() != 0) return false;
  current_[size_class] = nullptr;
  g_central_heap.ReleaseSmallBlock(block);
  return true;
}

// Looks at the first `looks` partial blocks of the class.
bool ThreadHeap::ReleaseEmptyPartial(SizeClass size_class, size_t looks) {
  bool any = false;
  BlockHeader* next;
  for (BlockHeader* block = partial_[size_class].first();
       block != nullptr && looks > 0; block = next, --looks) {
    next = BlockList::Next(block);
    if (block->UsedCells() != 0) continue;
    partial_[size_class].Remove(block);
    g_central_heap.ReleaseSmallBlock(block);
    any = true;
  }
  return any;
}

void ThreadHeap::FollowTicks() {
  const uint32_t ticks = g_central_heap.ticks();
  if (seen_ticks_ != ticks) {
    seen_ticks_ = ticks;
    ReleaseIdleBlocks();
    is_settling_ = true;
  }
  if (is_settling_) SettleIdleBlocks();
}

void ThreadHeap::ReleaseIdleBlocks() {
  Flush();
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    if (idle_classes_.Has(c)) {
      const auto size_class = static_cast<SizeClass>(c);
      ReleaseEmptyCurrent(size_class);
      ReleaseEmptyPartial(size_class, kPartialsToLookAt);
    }
    idle_classes_.Set(c);
  }
}

}  // namespace memalloc
