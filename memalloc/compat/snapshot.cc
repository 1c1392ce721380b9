// One snapshot for all threads, behind a lock; see snapshot.h.

#include "memalloc/compat/snapshot.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

namespace memalloc_compat {
namespace {

pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
// Guarded by it.
struct memalloc_statistics g_statistics;
bool g_is_taken = false;
uint64_t g_taken_at = 0;  // milliseconds

constexpr uint64_t kMiB = 1 << 20;
// Heaps up to this are looked at whenever that is asked for.
constexpr uint64_t kSmallHeap = 64 * kMiB;

void Acquire() { pthread_mutex_lock(&g_lock); }
void Release() { pthread_mutex_unlock(&g_lock); }

// A child must not find the lock held by a thread that it has not. Who has it
// may wait for the heap's locks, so these are to be taken later before a fork:
// memalloc's handlers, which come with its first allocation, have to be there
// already.
__attribute__((constructor)) void HandleForks() {
  void* volatile first = malloc(1);
  free(first);
  pthread_atfork(&Acquire, &Release, &Release);
}

uint64_t Now() {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000 +
         static_cast<uint64_t>(time.tv_nsec) / 1000000;
}

void Take() {
  if (memalloc_get_statistics == nullptr) return;
  memalloc_get_statistics(&g_statistics, sizeof(g_statistics));
  g_is_taken = true;
  g_taken_at = Now();
}

// A millisecond for each MiB: some thousandths of the time go into looking.
bool IsYoung() {
  return g_is_taken && g_statistics.heap_bytes > kSmallHeap &&
         Now() - g_taken_at < g_statistics.heap_bytes / kMiB;
}

uint64_t WithoutPages(const struct memalloc_extent& extent) {
  return extent.bytes - extent.resident;
}

}  // namespace

Snapshot::Snapshot() {
  Acquire();
  if (!g_is_taken) Take();
}

Snapshot::~Snapshot() { Release(); }

const struct memalloc_statistics* Snapshot::operator->() const {
  return &g_statistics;
}

void Snapshot::Refresh() {
  Acquire();
  if (!IsYoung()) Take();
  Release();
}

void Snapshot::Forget() {
  Acquire();
  g_taken_at = 0;
  Release();
}

uint64_t Snapshot::Allocated() const {
  return g_statistics.live_cells.bytes + g_statistics.live_large.bytes +
         g_statistics.live_huge.bytes + g_statistics.guarded.bytes;
}

uint64_t Snapshot::Active() const {
  return Allocated() + AtHand() + g_statistics.travelling.bytes +
         g_statistics.free_cells.bytes;
}

uint64_t Snapshot::Resident() const {
  return Active() + g_statistics.purged_cells.resident +
         g_statistics.uncarved.resident + FreePages() +
         g_statistics.huge_spare.resident + Metadata();
}

uint64_t Snapshot::Mapped() const {
  return Active() + g_statistics.purged_cells.bytes +
         g_statistics.uncarved.bytes + g_statistics.huge_spare.bytes +
         Metadata();
}

uint64_t Snapshot::Retained() const {
  return WithoutPages(g_statistics.free_runs) +
         WithoutPages(g_statistics.huge_cache);
}

uint64_t Snapshot::Metadata() const {
  return g_statistics.tables.resident + g_statistics.thread_heaps.resident +
         g_statistics.address_map.resident + g_statistics.profile.resident;
}

const struct memalloc_class_statistics& Snapshot::Of(size_t size_class) const {
  return g_statistics.classes[size_class];
}

// A block has as many granules of 64 KiB, a power of two, as eight cells need.
uint64_t Snapshot::CellsPerBlock(size_t size_class) const {
  const uint64_t cell_size = Of(size_class).cell_size;
  if (cell_size == 0) return 0;  // no memalloc
  uint64_t bytes = uint64_t{64} << 10;
  while (bytes < 8 * cell_size) bytes *= 2;
  return bytes / cell_size;
}

uint64_t Snapshot::FilledBlocks(size_t size_class) const {
  const struct memalloc_class_statistics& row = Of(size_class);
  const uint64_t per_block = CellsPerBlock(size_class);
  const uint64_t cells = row.live + row.at_hand + row.travelling + row.free;
  return per_block == 0 ? 0 : (cells + per_block - 1) / per_block;
}

uint64_t Snapshot::FreePages() const {
  return g_statistics.free_runs.resident + g_statistics.huge_cache.resident;
}

uint64_t Snapshot::AtHand() const {
  return g_statistics.bins.bytes + g_statistics.magazines.bytes +
         g_statistics.large_magazines.bytes;
}

}  // namespace memalloc_compat
