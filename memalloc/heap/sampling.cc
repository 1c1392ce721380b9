// Countdowns, and samples taken and ended; see sampling.h.

#include "memalloc/heap/sampling.h"

#include <errno.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/logarithm.h"
#include "memalloc/base/math.h"
#include "memalloc/heap/block_cells.h"
#include "memalloc/heap/central_heap.h"
#include "memalloc/heap/guard_pool.h"
#include "memalloc/heap/lookup.h"
#include "memalloc/heap/thread_heap.h"
#include "memalloc/os/os.h"

namespace memalloc {
namespace {

// Numbers the threads that draw, so that each draws something else.
std::atomic<uint64_t> g_threads_that_draw{0};

// Whether the running thread is in a hook.
MEMALLOC_TLS bool t_in_hook = false;

const SampleHooks& Hooks() {
  return *g_sample_hooks.load(std::memory_order_acquire);
}

void TellTaken(uintptr_t start, size_t size, uint64_t interval) {
  const int saved_errno = errno;
  t_in_hook = true;
  Hooks().taken(start, size, interval);
  t_in_hook = false;
  errno = saved_errno;
}

void TellFreed(uintptr_t start) {
  const int saved_errno = errno;
  Hooks().freed(start);
  errno = saved_errno;
}

// Makes a sample of a large or huge block, drawn with the interval.
void MarkSampled(uintptr_t start, BlockHeader* block, uint64_t interval) {
  g_has_samples.store(true, std::memory_order_relaxed);
  block->owner.store(SampleOwner(), std::memory_order_relaxed);
  TellTaken(start, SizeOf(block), interval);
}

}  // namespace

Lock g_sampling_lock;
std::atomic<const SampleHooks*> g_sample_hooks{&kProfileHooks};
std::atomic<bool> g_has_samples{false};
SampledCells g_sampled_cells;
MEMALLOC_TLS SamplingPoint t_sampling_point;

double SampleChance(size_t size, uint64_t interval) {
  return OneMinusExp(static_cast<double>(size) /
                     static_cast<double>(Max<uint64_t>(1, interval)));
}

MEMALLOC_USUAL void PrepareToSample() {
  if (MEMALLOC_LIKELY(!SamplingIsOn() && !GuardingIsOn())) return;
  const int saved_errno = errno;
  t_in_hook = true;
  Hooks().prepare();
  t_in_hook = false;
  errno = saved_errno;
}

// ---- the countdown ----

// Within (0, 1].
double SamplingPoint::NextUniform() {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;
  if (random_ == 0) {
    const uint64_t number =
        g_threads_that_draw.fetch_add(1, std::memory_order_relaxed);
    random_ = Mix(os::RandomWord() + number * kGolden);
  }
  random_ += kGolden;
  return static_cast<double>((Mix(random_) >> 11) + 1) * 0x1p-53;
}

bool SamplingPoint::Happens(double chance) { return NextUniform() <= chance; }

// How many bytes it takes to draw one is distributed as an exponential, rounded
// up.
void SamplingPoint::Draw() {
  const double wait = -Ln(NextUniform()) * static_cast<double>(interval_);
  bytes_left_ = static_cast<uint64_t>(wait) + 1;
}

size_t SamplingPoint::Count(size_t count, size_t size) {
  const uint64_t interval = GetOption(Option::kSampleInterval);
  if (interval == 0) return 0;
  if (interval_ != interval) {
    interval_ = interval;
    Draw();
  }
  if (bytes_left_ > count * size) {
    bytes_left_ -= count * size;
    return 0;
  }
  const size_t first = (bytes_left_ + size - 1) / size;
  Draw();
  return first;
}

// ---- samples ----

void* TakeSampledCell(SizeClass size_class) {
  if (t_in_hook || !SamplingIsOn()) return nullptr;
  FreeCell* cell = g_sampled_cells.Allocate(size_class);
  if (cell != nullptr) {
    TellTaken(AddressOf(cell), CellSize(size_class),
              t_sampling_point.interval());
  }
  return cell;
}

void* CountCellSlow(SizeClass size_class, size_t size) {
  const size_t cell_size = CellSize(size_class);
  const bool is_sample = t_sampling_point.Count(1, cell_size) != 0;
  const bool is_guarded = t_guard_point.Left() == 1;
  t_guard_point.Pass(1);
  void* result = is_sample ? TakeSampledCell(size_class) : nullptr;
  if (result != nullptr || !is_guarded) return result;
  return g_guard_pool.Allocate(size);
}

void CountWhole(uintptr_t start, BlockHeader* block, size_t bytes) {
  if (t_sampling_point.Count(1, bytes) == 0 || t_in_hook) return;
  MarkSampled(start, block, t_sampling_point.interval());
}

void KeepSampled(uintptr_t start, BlockHeader* block, size_t old_size) {
  const uint64_t interval = GetOption(Option::kSampleInterval);
  if (interval == 0) return;
  const size_t size = SizeOf(block);
  if (size < old_size &&
      !t_sampling_point.Happens(SampleChance(size, interval) /
                                SampleChance(old_size, interval))) {
    return;
  }
  MarkSampled(start, block, interval);
}

void EndSample(uintptr_t start, BlockHeader* block) {
  TellFreed(start);
  if (block->status == BlockStatus::kSmall) {
    g_sampled_cells.Free(block, CellAt(start));
  } else {
    block->owner.store(nullptr, std::memory_order_relaxed);
  }
}

// ---- blocks of sampled cells ----

FreeCell* SampledCells::TryAllocate(SizeClass size_class) {
  const LockHolder holder(g_sampling_lock);
  BlockHeader* block = partial_[size_class].first();
  if (block == nullptr) return nullptr;
  FreeCell* cell = TakeCell(block);
  handed_out_[size_class].Add(1);
  if (!HasCells(block)) partial_[size_class].Remove(block);
  return cell;
}

FreeCell* SampledCells::Allocate(SizeClass size_class) {
  // Whoever gets the cell sees this.
  g_has_samples.store(true, std::memory_order_relaxed);
  for (;;) {
    FreeCell* cell = TryAllocate(size_class);
    if (cell != nullptr) return cell;
    BlockHeader* block =
        g_central_heap.AllocateNewBlock(size_class, SampleOwner());
    if (block == nullptr) return nullptr;
    const LockHolder holder(g_sampling_lock);
    partial_[size_class].PushFront(block);
  }
}

// An empty block goes at once: there are few samples.
void SampledCells::Free(BlockHeader* block, FreeCell* cell) {
  bool is_empty;
  {
    const LockHolder holder(g_sampling_lock);
    BlockList& partial = partial_[block->size_class];
    if (!HasCells(block)) partial.PushFront(block);
    PutCell(block, cell);
    is_empty = block->UsedCells() == 0;
    if (is_empty) {
      partial.Remove(block);
      // From now on its free cells may lose their pages.
      block->owner.store(&g_central_owner, std::memory_order_relaxed);
    }
  }
  if (is_empty) g_central_heap.ReleaseSmallBlock(block);
}

}  // namespace memalloc
