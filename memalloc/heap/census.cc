// Counts what a walk finds: where the memory is, and what of it is resident.
//
// The walk holds the central lock, so that no memory goes, no block is made or
// ends and no header changes its purpose meanwhile. Threads go on within their
// blocks: what is theirs is read while they may write it (Glance), and a
// cell is only looked at where a block of cells stands, whatever led there.

#include "memalloc/heap/census.h"

#include "memalloc/base/glance.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/heap_walk.h"
#include "memalloc/heap/resident_pages.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/layout/address_map.h"

namespace memalloc {
namespace {

// Batches of an inbox or outbox that are looked at: a list that changes under
// our eyes need not have an end.
constexpr size_t kMaxBatches = size_t{1} << 20;

// The block whose cell begins at the address; null if there is none.
const BlockHeader* BlockOfCell(uintptr_t address) {
  if (g_address_map.Find(address) != SlotKind::kArena) return nullptr;
  if (address >= ArenaHeaderAt(ArenaOf(address))->End()) return nullptr;
  const BlockHeader* block = BlockOf(address);
  const bool is_cell =
      block->status == BlockStatus::kSmall && IsCellOf(block, address);
  return is_cell ? block : nullptr;
}

// The cells of the list that begins there.
uint64_t CountCells(uintptr_t first) {
  const BlockHeader* block = BlockOfCell(first);
  if (block == nullptr) return 0;
  uint64_t cells = 0;
  uintptr_t cell = first;
  while (cells < block->capacity && cell != 0 && IsCellOf(block, cell)) {
    ++cells;
    cell = Glance(*CellAt(cell)).Next(block->link_key);
  }
  return cells;
}

// Adds the cells of the batches from `first` on.
void CountBatches(uintptr_t first, ClassCensus* classes) {
  uintptr_t next = first;
  for (size_t i = 0; i < kMaxBatches; ++i) {
    const BlockHeader* block = BlockOfCell(next);
    if (block == nullptr) return;
    const Batch batch = Glance(*Batch::At(next));
    classes[block->size_class].travelling +=
        Min<uint32_t>(batch.cells(), block->capacity);
    next = batch.next();
  }
}

void CountSmallBlock(const BlockHeader* block, ResidentPages* pages,
                     ClassCensus* count) {
  const uintptr_t start = BlockStart(block);
  const uintptr_t end = start + block->granules * kGranuleSize;
  const uint32_t carved = Min<uint32_t>(block->carved, block->capacity);
  const uint32_t purged = Min<uint32_t>(block->purged_cells, carved);
  const uint32_t free = Min<uint32_t>(block->FreeCells(), carved - purged);
  const uintptr_t carved_end = start + carved * size_t{block->cell_size};
  ++count->blocks;
  count->handed_out += carved - purged - free;
  count->free += free;
  count->purged += purged;
  count->uncarved += block->capacity - carved;
  count->carved.Add(pages->Look(start, carved_end));
  count->behind.Add(pages->Look(carved_end, end));
}

// Adds what it is told of.
class CensusTaker final : public HeapVisitor {
 public:
  CensusTaker(Census* census, bool with_pages)
      : census_(census), pages_(with_pages) {}

  bool knows_residents() const { return pages_.is_known(); }

  void OnThreadHeap(const ThreadHeapView& view) override {
    if (view.state == HeapState::kInUse) ++census_->counts.thread_heaps;
    view.heap->Count(census_);
  }

  void OnArena(const ArenaHeader& arena) override {
    pages_.Begin(arena.Start(), arena.End());
    CountTable(arena);
  }

  void OnBlock(const ArenaHeader& /*arena*/,
               const BlockHeader& block) override {
    switch (block.status) {
      case BlockStatus::kSmall:
        CountSmallBlock(&block, &pages_, &census_->classes[block.size_class]);
        break;
      case BlockStatus::kLarge:
        if (block.IsLargeInUse()) {
          ++census_->large_blocks;
          census_->large.Add(Look(block));
        } else {
          census_->large_kept.Add(Look(block));
        }
        break;
      case BlockStatus::kMetadata:
        census_->thread_heaps.Add(Look(block));
        break;
      case BlockStatus::kFree:
      case BlockStatus::kPurging:
        census_->free_runs.Add(Look(block));
        break;
      default:
        break;  // somebody else's
    }
  }

  void OnHuge(const ArenaHeader& mapping, bool is_cached) override {
    pages_.Begin(mapping.Start(), mapping.Start() + kGranuleSize);
    CountTable(mapping);
    const uintptr_t start = mapping.huge.start;
    const uintptr_t end = start + mapping.huge.mapped;
    pages_.Begin(start, end);
    if (is_cached) {
      census_->huge_cached.Add(pages_.Look(start, end));
      return;
    }
    const uintptr_t block_end = start + mapping.huge.bytes;
    ++census_->huge_blocks;
    census_->huge.Add(pages_.Look(start, block_end));
    census_->huge_spare.Add(pages_.Look(block_end, end));
  }

