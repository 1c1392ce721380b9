// The snapshot: the census of the heap, and what of it is resident, told apart.
//
// Where a block's live and free cells lie is not known, only how many there
// are. Of cells up to a page all are resident that were ever carved and not
// purged, so their number says it all. Of larger ones some pages may never have
// been touched: those are shared out between the block's cells in proportion.

#include "memalloc/observe/statistics.h"

#include "memalloc/base/math.h"
#include "memalloc/heap/census.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/resident_pages.h"
#include "memalloc/layout/address_map.h"
#include "memalloc/observe/mapped_memory.h"
#include "memalloc/observe/profile_tables.h"
#include "memalloc/observe/statistics_parts.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

static_assert(kNumSizeClasses == MEMALLOC_SIZE_CLASSES);

struct memalloc_extent Public(const Extent& extent) {
  return {extent.bytes, extent.resident};
}

void Add(struct memalloc_extent* sum, const struct memalloc_extent& more) {
  sum->bytes += more.bytes;
  sum->resident += more.resident;
}

// Deals what is resident of a class's carved cells out among their uses.
class Dealer {
 public:
  Dealer(const ClassCensus& count, size_t cell_size)
      : cell_size_(cell_size), left_(count.carved.resident), share_(1.0) {
    const uint64_t touched = (count.handed_out + count.free) * cell_size;
    if (touched > left_) {
      share_ = static_cast<double>(left_) / static_cast<double>(touched);
    }
  }

  // Whether some pages of cells that were not purged are not resident.
  bool is_scarce() const { return share_ < 1.0; }

  struct memalloc_extent Deal(uint64_t cells) {
    const uint64_t bytes = cells * cell_size_;
    const auto wanted =
        static_cast<uint64_t>(static_cast<double>(bytes) * share_);
    const uint64_t resident = Min(Min(bytes, wanted), left_);
    left_ -= resident;
    return {bytes, resident};
  }

  // What is left goes to the last one.
  struct memalloc_extent DealRest(uint64_t cells) {
    return {cells * cell_size_, left_};
  }

 private:
  size_t cell_size_;
  uint64_t left_;
  double share_;
};

// Half of what lies between the class's size and that below.
uint64_t ExpectedRounding(SizeClass size_class) {
  const size_t below =
      size_class == 0 ? 0 : CellSize(static_cast<SizeClass>(size_class - 1));
  return (CellSize(size_class) - below) / 2;
}

void AddClass(const ClassCensus& count, SizeClass size_class,
              struct memalloc_statistics* sums) {
  const size_t cell_size = CellSize(size_class);
  struct memalloc_class_statistics& row = sums->classes[size_class];
  row.cell_size = cell_size;
  row.blocks = count.blocks;
  row.memory = Public(count.carved);
  Add(&row.memory, Public(count.behind));
  row.live = count.Live();
  // Their sum is what was handed out, whatever was read of each.
  uint64_t kept = count.handed_out - row.live;
  const uint64_t in_bins = Min(count.in_bins, kept);
  kept -= in_bins;
  const uint64_t in_magazines = Min(count.in_magazines, kept);
  kept -= in_magazines;
  row.at_hand = in_bins + in_magazines;
  row.travelling = kept;
  row.free = count.free;
  row.purged = count.purged;
  row.uncarved = count.uncarved;
  row.allocations = count.allocations;
  row.frees = count.frees;

  Dealer dealer(count, cell_size);
  Add(&sums->bins, dealer.Deal(in_bins));
  Add(&sums->magazines, dealer.Deal(in_magazines));
  Add(&sums->travelling, dealer.Deal(row.travelling));
  Add(&sums->free_cells, dealer.Deal(row.free));
  if (dealer.is_scarce()) {
    Add(&sums->purged_cells, {row.purged * cell_size, 0});
    Add(&sums->live_cells, dealer.DealRest(row.live));
  } else {
    Add(&sums->live_cells, dealer.Deal(row.live));
    // Of cells that begin in a purged page and end in another one.
    Add(&sums->purged_cells, dealer.DealRest(row.purged));
  }
  Add(&sums->uncarved, Public(count.behind));
  sums->rounding_estimate += row.live * ExpectedRounding(size_class);
  sums->allocations += row.allocations;
  sums->frees += row.frees;
}

void AddCounts(const Census& census, struct memalloc_statistics* sums) {
  sums->peak_block_bytes = census.counts.peak_block_bytes;
  sums->heap_bytes = census.counts.backed_bytes;
  sums->arenas = census.counts.arenas;
  sums->blocks = census.counts.blocks;
  sums->large_blocks = census.large_blocks;
  sums->huge_blocks = census.huge_blocks;
  sums->large_allocations = census.large_allocations;
  sums->large_frees = census.large_frees;
  sums->huge_allocations = census.huge_allocations;
  sums->huge_frees = census.huge_frees;
  sums->allocations += census.large_allocations + census.huge_allocations;
  sums->frees += census.large_frees + census.huge_frees;
  sums->threads = census.counts.thread_heaps;
  sums->parked_heaps = census.parked_heaps;
  sums->idle_heaps = census.idle_heaps;
  sums->lock_acquisitions = census.lock_acquisitions;
  sums->lock_waits = census.lock_waits;
  sums->purged_bytes = census.counts.purged_bytes;
  sums->purge_calls = census.counts.purge_calls;
}

void AddSystemCalls(struct memalloc_statistics* sums) {
  using os::SystemCall;
  sums->brk_calls = os::CountOf(SystemCall::kBrk);
  sums->mmap_calls = os::CountOf(SystemCall::kMmap);
  sums->munmap_calls = os::CountOf(SystemCall::kMunmap);
  sums->mremap_calls = os::CountOf(SystemCall::kMremap);
  sums->madvise_calls = os::CountOf(SystemCall::kMadvise);
  sums->mprotect_calls = os::CountOf(SystemCall::kMprotect);
  sums->mincore_calls = os::CountOf(SystemCall::kMincore);
  sums->futex_calls = os::CountOf(SystemCall::kFutex);
  sums->file_calls = os::CountOf(SystemCall::kFile);
}

// The map stands in the library's own zero pages.
void AddAddressMap(bool with_pages, struct memalloc_statistics* sums) {
  const auto start = reinterpret_cast<uintptr_t>(&g_address_map);
  const uintptr_t end = start + sizeof(g_address_map);
  ResidentPages pages(start, end, with_pages);
  const Extent map = pages.Look(start, end);
  // Most of it is never touched.
  sums->address_map = {map.resident, map.resident};
}

// What guarded sampling and the profiler have beside the heap.
void AddObservers(bool with_pages, struct memalloc_statistics* sums) {
  const uint64_t guarded = g_guard_pool.Counts().resident_bytes;
  sums->guarded = {guarded, guarded};
  if (!with_pages) return;
  const LockHolder holder(g_sampling_lock);
  const uint64_t profile = g_profile.resident_bytes();
  sums->profile = {profile, profile};
}

}  // namespace

void TakeStatistics(struct memalloc_statistics* statistics,
                    Residents residents) {
  const bool with_pages = residents == Residents::kLookAt;
  *statistics = {};
  // Too large for the smallest stacks.
  const MappedMemory memory(sizeof(Census));
  if (memory.As<Census>() == nullptr) return;
  Census& census = *memory.As<Census>();
  g_central_heap.TakeCensus(&census, with_pages);
  statistics->milliseconds = os::NowMilliseconds();
  statistics->knows_residents = census.knows_residents;
  for (unsigned c = 0; c < kNumSizeClasses; ++c) {
    AddClass(census.classes[c], static_cast<SizeClass>(c), statistics);
  }
  statistics->live_large = Public(census.large);
  statistics->live_huge = Public(census.huge);
  statistics->large_magazines = Public(census.large_kept);
  statistics->free_runs = Public(census.free_runs);
  statistics->huge_spare = Public(census.huge_spare);
  statistics->huge_cache = Public(census.huge_cached);
  statistics->tables = Public(census.tables);
  statistics->thread_heaps = Public(census.thread_heaps);
  AddAddressMap(with_pages, statistics);
  AddObservers(with_pages, statistics);
  for (const Part& part : kParts) {
    Add(&statistics->total, statistics->*part.extent);
  }
  AddCounts(census, statistics);
  AddSystemCalls(statistics);
  const os::ResidentSize process = os::GetResidentSize();
  statistics->process_resident_bytes = process.now;
  statistics->process_peak_resident_bytes = process.peak;
}

}  // namespace memalloc