 private:
  Extent Look(const BlockHeader& block) {
    const uintptr_t start = BlockStart(&block);
    return pages_.Look(start, start + block.granules * kGranuleSize);
  }
  void CountTable(const ArenaHeader& arena) {
    const uintptr_t start = arena.Start();
    census_->tables.Add(pages_.Look(start, start + kGranuleSize));
  }

  Census* census_;
  ResidentPages pages_;
};

}  // namespace

void ThreadHeap::Count(Census* census) const {
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    census->classes[c].allocations += handed_out_[c].Get();
  }
  census->large_allocations += large_handed_out_.Get();
  const uintptr_t inbox = inbox_.load(std::memory_order_acquire);
  // What a forked child lost counts as live.
  if (inbox == kInboxDropped) return;
  if (inbox == kInboxClosed) {
    ++census->idle_heaps;
    return;
  }
  CountCached(census->classes);
  CountBatches(inbox, census->classes);
}

// What the thread has at hand, and what waits to be sent.
void ThreadHeap::CountCached(ClassCensus* classes) const {
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    classes[c].in_bins += CountCells(AddressOf(Glance(bins_[c])));
    if (!Magazines::Has(static_cast<SizeClass>(c))) continue;
    classes[c].in_magazines += magazines_.CountOf(static_cast<SizeClass>(c));
  }
  for (const OpenBatch& batch : open_batches_) {
    const OpenBatch open = Glance(batch);
    if (open.block == nullptr || open.anchor == nullptr) continue;
    const BlockHeader* block = BlockOfCell(AddressOf(open.anchor));
    if (block == nullptr) continue;
    classes[block->size_class].travelling += Min(open.cells, kMaxBatchCells);
  }
  for (const Outbox& outbox : outboxes_) {
    CountBatches(reinterpret_cast<uintptr_t>(Glance(outbox.first)), classes);
  }
}

// From what was handed out so far and what is out now.
void CentralHeap::CountCalls(Census* census) {
  const auto note = [](uint64_t allocations, uint64_t live, CallsSeen* seen) {
    seen->allocations = Max(seen->allocations, allocations);
    const uint64_t frees = allocations > live ? allocations - live : 0;
    seen->frees = Min(Max(seen->frees, frees), seen->allocations);
  };
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    ClassCensus* count = &census->classes[c];
    const uint64_t handed_out =
        count->allocations + cells_handed_out_[c] +
        g_sampled_cells.CountOf(static_cast<SizeClass>(c));
    CallsSeen* seen = &calls_seen_[c];
    note(handed_out - Min(handed_out, count->in_bins), count->Live(), seen);
    count->allocations = seen->allocations;
    count->frees = seen->frees;
  }
  CallsSeen* seen = &calls_seen_[kNumSizeClasses];
  note(census->large_allocations + large_handed_out_, census->large_blocks,
       seen);
  census->large_allocations = seen->allocations;
  census->large_frees = seen->frees;
  census->huge_allocations = huge_handed_out_;
  census->huge_frees = huge_freed_;
}

void CentralHeap::TakeCensus(Census* census, bool with_pages) {
  const LockHolder holder(lock_);
  *census = {};
  CensusTaker taker(census, with_pages);
  WalkLocked(&taker);
  census->knows_residents = taker.knows_residents();
  census->parked_heaps = parked_count_;
  CountCalls(census);
  census->lock_acquisitions = lock_.acquisitions() + purge_lock_.acquisitions();
  census->lock_waits = lock_.waits() + purge_lock_.waits();
  CountTotals(census);
}

void CentralHeap::CountTotals(Census* census) {
  CentralCounts& counts = census->counts;
  counts.arenas = arena_count_;
  counts.backed_bytes =
      (backed_granules_ + huge_granules_) * kGranuleSize + huge_cache_.bytes();
  counts.block_bytes = used_granules_ * kGranuleSize;
  counts.peak_block_bytes = peak_granules_ * kGranuleSize;
  counts.blocks = block_count_;
  counts.purgeable_bytes = runs_.purgeable_granules() * kGranuleSize;
  counts.purged_bytes = purged_bytes_;
  counts.purge_calls = purge_calls_;
  counts.live_bytes = census->large.bytes + census->huge.bytes;
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    counts.live_bytes +=
        census->classes[c].handed_out * CellSize(static_cast<SizeClass>(c));
  }
}

CentralCounts CentralHeap::Counts() {
  Census census;
  TakeCensus(&census, /*with_pages=*/false);
  return census.counts;
}

}  // namespace memalloc
